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
import { homeForEach } from '../helpers/rig.ts';

const KEY = 'sk-test-0123456789abcdef';

const home = homeForEach();

function writeProject(text: string): void {
  writeFileSync(join(home.work, '.evolinkrc'), text, { mode: 0o600 });
}

function writeUser(text: string): string {
  const folder = join(home.folder, 'config', 'evolink');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'config.yaml');
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

async function settings(env: Readonly<Record<string, string>> = {}) {
  const { code, stdout } = await home.run(['config', '--json'], { env });
  expect(code).toBe(0);
  return JSON.parse(stdout).settings;
}

describe('evolink config', () => {
  it('shows every setting with its source: environment over project over user over built-in', async () => {
    const user = writeUser('quality: 480p\ntier: mini\nduration: 9\n');
    writeProject('tier: fast\nduration: 8\n');
    const { quality, tier, duration, timeout } = await settings({ EVOLINK_DURATION: '7' });
    expect(duration).toEqual({ value: 7, level: 'environment', source: 'EVOLINK_DURATION' });
    expect(tier).toEqual({ value: 'fast', level: 'project', source: `${join(home.work, '.evolinkrc')}:1` });
    expect(quality).toEqual({ value: '480p', level: 'user', source: `${user}:1` });
    expect(timeout).toEqual({ value: 1_800_000, level: 'built-in', source: 'built-in' });
  });

  it('shows the address that is used, and warns of one that a project file must not choose', async () => {
    writeProject('base_url: https://elsewhere.example\n');
    const env = { EVOLINK_API_KEY: KEY };
    const shown = await home.run(['config', '--json'], { env });
    const rehearsed = await home.run(['t2v', 'a boat', '--dry-run'], { env });
    expect(JSON.parse(shown.stdout).settings.base_url.value).toBe('https://api.evolink.ai');
    for (const { code, stderr } of [shown, rehearsed]) {
      expect(code).toBe(0);
      expect(stderr.match(/base_url from .*:1 \("https:\/\/elsewhere\.example"\) is ignored/g)).toHaveLength(
        1,
      );
    }
    expect(rehearsed.stderr).toContain('POST https://api.evolink.ai/');
  });

  it('keeps the address of a project file whose own key goes there', async () => {
    writeProject(`base_url: https://elsewhere.example\napi_key: ${KEY}\n`);
    const { stdout, stderr } = await home.run(['t2v', 'a boat', '--dry-run', '--json']);
    expect(JSON.parse(stdout).request.url).toBe('https://elsewhere.example/v1/videos/generations');
    expect(stderr).not.toContain('ignored');
  });

  it.each(['clips/', '{quality}/clip.mp4', 'clips/{tier}/{id}.mp4'])(
    'refuses an output of a project file that a link leads elsewhere: %s',
    async (output) => {
      writeProject(`output: "${output}"\ntier: mini\nquality: 480p\n`);
      const outside = join(home.folder, 'outside');
      mkdirSync(outside);
      mkdirSync(join(home.work, 'clips'));
      for (const name of ['480p', join('clips', 'mini')]) symlinkSync(outside, join(home.work, name));
      if (output === 'clips/') {
        rmSync(join(home.work, 'clips'), { recursive: true });
        symlinkSync(outside, join(home.work, 'clips'));
      }
      const { code, stderr } = await home.run(['t2v', 'a boat', '-d', '4', '--sandbox']);
      expect(stderr).toContain('leads through a link to');
      expect(code).toBe(2);
      expect(readdirSync(outside)).toEqual([]);
      const named = await home.run(['t2v', 'a boat', '-o', `${join(home.work, '480p')}/`, '--dry-run']);
      expect(named.code).toBe(0);
    },
  );

  it('names the folder of the records, set or not', async () => {
    expect((await settings()).state_dir.value).toBe(home.state);
    expect((await settings({ EVOLINK_STATE_DIR: home.work })).state_dir).toMatchObject({
      value: home.work,
      source: 'EVOLINK_STATE_DIR',
    });
  });

  it('finds the project file above the working directory', async () => {
    writeProject('tier: fast\n');
    const below = join(home.work, 'a', 'b');
    mkdirSync(below, { recursive: true });
    const { stdout } = await home.run(['config', '--json'], { cwd: below });
    expect(JSON.parse(stdout).settings.tier.value).toBe('fast');
  });

  it.each([
    ['a variable', {}],
    ['a file', { isFile: true }],
    ['the user config', { isUser: true }],
    ['a project file', { isProject: true }],
  ])('names the place of a key in %s and never shows it', async (_what, place: Record<string, boolean>) => {
    const env: Record<string, string> = {};
    if (place.isFile) {
      writeFileSync(join(home.work, 'key'), `${KEY}\n`, { mode: 0o600 });
      env.EVOLINK_API_KEY_FILE = 'key';
    } else if (place.isUser) writeUser(`api_key: ${KEY}\n`);
    else if (place.isProject) writeProject(`api_key: ${KEY}\n`);
    else env.EVOLINK_API_KEY = KEY;
    for (const args of [['config'], ['config', '--json'], ['config', '--debug']]) {
      const { code, stdout, stderr } = await home.run(args, { env });
      expect(code).toBe(0);
      expect(stdout).toContain('***');
      expect(stdout + stderr).not.toContain(KEY);
    }
  });

  it('warns of a variable that is misspelled, and not of those that are read', async () => {
    const { stderr } = await home.run(['config'], {
      env: { EVOLINK_MAX_CREDIT: '5', EVOLINK_SANDBOX_FAULTS: '', EVOLINK_INTERNAL_CLOCK_RATE: '1' },
    });
    expect(stderr.match(/warning/g)).toHaveLength(1);
    expect(stderr).toContain('did you mean EVOLINK_MAX_CREDITS?');
  });

  it('takes settings into a request, and flags over them', async () => {
    writeProject('duration: 9\nquality: 480p\naspect_ratio: "9:16"\n');
    const { stdout } = await home.run(['t2v', 'a frog', '-d', '4', '--dry-run']);
    expect(JSON.parse(stdout)).toMatchObject({ duration: 4, quality: '480p', aspect_ratio: '9:16' });
  });
});

describe('evolink config init', () => {
  it('writes a file of its own that others cannot read and that changes nothing', async () => {
    const before = await settings();
    const { code, stdout } = await home.run(['config', 'init']);
    const path = join(home.work, '.evolinkrc');
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${path}\n` });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await settings()).toEqual(before);
  });

  it('leaves an existing one alone', async () => {
    writeProject('tier: fast\n');
    const { code, stderr } = await home.run(['config', 'init']);
    expect(code).toBe(11);
    expect(stderr).toContain('already exists');
    expect(readFileSync(join(home.work, '.evolinkrc'), 'utf8')).toBe('tier: fast\n');
  });
});

const userFolder = () => join(home.folder, 'config', 'evolink');
const userConfig = () => readFileSync(join(userFolder(), 'config.yaml'), 'utf8');
const modeOf = (name: string) => statSync(join(userFolder(), name)).mode & 0o777;

describe("a user's own config", () => {
  it('is changed a line at a time, comments kept, and is readable by nobody else', async () => {
    const path = writeUser('# mine\n\n# the tier\ntier: fast # for drafts\nquality: 480p\n');
    for (const args of [
      'set tier mini',
      'set max_credits 12.5',
      'set prices [{tier: mini, quality: 480p, with_video: 1}]',
    ]) {
      const [verb = '', key = '', ...value] = args.split(' ');
      expect(await home.run(['config', verb, key, value.join(' ')])).toMatchObject({
        code: 0,
        stdout: `${path}\n`,
      });
    }
    expect((await home.run(['config', 'unset', 'tier'])).code).toBe(0);
    expect(userConfig()).toBe(
      '# mine\n\n# the tier\nquality: 480p\nmax_credits: 12.5\nprices:\n  - tier: mini\n    quality: 480p\n    with_video: 1\n',
    );
    expect(modeOf('config.yaml')).toBe(0o600);
    expect((await home.run(['config', 'get', 'max_credits'])).stdout).toBe('12.5\n');
    const { stdout } = await home.run(['config', 'get', 'tier', '--json']);
    expect(JSON.parse(stdout).settings).toEqual({
      tier: { value: 'standard', level: 'built-in', source: 'built-in' },
    });
  });

  it('is made where it is missing, and mended where it is broken', async () => {
    expect((await home.run(['config', 'path'])).stdout).toBe(`${join(userFolder(), 'config.yaml')}\n`);
    expect((await home.run(['config', 'set', 'duration', '8'])).code).toBe(0);
    expect(userConfig()).toBe('duration: 8\n');
    writeUser('tier: quick\n');
    expect((await home.run(['config'])).code).toBe(2);
    expect((await home.run(['config', 'set', 'tier', 'fast'])).code).toBe(0);
    expect((await home.run(['config', 'get', 'tier'])).stdout).toBe('fast\n');
  });

  it('stays a link where it is one, as long as it holds no key', async () => {
    const dotfile = join(home.folder, 'dotfile.yaml');
    writeFileSync(dotfile, 'tier: fast\n');
    mkdirSync(userFolder(), { recursive: true });
    symlinkSync(dotfile, join(userFolder(), 'config.yaml'));
    expect((await home.run(['config', 'set', 'quality', '480p'])).code).toBe(0);
    expect(readFileSync(dotfile, 'utf8')).toBe('tier: fast\nquality: 480p\n');
    const { code, stderr } = await home.run(['config', 'set', 'api_key'], { stdin: KEY });
    expect([code, stderr]).toEqual([3, expect.stringContaining('is a symbolic link')]);
  });

  it.each([
    [['set', 'qualty', '720p'], 'did you mean quality?'],
    [['set', 'quality', '720'], 'did you mean 720p?'],
    [['set', 'duration'], 'missing value for duration'],
    [['set', 'state_dir', '/x'], 'set EVOLINK_STATE_DIR'],
    [['unset', 'qualty'], 'did you mean quality?'],
    [['get', 'qualty'], 'did you mean quality?'],
    [['set', 'api_key', KEY], 'hint: evolink config set api_key'],
  ])('refuses %j, and writes nothing', async (args, says) => {
    const { code, stdout, stderr } = await home.run(['config', ...args]);
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(says)]);
    expect(stderr).not.toContain(KEY);
    expect(existsSync(userFolder())).toBe(false);
  });

  it('takes a key from standard input, and shows it nowhere', async () => {
    const { code, stdout, stderr } = await home.run(['config', 'set', 'api_key'], { stdin: `${KEY}\n` });
    expect([code, stdout + stderr]).toEqual([0, expect.not.stringContaining(KEY)]);
    expect([userConfig(), modeOf('config.yaml')]).toEqual([`api_key: ${KEY}\n`, 0o600]);
    expect((await home.run(['config', 'get', 'api_key'])).stdout).toBe('***\n');
    expect((await home.run(['config', 'unset', 'api_key'])).code).toBe(0);
    expect((await home.run(['config', 'get', 'api_key'])).stdout).toBe('\n');
    expect((await home.run(['config', 'set', 'api_key'], { stdin: 'two words' })).code).toBe(3);
  });

  it.runIf(hasTerminal)('takes a key that is typed, without an echo', async () => {
    const { stdout } = await home.start(['config', 'set', 'api_key'], onTerminal(`${KEY}\r`)).done;
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

  const init = (more: readonly string[] = []) =>
    home.run(['config', 'init', '--user', ...more], {
      stdin: `${KEY}\n`,
      env: { EVOLINK_BASE_URL: api.origin },
    });

  it('checks the key, and keeps it in a file of its own that only its owner can read', async () => {
    api.on('GET /v1/credits', balance, balance);
    const { code, stdout, stderr } = await init();
    expect([code, stdout]).toEqual([
      0,
      `${join(userFolder(), 'config.yaml')}\n${join(userFolder(), 'api-key')}\n`,
    ]);
    expect(stderr).toContain('the key works: 42 credits to spend');
    expect(stdout + stderr).not.toContain(KEY);
    expect([modeOf('config.yaml'), modeOf('api-key')]).toEqual([0o600, 0o600]);
    expect(userConfig()).toContain('#max_credits: 200');
    expect(userConfig()).not.toContain(KEY);
    expect((await settings()).api_key).toMatchObject({ value: '***', source: join(userFolder(), 'api-key') });
    await home.run(['credits'], { env: { EVOLINK_BASE_URL: api.origin } });
    expect(api.requests.map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${KEY}`,
      `Bearer ${KEY}`,
    ]);
  });

  it('keeps a config that is there, and takes an older key out of it', async () => {
    writeUser('tier: fast\napi_key: sk-old-0123456789abcdef\n');
    api.on('GET /v1/credits', balance);
    expect((await init()).code).toBe(0);
    expect(userConfig()).toBe('tier: fast\n');
    expect((await home.run(['config', 'unset', 'api_key'])).code).toBe(0);
    expect(existsSync(join(userFolder(), 'api-key'))).toBe(false);
  });

  it('keeps no key that the service refuses', async () => {
    api.on('GET /v1/credits', { status: 401, json: { error: { code: 'unauthorized', message: 'no' } } });
    expect((await init()).code).toBe(3);
    expect(existsSync(userFolder())).toBe(false);
  });

  it('is what the first error without a key names', async () => {
    const { code, stderr } = await home.run(['credits']);
    expect([code, stderr]).toEqual([3, expect.stringContaining('evolink config init --user')]);
  });
});

it('shows what holds in the sandbox', async () => {
  const { stdout } = await home.run(['config', '--sandbox', '--json'], { env: { EVOLINK_API_KEY: KEY } });
  const sandbox = { level: 'sandbox', source: '--sandbox' };
  expect(JSON.parse(stdout).settings).toMatchObject({
    api_key: { value: '***', ...sandbox },
    base_url: { value: 'http://127.0.0.1', ...sandbox },
    state_dir: { value: join(home.state, 'sandbox') },
  });
});
