import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeApi, startFakeApi } from '../helpers/fake-api.ts';
import { hasTerminal, onTerminal } from '../helpers/on-terminal.ts';
import { expectSaid, homeForEach, jsonOf } from '../helpers/rig.ts';

const KEY = 'sk-test-0123456789abcdef';
type Env = Readonly<Record<string, string>>;

const home = homeForEach();

const writeProject = (text: string) => home.write('.evolinkrc', text);
const run = (line: string, env: Env = {}) => home.run(line, { env });
async function settings(env: Env = {}, flags = '') {
  const result = await run(`config --json ${flags}`, env);
  expect(result.code).toBe(0);
  return jsonOf(result).settings;
}
const userFile = (name = 'config.yaml') => join(home.folder, 'config/evolink', name);
const userConfig = () => readFileSync(userFile(), 'utf8');
const modeOf = (path: string) => statSync(path).mode & 0o777;

describe('evolink config', () => {
  it('shows every setting with its source: environment over project over user over built-in', async () => {
    const user = home.writeConfig('quality: 480p\ntier: mini\nduration: 9\n');
    writeProject('tier: fast\nduration: 8\n');
    expect(await settings({ EVOLINK_DURATION: '7' })).toMatchObject({
      duration: { value: 7, level: 'environment', source: 'EVOLINK_DURATION' },
      tier: { value: 'fast', level: 'project', source: `${home.at('.evolinkrc')}:1` },
      quality: { value: '480p', level: 'user', source: `${user}:1` },
      timeout: { value: 1_800_000, level: 'built-in', source: 'built-in' },
    });
  });

  it('shows the address that is used, and warns of one that a project file must not choose', async () => {
    writeProject('base_url: https://elsewhere.example\n');
    const shown = await run('config --json', { EVOLINK_API_KEY: KEY });
    const planned = await run('t2v "a boat" --dry-run', { EVOLINK_API_KEY: KEY });
    expect(jsonOf(shown).settings.base_url.value).toBe('https://api.evolink.ai');
    for (const { code, stderr } of [shown, planned]) {
      const warnings = stderr.match(/base_url from .*:1 \("https:\/\/elsewhere\.example"\) is ignored/g);
      expect([code, warnings]).toEqual([0, [expect.any(String)]]);
    }
    expect(planned.stderr).toContain('POST https://api.evolink.ai/');
  });

  it('keeps the address of a project file whose own key goes there', async () => {
    writeProject(`base_url: https://elsewhere.example\napi_key: ${KEY}\n`);
    const result = await run('t2v "a boat" --dry-run --json');
    expect(jsonOf(result).request.url).toBe('https://elsewhere.example/v1/videos/generations');
    expect(result.stderr).not.toContain('ignored');
  });

  it.each(['clips/', '{quality}/clip.mp4', 'clips/{tier}/{id}.mp4'])(
    'refuses an output of a project file that a link leads elsewhere: %s',
    async (output) => {
      writeProject(`output: "${output}"\ntier: mini\nquality: 480p\n`);
      const outside = join(home.folder, 'outside');
      mkdirSync(outside);
      mkdirSync(home.at('clips'));
      for (const name of ['480p', 'clips/mini']) symlinkSync(outside, home.at(name));
      if (output === 'clips/') {
        rmSync(home.at('clips'), { recursive: true });
        symlinkSync(outside, home.at('clips'));
      }
      expectSaid(await run('t2v "a boat" -d 4 --sandbox'), 2, 'leads through a link to');
      expect(readdirSync(outside)).toEqual([]);
      expect((await run(`t2v "a boat" -o ${home.at('480p')}/ --dry-run`)).code).toBe(0);
    },
  );

  it('names the folder of the records, set or not', async () => {
    expect((await settings()).state_dir.value).toBe(home.state);
    const { state_dir: chosen } = await settings({ EVOLINK_STATE_DIR: home.work });
    expect(chosen).toMatchObject({ value: home.work, source: 'EVOLINK_STATE_DIR' });
  });

  it('finds the project file above the working directory', async () => {
    writeProject('tier: fast\n');
    const cwd = home.at('a/b');
    mkdirSync(cwd, { recursive: true });
    expect(jsonOf(await home.run('config --json', { cwd })).settings.tier.value).toBe('fast');
  });

  it.each(['a variable', 'a file', 'the user config', 'a project file'])(
    'names the place of a key in %s and never shows it',
    async (place) => {
      writeFileSync(home.at('key'), `${KEY}\n`, { mode: 0o600 });
      if (place === 'the user config') home.writeConfig(`api_key: ${KEY}\n`);
      if (place === 'a project file') writeProject(`api_key: ${KEY}\n`);
      const byPlace: Readonly<Record<string, Env>> = {
        'a variable': { EVOLINK_API_KEY: KEY },
        'a file': { EVOLINK_API_KEY_FILE: 'key' },
      };
      for (const flag of ['', '--json', '--debug']) {
        const { code, stdout, stderr } = await run(`config ${flag}`, byPlace[place]);
        expect([code, stdout]).toEqual([0, expect.stringContaining('***')]);
        expect(stdout + stderr).not.toContain(KEY);
      }
    },
  );

  it('warns of a variable that is misspelled, and not of those that are read', async () => {
    const read = { EVOLINK_SANDBOX_FAULTS: '', EVOLINK_INTERNAL_CLOCK_RATE: '1' };
    const { stderr } = await run('config', { EVOLINK_MAX_CREDIT: '5', ...read });
    expect(stderr.match(/warning/g)).toHaveLength(1);
    expect(stderr).toContain('did you mean EVOLINK_MAX_CREDITS?');
  });

  it('takes settings into a request, and flags over them', async () => {
    writeProject('duration: 9\nquality: 480p\naspect_ratio: "9:16"\n');
    const plan = jsonOf(await run('t2v "a frog" -d 4 --dry-run'));
    expect(plan).toMatchObject({ duration: 4, quality: '480p', aspect_ratio: '9:16' });
  });

  it('shows what holds in the sandbox', async () => {
    const sandbox = { level: 'sandbox', source: '--sandbox' };
    expect(await settings({ EVOLINK_API_KEY: KEY }, '--sandbox')).toMatchObject({
      api_key: { value: '***', ...sandbox },
      base_url: { value: 'http://127.0.0.1', ...sandbox },
      state_dir: { value: join(home.state, 'sandbox') },
    });
  });
});

describe('evolink config init', () => {
  it('writes a file of its own that others cannot read and that changes nothing', async () => {
    const before = await settings();
    const path = home.at('.evolinkrc');
    expect(await run('config init')).toMatchObject({ code: 0, stdout: `${path}\n` });
    expect(modeOf(path)).toBe(0o600);
    expect(await settings()).toEqual(before);
  });

  it('leaves an existing one alone', async () => {
    writeProject('tier: fast\n');
    expectSaid(await run('config init'), 11, 'already exists');
    expect(home.read('.evolinkrc')).toBe('tier: fast\n');
  });
});

describe("a user's own config", () => {
  it('is changed a line at a time, comments kept, and is readable by nobody else', async () => {
    const path = home.writeConfig('# mine\n\n# the tier\ntier: fast # for drafts\nquality: 480p\n');
    for (const line of [
      'set tier mini',
      'set max_credits 12.5',
      'set prices "[{tier: mini, quality: 480p, with_video: 1}]"',
    ])
      expect(await run(`config ${line}`)).toMatchObject({ code: 0, stdout: `${path}\n` });
    expect((await run('config unset tier')).code).toBe(0);
    expect(userConfig()).toBe(
      '# mine\n\n# the tier\nquality: 480p\nmax_credits: 12.5\nprices:\n  - tier: mini\n    quality: 480p\n    with_video: 1\n',
    );
    expect(modeOf(path)).toBe(0o600);
    expect((await run('config get max_credits')).stdout).toBe('12.5\n');
    expect(jsonOf(await run('config get tier --json')).settings).toEqual({
      tier: { value: 'standard', level: 'built-in', source: 'built-in' },
    });
  });

  it('is made where it is missing, and mended where it is broken', async () => {
    expect((await run('config path')).stdout).toBe(`${userFile()}\n`);
    expect((await run('config set duration 8')).code).toBe(0);
    expect(userConfig()).toBe('duration: 8\n');
    home.writeConfig('tier: quick\n');
    expect((await run('config')).code).toBe(2);
    expect((await run('config set tier fast')).code).toBe(0);
    expect((await run('config get tier')).stdout).toBe('fast\n');
  });

  it('stays a link where it is one, as long as it holds no key', async () => {
    const dotfile = join(home.folder, 'dotfile.yaml');
    writeFileSync(dotfile, 'tier: fast\n');
    mkdirSync(userFile(''), { recursive: true });
    symlinkSync(dotfile, userFile());
    expect((await run('config set quality 480p')).code).toBe(0);
    expect(readFileSync(dotfile, 'utf8')).toBe('tier: fast\nquality: 480p\n');
    expectSaid(await home.run('config set api_key', { stdin: KEY }), 3, 'is a symbolic link');
  });

  it.each([
    ['set qualty 720p', 'did you mean quality?'],
    ['set quality 720', 'did you mean 720p?'],
    ['set duration', 'missing value for duration'],
    ['set state_dir /x', 'set EVOLINK_STATE_DIR'],
    ['unset qualty', 'did you mean quality?'],
    ['get qualty', 'did you mean quality?'],
    [`set api_key ${KEY}`, 'hint: evolink config set api_key'],
  ])('refuses %s, and writes nothing', async (line, says) => {
    const result = await run(`config ${line}`);
    expectSaid(result, 2, says);
    expect(result.stdout).toBe('');
    expect(result.stderr).not.toContain(KEY);
    expect(existsSync(userFile(''))).toBe(false);
  });

  it('takes a key from standard input, and shows it nowhere', async () => {
    const { code, stdout, stderr } = await home.run('config set api_key', { stdin: `${KEY}\n` });
    expect([code, stdout + stderr]).toEqual([0, expect.not.stringContaining(KEY)]);
    expect([userConfig(), modeOf(userFile())]).toEqual([`api_key: ${KEY}\n`, 0o600]);
    expect((await run('config get api_key')).stdout).toBe('***\n');
    expect((await run('config unset api_key')).code).toBe(0);
    expect((await run('config get api_key')).stdout).toBe('\n');
    expect((await home.run('config set api_key', { stdin: 'two words' })).code).toBe(3);
  });

  it.runIf(hasTerminal)('takes a key that is typed, without an echo', async () => {
    const { stdout } = await home.start('config set api_key', onTerminal(`${KEY}\r`)).done;
    expect(stdout).toContain('not shown');
    // What was typed before the prompt may have been shown by the terminal itself, never by the program.
    expect(stdout.slice(stdout.indexOf('not shown'))).not.toContain(KEY);
    expect(userConfig()).toBe(`api_key: ${KEY}\n`);
  });
});

describe('evolink config init --user', () => {
  let api: FakeApi;
  const balance = { json: { data: { user: { remaining_credits: 42 }, token: { remaining_credits: 42 } } } };

  beforeEach(async () => {
    api = await startFakeApi();
  });
  afterEach(() => api.finish());

  const init = () =>
    home.run('config init --user', { stdin: `${KEY}\n`, env: { EVOLINK_BASE_URL: api.origin } });

  it('checks the key, and keeps it in a file of its own that only its owner can read', async () => {
    api.on('GET /v1/credits', balance, balance);
    const result = await init();
    expectSaid(result, 0, 'the key works: 42 credits to spend');
    expect(result.stdout).toBe(`${userFile()}\n${userFile('api-key')}\n`);
    expect(result.stdout + result.stderr).not.toContain(KEY);
    expect([modeOf(userFile()), modeOf(userFile('api-key'))]).toEqual([0o600, 0o600]);
    expect(userConfig()).toContain('#max_credits: 200');
    expect(userConfig()).not.toContain(KEY);
    expect((await settings()).api_key).toMatchObject({ value: '***', source: userFile('api-key') });
    await run('credits', { EVOLINK_BASE_URL: api.origin });
    const keys = api.requests.map(({ headers }) => headers.authorization);
    expect(keys).toEqual([`Bearer ${KEY}`, `Bearer ${KEY}`]);
  });

  it('keeps a config that is there, and takes an older key out of it', async () => {
    home.writeConfig('tier: fast\napi_key: sk-old-0123456789abcdef\n');
    api.on('GET /v1/credits', balance);
    expect((await init()).code).toBe(0);
    expect(userConfig()).toBe('tier: fast\n');
    expect((await run('config unset api_key')).code).toBe(0);
    expect(existsSync(userFile('api-key'))).toBe(false);
  });

  it('keeps no key that the service refuses', async () => {
    api.on('GET /v1/credits', { status: 401, json: { error: { code: 'unauthorized', message: 'no' } } });
    expect((await init()).code).toBe(3);
    expect(existsSync(userFile(''))).toBe(false);
  });

  it('is what the first error without a key names', async () => {
    expectSaid(await run('credits'), 3, 'evolink config init --user');
  });
});
