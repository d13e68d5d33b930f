import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { flagsOfSetting } from '../../../src/cli/flags.ts';
import { readConfig } from '../../../src/config/config-file.ts';
import { configTemplate } from '../../../src/config/describe.ts';
import { SETTING_ROWS } from '../../../src/config/keys.ts';

const EXAMPLE = fileURLToPath(new URL('../../../.evolinkrc.example', import.meta.url));

/** As a person would: the `#` before each setting removed. */
function uncommented(): string {
  return configTemplate(flagsOfSetting).replace(/^#(?=[a-z])/gm, '');
}

describe('configTemplate', () => {
  it('is what .evolinkrc.example holds; to bring that up to date: UPDATE_EXAMPLE=1 npx vitest run --config test/vitest.config.ts config-template', () => {
    if (process.env.UPDATE_EXAMPLE === '1') writeFileSync(EXAMPLE, configTemplate(flagsOfSetting));
    expect(readFileSync(EXAMPLE, 'utf8')).toBe(configTemplate(flagsOfSetting));
  });

  it('sets nothing as it stands', () => {
    const { file, problems } = readConfig({
      path: 'x',
      level: 'project',
      text: configTemplate(flagsOfSetting),
    });
    expect([file.values.size, problems]).toEqual([0, []]);
  });

  it('has every key that a file may hold, each with an example that is valid', () => {
    const { file, problems } = readConfig({ path: 'x', level: 'user', text: uncommented() });
    expect(problems).toEqual([]);
    expect([...file.values.keys()]).toEqual(
      SETTING_ROWS.filter(({ inFile }) => inFile !== 'none').map(({ key }) => key),
    );
  });

  it('shows the built-in value where there is one', () => {
    for (const row of SETTING_ROWS.filter(
      ({ builtIn, key }) => builtIn !== undefined && !['prices', 'sidecar'].includes(key),
    )) {
      const { file } = readConfig({ path: 'x', level: 'user', text: `${row.key}: ${row.example}` });
      expect(row.kind.schema().parse(file.values.get(row.key)), row.key).toEqual(row.builtIn);
    }
  });
});
