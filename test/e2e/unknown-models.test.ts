import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRunRig, errorOf, expectSaid, jsonOf, type Rig } from '../helpers/rig.ts';

const NEWER = 'seedance-3.0-text-to-video';
const VIDEO = 'https://example.com/a.mp4';
const IMAGE = 'https://example.com/a.png';

let rig: Rig;

beforeEach(async () => {
  rig = await createRunRig({ clip: 'per-task', startingCredits: 100_000 });
});
afterEach(() => rig.close());

const posts = () => rig.sandbox.ledger.count('POST', '/v1/videos/generations');
const t2v = (...args: string[]) => rig.run(['t2v', 'a frog', '--json', ...args]);
const dryRun = async (...args: string[]) => jsonOf(await t2v('--dry-run', ...args));

describe('a model that this version does not know', () => {
  it('is sent only what was named, with fields that the tables do not have', async () => {
    const { request, estimate } = await dryRun(
      '--model',
      NEWER,
      '-d',
      '40',
      '--set',
      'seed=7',
      '--set',
      'a={"b":[1]}',
    );
    expect(request.body).toEqual({ model: NEWER, prompt: 'a frog', duration: 40, seed: 7, a: { b: [1] } });
    expect(estimate).toMatchObject({ credits: null, reason: expect.stringContaining('seed') });
  });

  it.each([[['--model', NEWER]], [['--set', 'seed=7']]])(
    '%j has no price: a limit refuses it, unless --price-credits says one',
    async (args) => {
      const refused = await t2v(...args, '--max-credits', '500');
      expect([refused.code, errorOf(refused).charged, posts()]).toEqual([4, 'no', 0]);
      expect(errorOf(refused).hint).toContain('--price-credits');
      expect((await t2v(...args, '--max-credits', '5', '--price-credits', '6')).code).toBe(4);
      const { estimate } = await dryRun(...args, '--max-credits', '6', '--price-credits', '6');
      expect(estimate.credits).toBe(6);
    },
  );

  it('sends what --set names: the sandbox refuses a field that its service does not have', async () => {
    const { code, stdout } = await t2v('--set', 'seed=7');
    expect([code, errorOf({ stdout }).charged, posts()]).toEqual([2, 'no', 1]);
    expect(errorOf({ stdout }).message).toContain('seed');
  });
});

it.each([
  ['duration=7', '--duration'],
  ['image_urls=[]', '--image'],
  ['generate_audio=false', '--mute'],
  ['model_params={}', '--web-search'],
  ['draft=true', '--draft'],
  ['seed', 'key=value'],
  ['style=anime', 'JSON'],
])('--set %s is refused, naming %s', async (text, flag) => {
  const { code, stdout } = await t2v('--set', text);
  expect([code, posts()]).toEqual([2, 0]);
  expect(JSON.stringify(errorOf({ stdout }))).toContain(flag);
});

it('says how to send a key of a body that the tables do not have', async () => {
  const body = rig.at('body.json');
  writeFileSync(body, '{"model":"seedance-2.0-text-to-video","prompt":"a frog","seed":7}');
  const refused = await rig.run(['t2v', '-f', 'body.json', '--dry-run']);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  const [error, ...hints] = refused.stderr.split('\n');
  expect(error).toMatch(/^error: seed \(body\.json:1:57\): is not a known key; known are /);
  expect(hints).toEqual([
    'hint: to send "seed" as it is, move it below extra, or leave it out and add --set seed=7',
    '',
  ]);
});

describe('extra in job files', () => {
  const write = (lines: readonly string[]) => rig.write('a.yaml', lines.join('\n'));

  it('adds fields, and flags over it', async () => {
    write(['prompt: a frog', 'extra: { seed: 7, look: { grain: 0.5 } }']);
    const { stdout } = await rig.run(['t2v', '-f', 'a.yaml', '--set', 'seed=8', '--dry-run', '--json']);
    expect(JSON.parse(stdout).request.body).toMatchObject({ seed: 8, look: { grain: 0.5 } });
  });

  it('refuses a key that the tables have, at its place', async () => {
    write(['version: 1', 'jobs:', '  a: { type: t2v, prompt: a frog, extra: { quality: 720p } }']);
    expectSaid(
      await rig.run(['run', 'a.yaml', '--dry-run']),
      2,
      /extra\.quality \(a\.yaml:3:\d+\) "720p": has its own flag: use --quality/,
    );
  });

  it('has no price: the budget of a run refuses it, unless --price-credits says one', async () => {
    write([
      'version: 1',
      'jobs:',
      '  a: { type: t2v, prompt: a frog, extra: { seed: 7 } }',
      '  b: { prompt: a toad }',
    ]);
    const refused = await rig.run(['run', 'a.yaml', '--yes', '--max-credits', '500', '--json']);
    expect([refused.code, posts()]).toEqual([4, 0]);
    const plan = await rig.run('run a.yaml --dry-run --max-credits 500 --price-credits 6 --json');
    expect(plan.code).toBe(0);
    expect(JSON.stringify(jsonOf(plan))).toContain('73.5');
  });
});

describe('Seedance 2.5, a preview', () => {
  it.each([
    ['t2v', 'text-to-video', ['-d', '30', '-q', '480p'], 280.2555],
    ['t2v', 'text-to-video', ['-d', '4', '-q', '480p', '--draft'], 37.3674],
    ['t2v', 'draft-to-video', ['-d', '5', '--source-task-id', 'task-unified-1-abcdefgh'], 100.45],
    ['i2v', 'image-to-video', ['-i', IMAGE, '-d', '5'], 100.45],
    [
      'ref',
      'reference-to-video',
      ['-d', '5', ...Array(4).fill(['-a', 'https://example.com/a.mp3']).flat()],
      100.45,
    ],
    ['ref', 'video-extend', ['-v', VIDEO, '-d', '5'], 122.3481],
  ])('%s with seedance-2.5-%s %j', async (command, name, args, credits) => {
    const model = ['--model', `seedance-2.5-${name}`];
    const { code, stderr } = await rig.run([command, 'a frog', ...model, ...args, '--no-wait']);
    expect(code).toBe(0);
    expect(rig.sandbox.ledger.charges()).toMatchObject([{ reservedCredits: expect.closeTo(credits, 3) }]);
    expect(stderr).toContain('is a preview: its limits and price are second hand');
  });

  it('is budgeted at its longest where the model chooses the length', async () => {
    const model = ['--model', 'seedance-2.5-text-to-video', '-q', '480p', '-d', '-1'];
    const refused = await t2v(...model, '--max-credits', '280');
    expect([refused.code, posts()]).toEqual([4, 0]);
    const { estimate, request } = await dryRun(...model);
    expect([estimate.credits, request.body.duration]).toEqual([280.2555, -1]);
    expect((await t2v(...model, '-o', 'a.mp4')).code).toBe(0);
  });

  it('edits with adaptive and -1 alone, which nobody needs to name', async () => {
    const edit = ['ref', 'the frog is blue', '--model', 'seedance-2.5-video-edit', '-v', VIDEO, '--json'];
    const { stdout } = await rig.run([...edit, '--dry-run']);
    expect(JSON.parse(stdout).request.body).toMatchObject({ aspect_ratio: 'adaptive', duration: -1 });
    expect((await rig.run([...edit, '--no-wait'])).code).toBe(0);
    expect((await rig.run([...edit, '-d', '5'])).code).toBe(2);
  });

  it.each([
    ['t2v', ['--tier', 'seedance-2.5'], '--tier'],
    ['t2v', ['--draft'], 'exists only for seedance-2.5-text-to-video'],
    ['t2v', ['--model', 'seedance-2.5-text-to-video', '-q', '4k'], 'must be one of 480p, 720p, 1080p'],
    [
      't2v',
      ['--model', 'seedance-2.5-text-to-video', '--web-search'],
      'exists only for `evolink t2v` with tier',
    ],
    ['t2v', ['--model', 'seedance-2.5-draft-to-video'], 'source_task_id'],
    ['t2v', ['--model', 'seedance-2.5-video-edit'], 'use `evolink ref`'],
    ['i2v', ['--model', 'seedance-2.5-image-to-video', '-i', IMAGE, '-r', '16:9'], 'must be one of adaptive'],
    ['ref', ['--model', 'seedance-2.5-video-extend'], 'needs a video'],
    ['t2v', ['-d', '-1'], 'from 4 to 15'],
  ])('%s %j is refused before anything is sent', async (command, args, says) => {
    const { code, stdout } = await rig.run([command, 'a frog', ...args, '--json']);
    expect([code, posts()]).toEqual([2, 0]);
    expect(JSON.stringify(errorOf({ stdout }))).toContain(says);
  });
});
