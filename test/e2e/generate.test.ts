import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CliHome, createCliHome } from '../helpers/spawn-cli.ts';

const bodies = fileURLToPath(new URL('../fixtures/bodies', import.meta.url));
/** Small, and quick to make. */
const SMALL = ['-d', '4', '-q', '480p', '--sandbox'];

let home: CliHome;

beforeEach(() => {
  // The waits shrink, the work does not.
  home = createCliHome({ EVOLINK_INTERNAL_CLOCK_RATE: '20' });
});
afterEach(() => home.remove());

function isMp4(path: string): boolean {
  return readFileSync(path).subarray(4, 8).toString('latin1') === 'ftyp';
}

describe('one generation in the sandbox', () => {
  it('puts exactly the path on stdout, the rest on stderr', async () => {
    const { code, stdout, stderr } = await home.run(['t2v', 'a paper boat', ...SMALL]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\/.*\/a-paper-boat-[a-z0-9]+\.mp4\n$/);
    expect(isMp4(stdout.trim())).toBe(true);
    expect(stderr).toContain('accepted: task-unified-');
    expect(stderr).toContain('25.11 credits');
    expect(stderr).not.toContain('\u001b');
  });

  it('puts the video on stdout with -o -', async () => {
    const { code, stdoutBytes, stderr } = await home.run(['t2v', 'a paper boat', ...SMALL, '-o', '-']);
    expect(code).toBe(0);
    expect(stdoutBytes.subarray(4, 8).toString('latin1')).toBe('ftyp');
    expect(stderr).toContain('written to stdout');
    expect(readdirSync(home.work)).toEqual([]);
  });

  it('prints one JSON document with --json', async () => {
    const { code, stdout } = await home.run(['t2v', 'a paper boat', ...SMALL, '--json', '-o', 'boat.mp4']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      schema_version: 1,
      ok: true,
      state: 'saved',
      path: join(home.work, 'boat.mp4'),
      media: { width_px: 864, height_px: 496, duration_seconds: 4, has_audio: true },
      credits: { estimated: 25.11, reserved: 25.11, used: 25.11 },
    });
  });

  it('streams events with --events, the result last', async () => {
    const { stdout } = await home.run(['t2v', 'a paper boat', ...SMALL, '--events']);
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
    await home.run(['t2v', 'a paper boat', ...SMALL, '-o', 'boat.mp4', '--sidecar']);
    const sidecar = JSON.parse(readFileSync(join(home.work, 'boat.mp4.json'), 'utf8'));
    const again = await home.run(['t2v', '-f', 'boat.mp4.json', '--dry-run']);
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout)).toEqual(sidecar.request);
  });

  it('makes no sound with --mute', async () => {
    const { stdout } = await home.run(['t2v', 'a paper boat', ...SMALL, '--mute', '--json']);
    expect(JSON.parse(stdout).media.has_audio).toBe(false);
  });

  it('submits and ends with --no-wait; the same command then continues it', async () => {
    const first = await home.run(['t2v', 'a paper boat', ...SMALL, '--no-wait']);
    expect(first.stdout).toMatch(/^task-unified-\S+\n$/);
    const second = await home.run(['t2v', 'a paper boat', ...SMALL]);
    expect(second.code).toBe(0);
    expect(second.stderr).toContain(`attached: ${first.stdout.trim()}`);
    expect(existsSync(second.stdout.trim())).toBe(true);
  });

  it('looks once with --timeout 0, says how to go on, and goes on', async () => {
    const first = await home.run(['t2v', 'a paper boat', ...SMALL, '--timeout', '0', '--json']);
    expect(first.code).toBe(7);
    const { error } = JSON.parse(first.stdout);
    expect(error).toMatchObject({ code: 'pending', exit: 7, charged: 'yes', retryable: true });
    expect(error.resume).toEqual(['evolink', 'resume', error.task_id, '--sandbox']);
    const second = await home.run(error.resume.slice(1));
    expect(second.code).toBe(0);
    expect(isMp4(second.stdout.trim())).toBe(true);
  });
});

describe('existing files', () => {
  it('refuses one before paying, keeps it, replaces it: as asked', async () => {
    await home.run(['t2v', 'a paper boat', ...SMALL, '-o', 'boat.mp4']);
    const before = readFileSync(join(home.work, 'boat.mp4'));
    const refused = await home.run(['t2v', 'another boat', ...SMALL, '-o', 'boat.mp4']);
    expect(refused.code).toBe(11);
    expect(refused.stderr).toContain('nothing was sent');
    const skipped = await home.run(['t2v', 'another boat', ...SMALL, '-o', 'boat.mp4', '--skip-existing']);
    expect(skipped.code).toBe(0);
    expect(skipped.stderr).not.toContain('accepted');
    expect(readFileSync(join(home.work, 'boat.mp4')).equals(before)).toBe(true);
    const replaced = await home.run(['t2v', 'another boat', ...SMALL, '-o', 'boat.mp4', '--overwrite']);
    expect(replaced.code).toBe(0);
    expect(readFileSync(join(home.work, 'boat.mp4')).equals(before)).toBe(false);
  });

  it.each([
    ['a folder that ends in a slash', 'clips/', /\/clips\/a-paper-boat-[a-z0-9]+\.mp4\n$/],
    [
      'a template',
      'clips/{date}-{slug}-{ratio}.mp4',
      /\/clips\/\d{4}-\d\d-\d\d-a-paper-boat-16[^/]*9\.mp4\n$/,
    ],
    ['a name without extension', 'boat', /\/boat\.mp4\n$/],
  ])('saves to %s', async (_what, output, expected) => {
    const { code, stdout } = await home.run(['t2v', 'a paper boat', ...SMALL, '-o', output]);
    expect(code).toBe(0);
    expect(stdout).toMatch(expected);
  });
});

describe('bodies of the API documents', () => {
  const operationOf = (name: string): string =>
    /^text/.test(name) ? 't2v' : /^image/.test(name) ? 'i2v' : 'ref';

  it.each(readdirSync(bodies))('%s ends as an MP4', async (name) => {
    const args = [
      operationOf(name),
      '-f',
      join(bodies, name),
      '-q',
      '480p',
      '-d',
      '4',
      '--sandbox',
      '-o',
      'clip.mp4',
    ];
    const { code, stderr } = await home.run(args);
    expect(stderr).not.toContain('error');
    expect(code).toBe(0);
    expect(isMp4(join(home.work, 'clip.mp4'))).toBe(true);
  });
});

describe('prompts', () => {
  it.each([
    ['standard input', ['t2v', '-'], '새벽 호수 위의 종이배\n'],
    ['standard input through a flag', ['t2v', '--prompt-file', '-'], '새벽 호수 위의 종이배\n'],
    ['a flag', ['t2v', '-p', '새벽 호수 위의 종이배'], ''],
  ])('come from %s', async (_from, args, stdin) => {
    const { stdout } = await home.run([...args, '--dry-run'], { stdin });
    expect(JSON.parse(stdout).prompt).toBe('새벽 호수 위의 종이배');
  });

  it('come from exactly one place', async () => {
    const { code, stderr } = await home.run(['t2v', 'one', '-p', 'two', '--dry-run']);
    expect(code).toBe(2);
    expect(stderr).toContain('given more than once: by the argument and --prompt');
  });
});

describe('dry run', () => {
  it('needs no key and prints the request, the address and the estimate', async () => {
    const { code, stdout } = await home.run([
      't2v',
      'a paper boat',
      '-d',
      '15',
      '-q',
      '4k',
      '--dry-run',
      '--json',
    ]);
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
    const shown = await home.run([...args, '-o', 'clips/{slug}-{ratio}-{id}.mp4']);
    expect(shown.stderr).toContain(`output: ${join(home.work, 'clips/a-green-frog-16x9-{id}.mp4')}\n`);
    expect(shown.stderr).toContain('about 5.022 credits (');
    writeFileSync(join(home.work, 'a-green-frog.mp4'), 'mine');
    expect((await home.run([...args, '-o', '{slug}.mp4'])).code).toBe(11);
  });

  it('says "unknown" of a price that is not known, and refuses it under a limit', async () => {
    const args = ['t2v', 'a paper boat', '--model', 'seedance-9.9-text-to-video', '--dry-run'];
    const shown = await home.run([...args, '--json']);
    expect(JSON.parse(shown.stdout).estimate.credits).toBeNull();
    const limited = await home.run([...args, '--max-credits', '1000']);
    expect(limited.code).toBe(4);
    expect(limited.stderr).toContain('the price is not known');
  });

  it('refuses what is above the limit', async () => {
    const { code, stderr } = await home.run(['t2v', 'a paper boat', '--max-credits', '60']);
    expect(code).toBe(4);
    expect(stderr).toContain('about 67.5 credits are above the limit of 60; nothing was sent');
  });
});
