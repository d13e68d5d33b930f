import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasTerminal, onTerminal } from '../helpers/on-terminal.ts';
import { expectSaid, homeForEach, jsonOf } from '../helpers/rig.ts';
import { serve } from '../helpers/serve.ts';

const KEY = 'sk-test-0123456789abcdef';
const WITH_KEY = { EVOLINK_API_KEY: KEY };
type Env = Readonly<Record<string, string>>;

const home = homeForEach();

const writeProject = (text: string) => home.write('.evolinkrc', text);
const run = (line: string, env: Env = {}, stdin = '') => home.run(line, { env, stdin });
async function settings(env: Env = {}, flags = '') {
  const result = await run(`config --json ${flags}`, env);
  expect(result.code).toBe(0);
  return jsonOf(result).settings;
}
/** What a command printed, after exit 0. */
async function printed(line: string, stdin = ''): Promise<string> {
  const { code, stdout, stderr } = await run(line, {}, stdin);
  expect([code, stdout + stderr]).toEqual([0, expect.not.stringContaining(KEY)]);
  return stdout;
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
    const shown = await run('config --json', WITH_KEY);
    const planned = await run('t2v "a boat" --dry-run', WITH_KEY);
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

  it.each([
    ['clips/', 'clips'],
    ['{quality}/clip.mp4', '480p'],
    ['clips/{tier}/{id}.mp4', 'clips/mini'],
  ])('refuses an output of a project file that a link leads elsewhere: %s', async (output, link) => {
    writeProject(`output: "${output}"\ntier: mini\nquality: 480p\n`);
    const outside = join(home.folder, 'outside');
    mkdirSync(outside);
    if (link === 'clips/mini') mkdirSync(home.at('clips'));
    symlinkSync(outside, home.at(link));
    expectSaid(await run('t2v "a boat" -d 4 --sandbox'), 2, 'leads through a link to');
    expect(readdirSync(outside)).toEqual([]);
    expect((await run(`t2v "a boat" -o ${home.at(link)}/ --dry-run`)).code).toBe(0);
  });

  it('names the folder of the records, set or not; finds the project file above the working folder', async () => {
    expect((await settings()).state_dir.value).toBe(home.state);
    const { state_dir: chosen } = await settings({ EVOLINK_STATE_DIR: home.work });
    expect(chosen).toMatchObject({ value: home.work, source: 'EVOLINK_STATE_DIR' });
    writeProject('tier: fast\n');
    home.write('a/b/c', '');
    const below = await home.run('config --json', { cwd: home.at('a/b') });
    expect(jsonOf(below).settings.tier.value).toBe('fast');
  });

  it.each([
    ['a variable', WITH_KEY],
    ['a file', { EVOLINK_API_KEY_FILE: 'key' }],
    ['the user config', {}],
    ['a project file', {}],
  ])('names the place of a key in %s and never shows it', async (place, env) => {
    home.write('key', `${KEY}\n`);
    chmodSync(home.at('key'), 0o600);
    if (place === 'the user config') home.writeConfig(`api_key: ${KEY}\n`);
    if (place === 'a project file') writeProject(`api_key: ${KEY}\n`);
    for (const flag of ['', '--json', '--debug']) {
      const { code, stdout, stderr } = await run(`config ${flag}`, env);
      expect([code, stdout]).toEqual([0, expect.stringContaining('***')]);
      expect(stdout + stderr).not.toContain(KEY);
    }
  });

  it('warns of a variable that is misspelled, and not of those that are read', async () => {
    const read = { EVOLINK_SANDBOX_FAULTS: '', EVOLINK_INTERNAL_CLOCK_RATE: '1' };
    const { stderr } = await run('config', { EVOLINK_MAX_CREDIT: '5', ...read });
    expect(stderr.match(/warning/g)).toHaveLength(1);
    expect(stderr).toContain('did you mean EVOLINK_MAX_CREDITS?');
  });

  it('goes into a request, and flags over it', async () => {
    writeProject('duration: 9\nquality: 480p\naspect_ratio: "9:16"\n');
    const request = { duration: 4, quality: '480p', aspect_ratio: '9:16' };
    expect(jsonOf(await run('t2v "a frog" -d 4 --dry-run'))).toMatchObject(request);
  });

  it('never lets the model of a setting say what a job is: a reference is no first frame', async () => {
    home.write('jobs.json', { jobs: { a: { prompt: 'x', images: ['https://example.com/a.png'] } } });
    const env = { EVOLINK_MODEL: 'seedance-2.0-image-to-video' };
    expectSaid(await run('run jobs.json --dry-run', env), 2, 'EVOLINK_MODEL', 'not for reference');
  });

  it('shows what holds in the sandbox', async () => {
    const sandbox = { level: 'sandbox', source: '--sandbox' };
    expect(await settings(WITH_KEY, '--sandbox')).toMatchObject({
      api_key: { value: '***', ...sandbox },
      base_url: { value: 'http://127.0.0.1', ...sandbox },
      state_dir: { value: join(home.state, 'sandbox') },
    });
  });
});

it('config init writes a file that others cannot read and that changes nothing, and leaves an existing one alone', async () => {
  const before = await settings();
  const path = home.at('.evolinkrc');
  expect(await printed('config init')).toBe(`${path}\n`);
  expect(modeOf(path)).toBe(0o600);
  expect(await settings()).toEqual(before);
  writeProject('tier: fast\n');
  expectSaid(await run('config init'), 11, 'already exists');
  expect(home.read('.evolinkrc')).toBe('tier: fast\n');
});

describe("a user's own config", () => {
  it('is changed a line at a time, comments kept, and is readable by nobody else', async () => {
    const path = home.writeConfig('# mine\n\n# the tier\ntier: fast # for drafts\nquality: 480p\n');
    const prices = 'prices "[{tier: mini, quality: 480p, with_video: 1}]"';
    for (const setting of ['tier mini', 'max_credits 12.5', prices])
      expect(await printed(`config set ${setting}`)).toBe(`${path}\n`);
    await printed('config unset tier');
    expect(userConfig()).toBe(
      '# mine\n\n# the tier\nquality: 480p\nmax_credits: 12.5\nprices:\n  - tier: mini\n    quality: 480p\n    with_video: 1\n',
    );
    expect(modeOf(path)).toBe(0o600);
    expect(await printed('config get max_credits')).toBe('12.5\n');
    const tier = { value: 'standard', level: 'built-in', source: 'built-in' };
    expect(JSON.parse(await printed('config get tier --json')).settings).toEqual({ tier });
  });

  it('is made where it is missing, and mended where it is broken', async () => {
    expect(await printed('config path')).toBe(`${userFile()}\n`);
    await printed('config set duration 8');
    expect(userConfig()).toBe('duration: 8\n');
    home.writeConfig('tier: quick\n');
    expect((await run('config')).code).toBe(2);
    await printed('config set tier fast');
    expect(await printed('config get tier')).toBe('fast\n');
  });

  it('stays a link where it is one, as long as it holds no key', async () => {
    home.write('dotfile.yaml', 'tier: fast\n');
    mkdirSync(userFile(''), { recursive: true });
    symlinkSync(home.at('dotfile.yaml'), userFile());
    await printed('config set quality 480p');
    expect(home.read('dotfile.yaml')).toBe('tier: fast\nquality: 480p\n');
    expectSaid(await run('config set api_key', {}, KEY), 3, 'is a symbolic link');
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
    expect([result.stdout, result.stderr.includes(KEY)]).toEqual(['', false]);
    expect(existsSync(userFile(''))).toBe(false);
  });

  it('takes a key from standard input, and shows it nowhere', async () => {
    await printed('config set api_key', `${KEY}\n`);
    expect([userConfig(), modeOf(userFile())]).toEqual([`api_key: ${KEY}\n`, 0o600]);
    expect(await printed('config get api_key')).toBe('***\n');
    await printed('config unset api_key');
    expect(await printed('config get api_key')).toBe('\n');
    expect((await run('config set api_key', {}, 'two words')).code).toBe(3);
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
  /** Runs it, and one command after it, against a service that answers so; the keys that it saw. */
  async function init(status: number, exit: number) {
    const keys: (string | undefined)[] = [];
    const account = { user: { remaining_credits: 42 }, token: { remaining_credits: 42 } };
    const answer = status === 200 ? { data: account } : { error: { code: 'unauthorized', message: 'no' } };
    const origin = await serve(({ url, headers }, response) => {
      expect(url).toBe('/v1/credits');
      keys.push(headers.authorization);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    const result = await run('config init --user', { EVOLINK_BASE_URL: origin }, `${KEY}\n`);
    expect([result.code, result.stdout + result.stderr]).toEqual([exit, expect.not.stringContaining(KEY)]);
    if (exit === 0) await run('credits', { EVOLINK_BASE_URL: origin });
    return { ...result, keys };
  }

  it('checks the key, and keeps it in a file of its own that only its owner can read', async () => {
    const { stdout, keys, ...result } = await init(200, 0);
    expectSaid(result, 0, 'the key works: 42 credits to spend');
    const files = [userFile(), userFile('api-key')];
    expect([stdout, files.map(modeOf)]).toEqual([`${files.join('\n')}\n`, [0o600, 0o600]]);
    expect(userConfig()).toContain('#max_credits: 200');
    expect(userConfig()).not.toContain(KEY);
    expect((await settings()).api_key).toMatchObject({ value: '***', source: files[1] });
    expect(keys).toEqual([`Bearer ${KEY}`, `Bearer ${KEY}`]);
  });

  it('keeps a config that is there, and takes an older key out of it', async () => {
    home.writeConfig('tier: fast\napi_key: sk-old-0123456789abcdef\n');
    await init(200, 0);
    expect(userConfig()).toBe('tier: fast\n');
    await printed('config unset api_key');
    expect(existsSync(userFile('api-key'))).toBe(false);
  });

  it('keeps no key that the service refuses', async () => {
    await init(401, 3);
    expect(existsSync(userFile(''))).toBe(false);
  });
});

it('the first error without a key names `config init --user`', async () => {
  expectSaid(await run('credits'), 3, 'evolink config init --user');
});
