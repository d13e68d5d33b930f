import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { each, eventsOf, expectSaid, isMp4, jsonOf, rigForEach } from '../helpers/rig.ts';
import { tinyMp4 } from '../helpers/tiny-mp4.ts';

const bodies = fileURLToPath(new URL('../fixtures/bodies', import.meta.url));
const SMALL = '-d 4 -q 480p';

const rig = rigForEach({
  videoMaker: async (spec) => tinyMp4({ ...spec, seed: spec.prompt.charCodeAt(2) }),
});

const run = (line: string) => rig.run(line);
const t2v = (flags = '') => run(`t2v "a paper boat" ${SMALL} ${flags}`);
const planOf = async (line: string) => jsonOf(await run(`${line} --dry-run`));

const A_PAPER_BOAT = /^\/.*\/a-paper-boat-[a-z0-9]+\.mp4\n$/;

describe('the binary', () => {
  const start = (flags = '') => rig.run(`t2v "a paper boat" ${SMALL} ${flags}`, { asProcess: true });

  it('puts exactly the path on stdout, the rest on stderr', async () => {
    const { stdout, ...result } = await start();
    expectSaid(result, 0, 'accepted: task-unified-', '25.11 credits');
    expect(result.stderr).not.toContain('\u001b');
    expect([stdout, isMp4(stdout.trim())]).toEqual([expect.stringMatching(A_PAPER_BOAT), true]);
  });

  it('puts the video on stdout with -o -', async () => {
    const result = await start('-o -');
    expectSaid(result, 0, 'written to stdout');
    expect(isMp4(result.stdoutBytes)).toBe(true);
    expect(readdirSync(rig.work)).toEqual([]);
  });

  it('looks once with --timeout 0, says how to go on, and goes on: a JSON document each, in its own sandbox', async () => {
    const first = await start('--sandbox --timeout 0 --json -o boat.mp4');
    expect(first.code).toBe(7);
    const { error } = jsonOf(first);
    expect(error).toMatchObject({ code: 'pending', exit: 7, charged: 'yes', retryable: true });
    expect(error.resume).toEqual(['evolink', 'resume', error.task_id, '--sandbox']);
    const second = await rig.run([...error.resume.slice(1), '--json'], { asProcess: true });
    const media = { width_px: 864, height_px: 496, duration_seconds: 4, has_audio: true };
    const credits = { estimated: 25.11, reserved: 25.11, used: 25.11 };
    const saved = { schema_version: 2, ok: true, state: 'saved', path: rig.at('boat.mp4'), media, credits };
    expect([second.code, jsonOf(second)]).toMatchObject([0, saved]);
    expect(isMp4(rig.at('boat.mp4'))).toBe(true);
  });
});

describe('one generation', () => {
  it('streams events with --events, the result last', async () => {
    const events = eventsOf(await t2v('--events'));
    const kinds = ['planned', 'accepted', 'completed', 'saved'];
    expect(each(events, 'event')).toEqual(expect.arrayContaining(kinds));
    expect(events.at(-1)).toMatchObject({ event: 'result', ok: true, state: 'saved' });
  });

  it('writes a sidecar from which the same request can be made again', async () => {
    await t2v('-o boat.mp4 --sidecar');
    expect(await planOf('t2v -f boat.mp4.json')).toEqual(rig.readJson('boat.mp4.json').request);
  });

  it('makes no sound with --mute', async () => {
    expect(jsonOf(await t2v('--mute --json')).media.has_audio).toBe(false);
  });

  it('submits and ends with --no-wait; the same command then continues it', async () => {
    const first = await t2v('--no-wait');
    expect(first.stdout).toMatch(/^task-unified-\S+\n$/);
    const second = await t2v();
    expectSaid(second, 0, `attached: ${first.stdout.trim()}`);
    expect([rig.posts(), isMp4(second.stdout.trim())]).toEqual([1, true]);
  });

  it('refuses an existing file before paying, keeps it, replaces it: as asked', async () => {
    const another = (flags = '') => run(`t2v "another boat" ${SMALL} -o boat.mp4 ${flags}`);
    await t2v('-o boat.mp4');
    const before = readFileSync(rig.at('boat.mp4'));
    expectSaid(await another(), 11, 'nothing was sent');
    expect([(await another('--skip-existing')).code, rig.posts()]).toEqual([0, 1]);
    expect(readFileSync(rig.at('boat.mp4')).equals(before)).toBe(true);
    expect([(await another('--overwrite')).code, rig.posts()]).toEqual([0, 2]);
    expect(readFileSync(rig.at('boat.mp4')).equals(before)).toBe(false);
  });

  it.each([
    ['clips/', /\/clips\/a-paper-boat-[a-z0-9]+\.mp4\n$/],
    ['clips/{date}-{slug}-{ratio}.mp4', /\/clips\/\d{4}-\d\d-\d\d-a-paper-boat-16[^/]*9\.mp4\n$/],
    ['boat', /\/boat\.mp4\n$/],
  ])('saves to %s', async (output, expected) => {
    const { code, stdout } = await t2v(`-o ${output}`);
    expect([code, stdout]).toEqual([0, expect.stringMatching(expected)]);
  });

  it.each(readdirSync(bodies))('the body %s of the API documents ends as an MP4', async (name) => {
    const verb = /^text/.test(name) ? 't2v' : /^image/.test(name) ? 'i2v' : 'ref';
    const { code, stderr } = await run(`${verb} -f "${join(bodies, name)}" ${SMALL} -o clip.mp4`);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
    expect(isMp4(rig.at('clip.mp4'))).toBe(true);
  });
});

it.each([
  ['standard input', 't2v -', '새벽 호수 위의 종이배\n'],
  ['standard input through a flag', 't2v --prompt-file -', '새벽 호수 위의 종이배\n'],
  ['a flag', 't2v -p "새벽 호수 위의 종이배"', ''],
])('a prompt comes from %s', async (_from, line, stdin) => {
  const result = await rig.run(`${line} --dry-run`, { stdin });
  expect(jsonOf(result).prompt).toBe('새벽 호수 위의 종이배');
});

describe('dry run', () => {
  it('needs no key and prints the request, the address and the estimate', async () => {
    const env = { EVOLINK_BASE_URL: '', EVOLINK_API_KEY: '' };
    const result = await rig.run('t2v "a paper boat" -d 15 -q 4k --dry-run --json', { env });
    const told = { model: 'seedance-2.0-text-to-video', prompt: 'a paper boat', duration: 15, quality: '4k' };
    const body = { ...told, aspect_ratio: '16:9', generate_audio: true, content_filter: true };
    const request = { method: 'POST', url: 'https://api.evolink.ai/v1/videos/generations', body };
    const estimate = { credits: 1032.75, price_list_date: '2026-10-10' };
    expect([result.code, jsonOf(result)]).toMatchObject([0, { dry_run: true, request, estimate }]);
  });

  it('names the file as far as it can be known, and refuses one that is there', async () => {
    const line = 't2v "A green frog" -d 4 --tier mini -q 480p --dry-run -o';
    const output = `output: ${rig.at('clips/a-green-frog-16x9-{id}.mp4')}\n`;
    expectSaid(await run(`${line} clips/{slug}-{ratio}-{id}.mp4`), 0, output, 'about 5.022 credits (');
    rig.write('a-green-frog.mp4', 'mine');
    expect((await run(`${line} {slug}.mp4`)).code).toBe(11);
  });
});
