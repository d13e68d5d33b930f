import { describe, expect, it } from 'vitest';
import { errorOf, expectSaid, jsonOf, rigForEach } from '../helpers/rig.ts';

const NEWER = 'seedance-3.0-text-to-video';
const VIDEO = '-v https://example.com/a.mp4';
const IMAGE = '-i https://example.com/a.png';
const SOUNDS = '-a https://example.com/a.mp3 '.repeat(4);

const rig = rigForEach();

const t2v = (flags: string) => rig.run(`t2v "a frog" --json ${flags}`);
const dryRun = async (flags: string) => jsonOf(await t2v(`--dry-run ${flags}`));
/** Refused before anything is sent, with this exit and words. */
async function expectRefused(line: string, exit: number, says: string): Promise<void> {
  const result = await rig.run(line);
  expect([result.code, rig.posts()]).toEqual([exit, 0]);
  expect(JSON.stringify(errorOf(result))).toContain(says);
}

describe('a model that this version does not know', () => {
  it('is sent only what was named, with fields that the tables do not have', async () => {
    const { request, estimate } = await dryRun(`--model ${NEWER} -d 40 --set seed=7 --set 'a={"b":[1]}'`);
    expect(request.body).toEqual({ model: NEWER, prompt: 'a frog', duration: 40, seed: 7, a: { b: [1] } });
    expect(estimate).toMatchObject({ credits: null, reason: expect.stringContaining('seed') });
  });

  const UNPRICED = [`--model ${NEWER}`, '--set seed=7'];
  it.each(UNPRICED)('%s has no price: a limit refuses it, unless --price-credits is set', async (flags) => {
    const refused = await t2v(`${flags} --max-credits 500`);
    expect([refused.code, errorOf(refused).charged, rig.posts()]).toEqual([4, 'no', 0]);
    expect(errorOf(refused).hint).toContain('--price-credits');
    expect((await t2v(`${flags} --max-credits 5 --price-credits 6`)).code).toBe(4);
    const { estimate } = await dryRun(`${flags} --max-credits 6 --price-credits 6`);
    expect(estimate.credits).toBe(6);
  });

  it('says that --price-credits gave the price, not the list', async () => {
    const line = 't2v "a frog" --set seed=7 --price-credits 6';
    const price = 'about 6 credits \\(\\$0\\.09(;|,) as --price-credits says\\)$';
    expectSaid(await rig.run(`${line} --dry-run`), 0, new RegExp(`^estimate: ${price}`, 'm'));
    expectSaid(await rig.run(line), 2, new RegExp(`^plan: .*${price}`, 'm'));
  });

  it('sends what --set names: the sandbox refuses a field that its service does not have', async () => {
    const result = await t2v('--set seed=7');
    const { charged, message } = errorOf(result);
    expect([result.code, charged, rig.posts()]).toEqual([2, 'no', 1]);
    expect(message).toContain('seed');
  });

  it('is planned in a job file by what it names', async () => {
    const a = { type: 't2v', model: NEWER, prompt: 'x', quality: '8k' };
    rig.write('jobs.json', { version: 1, jobs: { a } });
    const [job] = jsonOf(await rig.run('run jobs.json --dry-run --json')).jobs;
    expect(job.request).toEqual({ model: NEWER, prompt: 'x', quality: '8k' });
    expect(job.settings).toMatchObject({ quality: '8k', duration_seconds: null, aspect_ratio: null });
  });
});

it('says how to send a key of a body that the tables do not have', async () => {
  rig.write('body.json', { model: 'seedance-2.0-text-to-video', prompt: 'a frog', seed: 7 });
  const error = /^error: seed \(body\.json:1:57\): is not a known key; known are .*\n/;
  const hint = 'hint: to send "seed" as it is, move it below extra, or leave it out and add --set seed=7\n';
  const stderr = expect.stringMatching(new RegExp(`${error.source}${hint}$`));
  expect(await rig.run('t2v -f body.json --dry-run')).toMatchObject({ code: 2, stdout: '', stderr });
});

describe('extra in job files', () => {
  it('adds fields, and flags over it', async () => {
    rig.write('a.yaml', 'prompt: a frog\nextra: { seed: 7, look: { grain: 0.5 } }');
    const plan = jsonOf(await rig.run('t2v -f a.yaml --set seed=8 --dry-run --json'));
    expect(plan.request.body).toMatchObject({ seed: 8, look: { grain: 0.5 } });
  });

  it('refuses a key that the tables have, at its place', async () => {
    rig.write('a.yaml', 'version: 1\njobs:\n  a: { type: t2v, prompt: a frog, extra: { quality: 720p } }');
    const says = /extra\.quality \(a\.yaml:3:\d+\) "720p": has its own flag: use --quality/;
    expectSaid(await rig.run('run a.yaml --dry-run'), 2, says);
  });

  it('has no price: the budget of a run refuses it, unless --price-credits says one', async () => {
    const a = { prompt: 'a frog', extra: { seed: 7 } };
    rig.write('a.json', { version: 1, jobs: { a, b: { prompt: 'a toad' } } });
    await expectRefused('run a.json --yes --max-credits 500 --json', 4, 'credits');
    const plan = await rig.run('run a.json --dry-run --max-credits 500 --price-credits 6 --json');
    expect([plan.code, plan.stdout]).toEqual([0, expect.stringContaining('73.5')]);
  });
});

describe('Seedance 2.5, a preview', () => {
  it.each([
    ['t2v', 'text-to-video', '-d 30 -q 480p', 280.2555],
    ['t2v', 'text-to-video', '-d 4 -q 480p --draft', 37.3674],
    ['t2v', 'draft-to-video', '-d 5 --source-task-id task-unified-1-abcdefgh', 100.45],
    ['i2v', 'image-to-video', `${IMAGE} -d 5`, 100.45],
    ['ref', 'reference-to-video', `-d 5 ${SOUNDS}`, 100.45],
    ['ref', 'video-extend', `${VIDEO} -d 5`, 122.3481],
  ])('%s with seedance-2.5-%s %s', async (command, name, flags, credits) => {
    const result = await rig.run(`${command} "a frog" --model seedance-2.5-${name} ${flags} --no-wait`);
    expectSaid(result, 0, 'is a preview: its limits and price are second hand');
    expect(rig.sandbox.ledger.charges()).toMatchObject([{ reservedCredits: expect.closeTo(credits, 3) }]);
  });

  it('is budgeted at its longest where the model chooses the length', async () => {
    const flags = '--model seedance-2.5-text-to-video -q 480p -d -1';
    await expectRefused(`t2v "a frog" --json ${flags} --max-credits 280`, 4, 'credits');
    const { estimate, request } = await dryRun(flags);
    expect([estimate.credits, request.body.duration]).toEqual([280.2555, -1]);
    expect((await t2v(`${flags} -o a.mp4`)).code).toBe(0);
  });

  it('edits with adaptive and -1 alone, which nobody needs to name', async () => {
    const edit = (flags: string) =>
      rig.run(`ref "the frog is blue" --model seedance-2.5-video-edit ${VIDEO} --json ${flags}`);
    const { request } = jsonOf(await edit('--dry-run'));
    expect(request.body).toMatchObject({ aspect_ratio: 'adaptive', duration: -1 });
    expect((await edit('--no-wait')).code).toBe(0);
    expect((await edit('-d 5')).code).toBe(2);
  });
});
