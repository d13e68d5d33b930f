import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../../src/request/problems.ts';
import { checkJobs } from '../../../src/run/check-jobs.ts';
import { createFolderIndex } from '../../../src/run/clips.ts';
import { readJobFiles } from '../../../src/run/expand.ts';
import { Job } from '../../../src/run/job.ts';
import { type PlanOptions, planJobs } from '../../../src/run/plan.ts';
import { requestIdentity, type TaskRecord } from '../../../src/task/record.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

const CONTENT = 'the bytes of a clip';
const SANDBOX = { api_base_url: 'http://127.0.0.1:8787' };

async function resolveOne(text = 'type: t2v, prompt: a frog'): Promise<Job> {
  const folder = await tempFolder();
  writeFileSync(join(folder, 'jobs.yaml'), `version: 1\njobs:\n  clip: { ${text} }\n`);
  const reading = await readJobFiles(['jobs.yaml'], { cwd: folder });
  const { jobs, invalid } = await checkJobs(reading.jobs, {
    settings: { value: {}, locate: () => ({ source: '' }) },
    allowLoopback: false,
    prices: [],
    readMedia: async () => ({ reviews: [], local: [] }),
    isFolder: () => false,
    nowMs: 0,
  });
  if (jobs[0] === undefined) throw new Error(JSON.stringify(invalid[0]?.problems));
  return jobs[0];
}

/** Puts a clip in the place of a job, with its sidecar. */
function putClip(job: Job, sidecar: object = {}, content = CONTENT): void {
  const sha256 = createHash('sha256').update(CONTENT).digest('hex');
  const record = {
    kind: 'evolink.sidecar',
    fingerprint: job.fingerprint,
    api_base_url: 'https://api.evolink.ai',
    task_id: 'task-old',
    file: { size_bytes: CONTENT.length, sha256 },
    ...sidecar,
  };
  mkdirSync(dirname(job.outputPath), { recursive: true });
  writeFileSync(job.outputPath, content);
  writeFileSync(`${job.outputPath}.json`, JSON.stringify(record));
}

/** A request for this very place, unless told otherwise. */
const recordOf = (job: Job, state: TaskRecord['state'], fields: Partial<TaskRecord> = {}): TaskRecord =>
  sampleRecord({
    identity: requestIdentity(job),
    fingerprint: job.fingerprint,
    output: job.output,
    taskId: 'task-new',
    state,
    ...fields,
  });

const planOne = (job: Job, options: Partial<PlanOptions>) =>
  planJobs([job], {
    records: [],
    isOwn: () => true,
    journal: { readAll: function* () {} },
    others: [],
    isForced: false,
    isSandbox: false,
    folders: createFolderIndex(),
    homeFolder: '/home',
    ...options,
  });

/** Plans a job anew: a plan fills it in. */
async function plan(given: Job, options: Partial<PlanOptions> = {}) {
  const job = new Job(given);
  const { output, outputPath } = given;
  Object.assign(job, { output, outputPath });
  const [problem] = await planOne(job, options);
  const { action, isPaid, record } = job;
  const refusal = problem && formatProblem(problem);
  return { action, isPaid, record: record?.localId, onExisting: job.output.onExisting, refusal };
}

it('keeps nothing that leads back to the parsed file: a plan lives as long as its run', async () => {
  const job = await resolveOne();
  const before = job.entry.locate;
  await planOne(job, {});
  expect(job.entry.locate).not.toBe(before);
  expect(job.entry.locate(['prompt']).source).toBe('jobs.yaml:3:3');
});

type Put = (job: Job) => unknown;
const changed = CONTENT.toUpperCase();

// biome-ignore format: one row a state
it.each<[string, Put, Partial<PlanOptions>, object]>([
  ['nothing', () => 0, {}, { action: 'new', onExisting: 'refuse', isPaid: true }],
  ['its clip', (job) => putClip(job), {}, { action: 'up_to_date', isPaid: false }],
  ['its clip, by force', (job) => putClip(job), { isForced: true }, { action: 'forced', onExisting: 'overwrite', isPaid: true }],
  ['that of another request', (job) => putClip(job, { fingerprint: 'f' }), {}, { action: 'changed', onExisting: 'refuse', isPaid: true }],
  ['its clip, changed by hand', (job) => putClip(job, {}, changed), {}, { action: 'restore', isPaid: false }],
  ['its clip, cut', (job) => putClip(job, {}, 'short'), {}, { action: 'restore', isPaid: false }],
  ['a clip of the sandbox', (job) => putClip(job, SANDBOX), {}, { action: 'changed' }],
  ['the same, in the sandbox', (job) => putClip(job, SANDBOX), { isSandbox: true }, { action: 'up_to_date' }],
  ['a paid clip, in the sandbox', (job) => putClip(job), { isSandbox: true }, { action: 'up_to_date' }],
  ['the same, by force', (job) => putClip(job), { isSandbox: true, isForced: true }, { refusal: expect.stringContaining('this run uses the sandbox') }],
  ['its sidecar alone', (job) => { putClip(job); rmSync(job.outputPath); }, {}, { action: 'restore', isPaid: false }],
  ['a file of somebody else', (job) => { putClip(job); writeFileSync(`${job.outputPath}.json`, ''); }, {}, { refusal: expect.stringContaining('has no record beside it') }],
  ['a sidecar of another kind', (job) => putClip(job, { kind: 'other' }), {}, { refusal: expect.stringContaining('has no record') }],
  ['a sidecar without a hash', (job) => putClip(job, { file: { size_bytes: 19 } }), {}, { refusal: expect.stringContaining('has no record') }],
  ['a folder', (job) => mkdirSync(job.outputPath), {}, { refusal: expect.stringContaining('not a regular file') }],
  ['a link', (job) => symlinkSync('jobs.yaml', job.outputPath), {}, { refusal: expect.stringContaining('not a regular file') }],
  ['a sidecar of somebody else alone', (job) => writeFileSync(`${job.outputPath}.json`, '[]'), {}, { refusal: expect.stringContaining('evolink did not write') }],
])('a job without a record: where there is %s', async (_what, put, options, expected) => {
  const job = await resolveOne();
  put(job);
  expect(await plan(job, options)).toMatchObject(expected);
});

describe('a job with an open record', () => {
  const unsent = { taskId: undefined };
  /** Sent for another place, and moved since. */
  const moved = { identity: 'b'.repeat(64) };
  const at = (time: string) => ({ times: { created: `2026-11-21T${time}.000Z` } });
  const nine = { createdAtMs: Date.UTC(2026, 10, 21, 9) };
  // biome-ignore format: one row a record
  it.each<[string, Put, TaskRecord['state'], Partial<TaskRecord>, string, boolean]>([
    ['that was sent', () => 0, 'accepted', {}, 'resume', false],
    ['that never was', () => 0, 'intent', unsent, 'resume', true],
    ['over the clip of another request', (job) => putClip(job, { fingerprint: 'f' }), 'completed', {}, 'resume', false],
    ['whose clip is there, and only its record is not closed', (job) => putClip(job, { task_id: 'task-new' }), 'completed', {}, 'up_to_date', false],
    ['whose clip is there, with the sidecar of the one before', (job) => putClip(job, {}, 'the new clip'), 'completed', {}, 'resume', false],
    ['that was moved to here', () => 0, 'accepted', moved, 'resume', false],
    ['that was moved to where another clip is', (job) => putClip(job, { fingerprint: 'f' }), 'accepted', moved, 'resume', false],
    ['that was moved to where its clip is', (job) => putClip(job), 'accepted', moved, 'up_to_date', false],
    ['older than the clip', (job) => putClip(job, at('09:00:01')), 'accepted', nine, 'up_to_date', false],
    ['newer than the clip', (job) => putClip(job, at('08:59:59')), 'accepted', nine, 'resume', false],
  ])('%s', async (_what, put, state, fields, action, isPaid) => {
    const job = await resolveOne();
    put(job);
    expect(await plan(job, { records: [recordOf(job, state, fields)] })).toMatchObject({ action, isPaid });
  });

  it('that another job wants by now, is no longer its own', async () => {
    const job = await resolveOne();
    const record = recordOf(job, 'accepted', { output: { ...job.output, pattern: 'other.mp4' } });
    const other = new Job(job);
    other.outputPath = join(dirname(job.outputPath), 'other.mp4');
    expect((await plan(job, { records: [record], others: [other] })).action).toBe('new');
    expect((await plan(job, { records: [record] })).action).toBe('resume');
  });
});

it.each(['{id}', '{time}', '{{x}}'])('%s in an output is refused: no later run finds it', async (field) => {
  const text = `type: t2v, prompt: x, output: "out/${field}.mp4"`;
  await expect(resolveOne(text)).rejects.toThrow(/field|variable/);
});
