import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { homeForEach } from '../helpers/use-rig.ts';

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
