import { describe, expect, it } from 'vitest';
import { type ConfigLevel, readConfig } from '../../../src/config/config-file.ts';
import { SETTING_KEYS } from '../../../src/config/keys.ts';
import { requestSettings, resolveConfig } from '../../../src/config/resolve.ts';
import { formatProblem } from '../../../src/request/problems.ts';

function file(
  level: ConfigLevel,
  text: string,
  path = level === 'project' ? '/work/.evolinkrc' : '/home/me/config.yaml',
) {
  const { file: read, problems } = readConfig({ path, level, text });
  expect(problems).toEqual([]);
  return read;
}

const EVERYWHERE = {
  flags: { timeout: { value: '1m', source: '--timeout' } },
  env: { EVOLINK_TIMEOUT: '2m' },
  projectFile: file('project', '# first line\ntimeout: 3m'),
  userFile: file('user', 'timeout: 4m'),
};

// biome-ignore format: one row a level
const PRECEDENCE = [
  { without: [],                                                        value: 60_000,    level: 'flag',        source: '--timeout' },
  { without: ['flags'],                                                 value: 120_000,   level: 'environment', source: 'EVOLINK_TIMEOUT' },
  { without: ['flags', 'env'],                                          value: 180_000,   level: 'project',     source: '/work/.evolinkrc:2' },
  { without: ['flags', 'env', 'projectFile'],                           value: 240_000,   level: 'user',        source: '/home/me/config.yaml:1' },
  { without: ['flags', 'env', 'projectFile', 'userFile'],               value: 1_800_000, level: 'built-in',    source: 'built-in' },
  { without: ['env', 'projectFile'],                                    value: 60_000,    level: 'flag',        source: '--timeout' },
  { without: ['flags', 'projectFile'],                                  value: 120_000,   level: 'environment', source: 'EVOLINK_TIMEOUT' },
] as const;

describe('resolveConfig', () => {
  it.each(PRECEDENCE)('without $without takes the value of $level', ({ without, ...expected }) => {
    const kept = Object.entries(EVERYWHERE).filter(([name]) => !without.some((other) => other === name));
    const { settings, problems } = resolveConfig({ env: {}, ...Object.fromEntries(kept) });
    expect(problems).toEqual([]);
    expect(settings.timeoutMs).toEqual(expected);
  });

  it.each([
    ['EVOLINK_GENERATE_AUDIO', 'no', 'generateAudio', false],
    ['EVOLINK_GENERATE_AUDIO', '1', 'generateAudio', true],
    ['EVOLINK_DURATION', ' 8 ', 'durationSeconds', 8],
    ['EVOLINK_DURATION', '8s', 'durationSeconds', 8],
    ['EVOLINK_MAX_CREDITS', '67.5', 'maxCredits', 67.5],
    ['EVOLINK_MAX_CREDITS', '0', 'maxCredits', 0],
    ['EVOLINK_MAX_SIZE', '1GiB', 'maxSizeBytes', 1024 ** 3],
    ['EVOLINK_MIN_SPEED', '10kB/s', 'minBytesPerSecond', 10_000],
    ['EVOLINK_TIMEOUT', '0', 'timeoutMs', 0],
    ['EVOLINK_BASE_URL', 'http://LOCALHOST:8080/v1/', 'baseUrl', 'http://localhost:8080/v1'],
    ['EVOLINK_STATE_DIR', '/x', 'stateFolder', '/x'],
    ['EVOLINK_MODEL', '', 'model', undefined],
  ] as const)('reads %s=%j', (name, text, setting, value) => {
    const { settings, problems } = resolveConfig({ env: { [name]: text } });
    expect(problems).toEqual([]);
    expect(settings[setting].value).toBe(value);
  });

  it.each([
    [{ EVOLINK_TIMEOUT: '30' }, /^EVOLINK_TIMEOUT "30": must be a time with its unit.*did you mean 30s\?$/],
    [{ EVOLINK_CONCURRENCY: 'many' }, /^EVOLINK_CONCURRENCY "many": must be a whole number/],
    [{ EVOLINK_DURATION: '0x8' }, /^EVOLINK_DURATION "0x8"/],
    [{ EVOLINK_SIDECAR: 'maybe' }, /^EVOLINK_SIDECAR "maybe": must be true or false$/],
  ])('refuses %j', (env, message) => {
    expect(resolveConfig({ env }).problems.map(formatProblem)).toEqual([expect.stringMatching(message)]);
  });

  it('warns of a misspelled variable, and of no other', () => {
    const { warnings } = resolveConfig({
      env: { EVOLINK_MAX_CREDIT: '5', EVOLINK_WHATEVER_ELSE: '1', PATH: '/' },
    });
    expect(warnings).toEqual([
      'the variable EVOLINK_MAX_CREDIT is not known; did you mean EVOLINK_MAX_CREDITS?',
    ]);
  });

  it('never holds the key or the key command', () => {
    const { settings } = resolveConfig({
      env: { EVOLINK_API_KEY: 'sk-canary' },
      userFile: file('user', 'api_key: sk-canary\napi_key_command: [echo, sk-canary]'),
    });
    expect(JSON.stringify(settings)).not.toContain('canary');
    expect(Object.keys(settings)).toHaveLength(Object.keys(SETTING_KEYS).length - 2);
  });

  it('keeps every host, strongest first, for the choice by trust', () => {
    const { hosts } = resolveConfig({
      env: { EVOLINK_FILES_URL: 'https://f.example' },
      projectFile: file('project', 'base_url: https://p.example'),
      userFile: file('user', 'base_url: https://u.example/'),
    });
    expect(hosts.baseUrl.map(({ value }) => value)).toEqual([
      'https://p.example',
      'https://u.example',
      'https://api.evolink.ai',
    ]);
    expect(hosts.filesUrl.map(({ level }) => level)).toEqual(['environment', 'built-in']);
  });
});

describe('output of a project file', () => {
  it.each([
    ['clips/{slug}.mp4', '/work/clips/{slug}.mp4'],
    ['clips/', '/work/clips/'],
    ['.', '/work/'],
    ['./a/../b.mp4', '/work/b.mp4'],
    ['/work/x.mp4', '/work/x.mp4'],
    ['-', '-'],
  ])('%s counts from the file: %s', (output, expected) => {
    const { settings, warnings } = resolveConfig({
      env: {},
      projectFile: file('project', `output: "${output}"`),
    });
    expect(settings.output).toEqual({ value: expected, level: 'project', source: '/work/.evolinkrc:1' });
    expect(warnings).toEqual([]);
  });

  it.each(['../x.mp4', '/etc/x.mp4', 'a/../../x.mp4', '..', '/workshop/x.mp4'])(
    '%s leads out and is ignored',
    (output) => {
      const { settings, trustWarnings } = resolveConfig({
        env: {},
        projectFile: file('project', `output: "${output}"`),
        userFile: file('user', 'output: mine/'),
      });
      expect(settings.output.value).toBe('mine/');
      expect(trustWarnings).toEqual([expect.stringContaining('/work/.evolinkrc:1 is ignored')]);
    },
  );
});

describe('requestSettings', () => {
  it('gives what was set, with its place, and leaves built-in values out', () => {
    const { settings } = resolveConfig({
      env: { EVOLINK_QUALITY: '480p' },
      projectFile: file('project', 'generate_audio: false'),
    });
    expect(
      Object.fromEntries(Object.entries(requestSettings(settings)).filter(([, value]) => value)),
    ).toEqual({
      quality: { value: '480p', source: 'EVOLINK_QUALITY', isSetting: true },
      generateAudio: {
        value: false,
        source: 'generate_audio (/work/.evolinkrc:1)',
        isSetting: true,
        projectPlace: '/work/.evolinkrc:1',
      },
    });
  });

  it.each([
    ['tier: fast', 'model: m', 'fast', undefined],
    ['model: m', 'tier: fast', undefined, 'm'],
    ['model: m\ntier: fast', 'tier: mini', 'fast', 'm'],
  ])('project "%s" over user "%s"', (project, user, tier, model) => {
    const { settings } = resolveConfig({
      env: {},
      projectFile: file('project', project),
      userFile: file('user', user),
    });
    const request = requestSettings(settings);
    expect([request.tier?.value, request.model?.value]).toEqual([tier, model]);
  });
});
