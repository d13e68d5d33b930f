import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { rigForEach } from '../helpers/rig.ts';
import { tinyMp4 } from '../helpers/tiny-mp4.ts';

const bodies = fileURLToPath(new URL('../fixtures/bodies', import.meta.url));
const SMALL = ['-d', '4', '-q', '480p'];

const rig = rigForEach({
  clip: 'per-task',
  videoMaker: async (spec) => tinyMp4({ ...spec, seed: spec.prompt.charCodeAt(2) }),
});

const run = (...args: string[]) => rig.run(args);
const t2v = (...args: string[]) => rig.run(['t2v', 'a paper boat', ...SMALL, ...args]);
const at = (name: string) => join(rig.work, name);

function isMp4(path: string): boolean {
  return readFileSync(path).subarray(4, 8).toString('latin1') === 'ftyp';
}

describe('the binary, in its own sandbox', () => {
  const start = (...args: string[]) =>
    rig.run(['t2v', 'a paper boat', ...SMALL, '--sandbox', ...args], { asProcess: true });

  it('puts exactly the path on stdout, the rest on stderr', async () => {
    const { code, stdout, stderr } = await start();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\/.*\/a-paper-boat-[a-z0-9]+\.mp4\n$/);
    expect(isMp4(stdout.trim())).toBe(true);
    expect(stderr).toContain('accepted: task-unified-');
    expect(stderr).toContain('25.11 credits');
    expect(stderr).not.toContain('\u001b');
  });

  it('puts the video on stdout with -o -', async () => {
    const { code, stdoutBytes, stderr } = await start('-o', '-');
    expect(code).toBe(0);
    expect(stdoutBytes.subarray(4, 8).toString('latin1')).toBe('ftyp');
    expect(stderr).toContain('written to stdout');
    expect(readdirSync(rig.work)).toEqual([]);
  });

  it('prints one JSON document with --json', async () => {
    const { code, stdout } = await start('--json', '-o', 'boat.mp4');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      schema_version: 2,
      ok: true,
      state: 'saved',
      path: at('boat.mp4'),
      media: { width_px: 864, height_px: 496, duration_seconds: 4, has_audio: true },
      credits: { estimated: 25.11, reserved: 25.11, used: 25.11 },
    });
  });

  it('looks once with --timeout 0, says how to go on, and goes on', async () => {
    const first = await start('--timeout', '0', '--json');
    expect(first.code).toBe(7);
    const { error } = JSON.parse(first.stdout);
    expect(error).toMatchObject({ code: 'pending', exit: 7, charged: 'yes', retryable: true });
    expect(error.resume).toEqual(['evolink', 'resume', error.task_id, '--sandbox']);
    const second = await rig.run(error.resume.slice(1), { asProcess: true });
    expect(second.code).toBe(0);
    expect(isMp4(second.stdout.trim())).toBe(true);
  });

  it('refuses with 2, and says what on stderr', async () => {
    const { code, stdout, stderr } = await start('-d', '99');
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining('--duration "99"')]);
  });
});

describe('one generation', () => {
  it('streams events with --events, the result last', async () => {
    const { stdout } = await t2v('--events');
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['planned', 'accepted', 'completed', 'saved']),
    );
    expect(events.at(-1)).toMatchObject({ event: 'result', ok: true, state: 'saved' });
  });

  it('writes a sidecar from which the same request can be made again', async () => {
    await t2v('-o', 'boat.mp4', '--sidecar');
    const again = await run('t2v', '-f', 'boat.mp4.json', '--dry-run');
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout)).toEqual(JSON.parse(rig.read('boat.mp4.json')).request);
  });

  it('makes no sound with --mute', async () => {
    expect(JSON.parse((await t2v('--mute', '--json')).stdout).media.has_audio).toBe(false);
  });

  it('submits and ends with --no-wait; the same command then continues it', async () => {
    const first = await t2v('--no-wait');
    expect(first.stdout).toMatch(/^task-unified-\S+\n$/);
    const second = await t2v();
    expect([second.code, rig.posts()]).toEqual([0, 1]);
    expect(second.stderr).toContain(`attached: ${first.stdout.trim()}`);
    expect(isMp4(second.stdout.trim())).toBe(true);
  });

  it('refuses an existing file before paying, keeps it, replaces it: as asked', async () => {
    const another = ['t2v', 'another boat', ...SMALL, '-o', 'boat.mp4'];
    await t2v('-o', 'boat.mp4');
    const before = readFileSync(at('boat.mp4'));
    const refused = await run(...another);
    expect([refused.code, refused.stderr]).toEqual([11, expect.stringContaining('nothing was sent')]);
    const skipped = await run(...another, '--skip-existing');
    expect([skipped.code, rig.posts()]).toEqual([0, 1]);
    expect(readFileSync(at('boat.mp4')).equals(before)).toBe(true);
    expect((await run(...another, '--overwrite')).code).toBe(0);
    expect(rig.posts()).toBe(2);
    expect(readFileSync(at('boat.mp4')).equals(before)).toBe(false);
  });

  it.each([
    ['clips/', /\/clips\/a-paper-boat-[a-z0-9]+\.mp4\n$/],
    ['clips/{date}-{slug}-{ratio}.mp4', /\/clips\/\d{4}-\d\d-\d\d-a-paper-boat-16[^/]*9\.mp4\n$/],
    ['boat', /\/boat\.mp4\n$/],
  ])('saves to %s', async (output, expected) => {
    const { code, stdout } = await t2v('-o', output);
    expect([code, stdout]).toEqual([0, expect.stringMatching(expected)]);
  });

  const operationOf = (name: string): string =>
    /^text/.test(name) ? 't2v' : /^image/.test(name) ? 'i2v' : 'ref';
  it.each(readdirSync(bodies))('the body %s of the API documents ends as an MP4', async (name) => {
    const args = [operationOf(name), '-f', join(bodies, name), ...SMALL, '-o', 'clip.mp4'];
    const { code, stderr } = await run(...args);
    expect(stderr).not.toContain('error');
    expect(code).toBe(0);
    expect(isMp4(at('clip.mp4'))).toBe(true);
  });
});

describe('prompts', () => {
  it.each([
    ['standard input', ['t2v', '-'], '새벽 호수 위의 종이배\n'],
    ['standard input through a flag', ['t2v', '--prompt-file', '-'], '새벽 호수 위의 종이배\n'],
    ['a flag', ['t2v', '-p', '새벽 호수 위의 종이배'], ''],
  ])('come from %s', async (_from, args, stdin) => {
    const { stdout } = await rig.run([...args, '--dry-run'], { stdin });
    expect(JSON.parse(stdout).prompt).toBe('새벽 호수 위의 종이배');
  });
});

describe('dry run', () => {
  it('needs no key and prints the request, the address and the estimate', async () => {
    const { code, stdout } = await rig.run(
      ['t2v', 'a paper boat', '-d', '15', '-q', '4k', '--dry-run', '--json'],
      { env: { EVOLINK_BASE_URL: '', EVOLINK_API_KEY: '' } },
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      dry_run: true,
      request: {
        method: 'POST',
        url: 'https://api.evolink.ai/v1/videos/generations',
        body: {
          model: 'seedance-2.0-text-to-video',
          prompt: 'a paper boat',
          duration: 15,
          quality: '4k',
          aspect_ratio: '16:9',
          generate_audio: true,
          content_filter: true,
        },
      },
      estimate: { credits: 1032.75, price_list_date: '2026-10-10' },
    });
  });

  it('names the file as far as it can be known, and refuses one that is there', async () => {
    const args = ['t2v', 'A green frog', '-d', '4', '--tier', 'mini', '-q', '480p', '--dry-run'];
    const shown = await run(...args, '-o', 'clips/{slug}-{ratio}-{id}.mp4');
    expect(shown.stderr).toContain(`output: ${at('clips/a-green-frog-16x9-{id}.mp4')}\n`);
    expect(shown.stderr).toContain('about 5.022 credits (');
    rig.write('a-green-frog.mp4', 'mine');
    expect((await run(...args, '-o', '{slug}.mp4')).code).toBe(11);
  });

  it('refuses what is above the limit', async () => {
    const { code, stderr } = await run('t2v', 'a paper boat', '--max-credits', '60');
    expect([code, rig.posts()]).toEqual([4, 0]);
    expect(stderr).toContain('about 67.5 credits are above the limit of 60; nothing was sent');
  });
});

describe('a model that this version does not know', () => {
  const MODEL = ['--model', 'seedance-9.0-text-to-video'];

  it('gets only the fields that were named', async () => {
    const bare = await run('t2v', 'a boat', ...MODEL, '--dry-run');
    expect(JSON.parse(bare.stdout)).toEqual({ model: MODEL[1], prompt: 'a boat' });
    const named = await run('t2v', 'a boat', ...MODEL, '-d', '30', '--mute', '--dry-run');
    expect(JSON.parse(named.stdout)).toEqual({
      model: MODEL[1],
      prompt: 'a boat',
      duration: 30,
      generate_audio: false,
    });
  });

  it('has no price, so that a limit refuses it', async () => {
    const shown = await run('t2v', 'a boat', ...MODEL, '--dry-run', '--json');
    expect(JSON.parse(shown.stdout).estimate.credits).toBeNull();
    const { code, stderr } = await run('t2v', 'a boat', ...MODEL, '--max-credits', '1000');
    expect([code, rig.posts()]).toEqual([4, 0]);
    expect(stderr).toContain('the price is not known');
  });

  it('is planned in a job file by what it names', async () => {
    rig.write(
      'jobs.yaml',
      `version: 1\njobs:\n  a: {type: t2v, model: ${MODEL[1]}, prompt: x, quality: 8k}\n`,
    );
    const { code, stdout } = await run('run', 'jobs.yaml', '--dry-run', '--json');
    expect(code).toBe(0);
    const [job] = JSON.parse(stdout).jobs;
    expect(job.request).toEqual({ model: MODEL[1], prompt: 'x', quality: '8k' });
    expect(job.settings).toMatchObject({ quality: '8k', duration_seconds: null, aspect_ratio: null });
  });
});
