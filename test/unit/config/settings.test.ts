import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { configTemplate } from '../../../src/cli/config.ts';
import { readConfig } from '../../../src/config/config-file.ts';
import { parseDurationMs, parseSizeBytes, SETTING_ROWS, SETTINGS } from '../../../src/config/keys.ts';
import { askedBySettings, mergeSettings } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/request/problems.ts';

interface Sources extends Partial<Omit<Parameters<typeof mergeSettings>[0], 'files'>> {
  /** The texts of the two files. */
  readonly project?: string;
  readonly user?: string;
}

function merge({ project, user, ...more }: Sources) {
  const files = [
    ...(project === undefined ? [] : [readConfig('/work/.evolinkrc', 'project', project)]),
    ...(user === undefined ? [] : [readConfig('/home/me/config.yaml', 'user', user)]),
  ];
  expect(files.flatMap(({ problems }) => problems)).toEqual([]);
  return mergeSettings({ env: {}, ...more, files });
}

describe('mergeSettings', () => {
  it.each([
    ['EVOLINK_GENERATE_AUDIO', 'no', 'generate_audio', false],
    ['EVOLINK_GENERATE_AUDIO', '1', 'generate_audio', true],
    ['EVOLINK_DURATION', '8s', 'duration', 8],
    ['EVOLINK_MAX_CREDITS', '67.5', 'maxCredits', 67.5],
    ['EVOLINK_MAX_SIZE', '1GiB', 'maxSizeBytes', 1024 ** 3],
    ['EVOLINK_MIN_SPEED', '10kB/s', 'minBytesPerSecond', 10_000],
    ['EVOLINK_BASE_URL', 'http://LOCALHOST:8080/v1/', 'baseUrl', 'http://localhost:8080/v1'],
    ['EVOLINK_MODEL', '', 'model', undefined],
  ] as const)('reads %s=%j', (name, text, setting, value) => {
    const { settings, problems } = merge({ env: { [name]: text } });
    expect(problems).toEqual([]);
    expect(settings[setting].value).toBe(value);
  });

  it.each([
    [{ EVOLINK_TIMEOUT: '30' }, /^EVOLINK_TIMEOUT "30": must be a time with its unit.*did you mean 30s\?$/],
    [{ EVOLINK_CONCURRENCY: 'many' }, /^EVOLINK_CONCURRENCY "many": must be a whole number/],
    [{ EVOLINK_DURATION: '0x8' }, /^EVOLINK_DURATION "0x8"/],
    [{ EVOLINK_SIDECAR: 'maybe' }, /^EVOLINK_SIDECAR "maybe": must be true or false$/],
  ])('refuses %j', (env, message) => {
    expect(merge({ env }).problems.map(formatProblem)).toEqual([expect.stringMatching(message)]);
  });

  it('never holds the key or the key command', () => {
    const { settings } = merge({
      env: { EVOLINK_API_KEY: 'sk-canary' },
      user: 'api_key: sk-canary\napi_key_command: [echo, sk-canary]',
    });
    expect(JSON.stringify(settings)).not.toContain('canary');
    expect(Object.keys(settings)).toHaveLength(Object.keys(SETTINGS).length - 2);
  });
});

describe('output of a project file', () => {
  it.each([
    ['clips/{slug}.mp4', '/work/clips/{slug}.mp4'],
    ['clips/', '/work/clips/'],
    ['/work/x.mp4', '/work/x.mp4'],
    ['-', '-'],
  ])('%s counts from the file: %s', (output, expected) => {
    const { settings, warnings } = merge({ project: `output: "${output}"` });
    expect(settings.output).toMatchObject({
      value: expected,
      level: 'project',
      source: '/work/.evolinkrc:1',
    });
    expect(warnings).toEqual([]);
  });

  it.each(['../x.mp4', '/etc/x.mp4', 'a/../../x.mp4', '..', '/workshop/x.mp4'])(
    '%s leads out and is ignored',
    (output) => {
      const { settings, trustWarnings } = merge({ project: `output: "${output}"`, user: 'output: mine/' });
      expect(settings.output.value).toBe('mine/');
      expect(trustWarnings).toEqual([expect.stringContaining('/work/.evolinkrc:1 is ignored')]);
    },
  );
});

describe('askedBySettings', () => {
  it('gives what was set, with its place, and leaves built-in values out', () => {
    const { settings } = merge({ env: { EVOLINK_QUALITY: '480p' }, project: 'generate_audio: false' });
    const { value, locate } = askedBySettings(settings);
    expect(value).toEqual({ quality: '480p', generate_audio: false });
    expect(locate(['quality'])).toEqual({ source: 'EVOLINK_QUALITY', isSetting: true });
    expect(locate(['generate_audio'])).toEqual({
      source: 'generate_audio (/work/.evolinkrc:1)',
      isSetting: true,
      projectPlace: '/work/.evolinkrc:1',
    });
  });

  it.each([
    ['tier: fast', 'model: m', 'fast', undefined],
    ['model: m', 'tier: fast', undefined, 'm'],
    ['model: m\ntier: fast', 'tier: mini', 'fast', 'm'],
  ])('project "%s" over user "%s"', (project, user, tier, model) => {
    const { value } = askedBySettings(merge({ project, user }).settings);
    expect([value.tier, value.model]).toEqual([tier, model]);
  });
});

const EXAMPLE = fileURLToPath(new URL('../../../.evolinkrc.example', import.meta.url));

describe('configTemplate', () => {
  it('is what .evolinkrc.example holds; to bring that up to date: UPDATE_EXAMPLE=1 npx vitest run --config test/vitest.config.ts settings', () => {
    if (process.env.UPDATE_EXAMPLE === '1') writeFileSync(EXAMPLE, configTemplate());
    expect(readFileSync(EXAMPLE, 'utf8')).toBe(configTemplate());
  });

  it('has every key that a file may hold, each with a valid example, the built-in value where there is one', () => {
    // As a person would: the `#` before each setting removed.
    expect(readConfig('x', 'project', configTemplate())).toMatchObject({ given: new Map(), problems: [] });
    const { given, problems } = readConfig('x', 'user', configTemplate().replace(/^#(?=[a-z])/gm, ''));
    expect(problems).toEqual([]);
    const rows = SETTING_ROWS.filter(({ inFile }) => inFile !== 'none');
    expect([...given.keys()]).toEqual(rows.map(({ key }) => key));
    for (const { key, read, builtIn } of rows) {
      const value = read(given.get(key)?.value);
      if (builtIn === undefined || key === 'prices') expect(value, key).toBeDefined();
      else expect(value, key).toEqual(read(builtIn));
    }
  });
});

describe('units', () => {
  // biome-ignore format: one row a unit
  it.each([
    ['30m', 1_800_000], ['1h30m', 5_400_000], ['1h 30m', 5_400_000], ['500ms', 500], ['1.5h', 5_400_000],
    ['2M', 120_000], ['1m30s', 90_000], ['0', 0], [' 10s ', 10_000], ['7d', 604_800_000],
    ...['', '30', '-5s', '30x', 'm', '30m1h', '5s5s', '1h30', '8d', '1e3s', 'none', '١s', '9'.repeat(50)]
      .map((text) => [text, undefined] as const),
  ] as const)('%j is %s ms', (text, expected) => {
    expect(parseDurationMs(text)).toBe(expected);
  });

  // biome-ignore format: one row a unit
  it.each([
    ['4GiB', 4 * 1024 ** 3], ['500 MB', 500_000_000], ['10kB', 10_000], ['10KiB', 10_240], ['1.5gib', 1.5 * 1024 ** 3],
    ['12', 12], ['12B', 12], ['0', 0],
    ...['', '-1', '4G', 'GiB', '4 XB', '9999999999999999TiB', '1e9', '0x10']
      .map((text) => [text, undefined] as const),
  ] as const)('%j is %s bytes', (text, expected) => {
    expect(parseSizeBytes(text)).toBe(expected);
  });
});
