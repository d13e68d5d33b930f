import { SETTING_ROWS } from './keys.ts';
import type { SettingKey } from './setting-key.ts';

const HEADER = [
  '# Settings of evolink. Copy this file to .evolinkrc in your project (found from the working directory upward), or to',
  '# config.yaml in your user config folder (Linux: ~/.config/evolink/config.yaml). `evolink config` shows what holds.',
  '#',
  '# Strongest first: flag, environment variable, project file, user config, built-in value.',
  '# YAML, strict: an unknown key is an error. Remove the # before a setting to use it.',
];

/** The text of `evolink config init` and of `.evolinkrc.example`: every key of the table, explained and commented out. */
export function configTemplate(): string {
  const rows = SETTING_ROWS.filter(({ inFile }) => inFile !== 'none');
  const lines = rows.flatMap((row, index) => {
    const isNewGroup = row.group !== rows[index - 1]?.group;
    return [...(isNewGroup ? ['', `# --- ${row.group} ---`] : []), '', ...settingLines(row)];
  });
  return `${[...HEADER, ...lines].join('\n')}\n`;
}

/** Prose starts with `# `, a setting with `#` alone. */
function settingLines({ description, flag, flagOff, env, example }: SettingKey<unknown>): string[] {
  const ways = [...[flag, flagOff].filter((name) => name !== undefined), ...(env === undefined ? [] : [env])];
  return [`# ${description}`, ...(ways.length === 0 ? [] : [`# Also: ${ways.join(', ')}`]), `#${example}`];
}
