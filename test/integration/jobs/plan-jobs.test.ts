import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../../src/request/problems.ts';
import { checkJobs } from '../../../src/run/check-jobs.ts';
import { createFolderIndex } from '../../../src/run/clips.ts';
import { readJobFiles } from '../../../src/run/expand.ts';
import { Job } from '../../../src/run/job.ts';
import { type PlanOptions, planJobs } from '../../../src/run/plan.ts';
import type { TaskRecord } from '../../../src/task/record.ts';
import { requestIdentity } from '../../../src/task/record.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

const CONTENT = 'the bytes of a clip';
const REAL = 'https://api.evolink.ai';
const SANDBOX = 'http://127.0.0.1:8787';

async function resolveOne(text = 'type: t2v, prompt: a frog'): Promise<{ job: Job; folder: string }> {
  const folder = await tempFolder();
  writeFileSync(join(folder, 'jobs.yaml'), `version: 1\njobs:\n  clip: { ${text} }\n`);
  const reading = await readJobFiles(['jobs.yaml'], { cwd: folder, maxJobs: 100 });
  const checked = await checkJobs(reading.jobs, {
    settingsOf: (operation) => ({ operation }),
    allowLoopback: false,
    prices: [],
    readMedia: async () => ({ reviews: [], local: [] }),
    isFolder: async () => false,
    nowMs: 0,
  });
  const [job] = checked.jobs;
  if (job === undefined) throw new Error(JSON.stringify(checked.invalid[0]?.problems));
  return { job, folder };
}

function putClip(
  job: Job,
  { api = REAL, print = printOf(job), content = CONTENT, taskId = 'task-old', created = '' } = {},
): void {
  const sha256 = createHash('sha256').update(CONTENT).digest('hex');
  const file = { size_bytes: CONTENT.length, sha256 };
  const record = {
    kind: 'evolink.sidecar',
    fingerprint: print,
    api_base_url: api,
    task_id: taskId,
    file,
    times: { created },
  };
  mkdirSync(dirname(job.outputPath), { recursive: true });
  writeFileSync(job.outputPath, content);
  writeFileSync(`${job.outputPath}.json`, JSON.stringify(record));
}

const printOf = (job: Job): string => job.fingerprint;

function openRecord(job: Job, fields: Partial<TaskRecord>): TaskRecord {
  return sampleRecord({ identity: requestIdentity(printOf(job), job.output), taskId: 'task-new', ...fields });
}

const planWith = (job: Job, options: Partial<PlanOptions>) =>
  planJobs([job], {
    records: [],
    isOwn: () => true,
    journal: { readAll: function* () {} },
    others: [],
    isForced: false,
    isSandbox: false,
    folders: createFolderIndex(),
    cwd: '/',
    homeFolder: '/home',
    ...options,
  });

/** Plans a job anew: a plan fills it in. */
async function plan(given: Job, options: Partial<PlanOptions> = {}) {
  const job = new Job(given);
  const { output, outputPath } = given;
  Object.assign(job, { output, outputPath });
  const problems = await planWith(job, options);
  return {
    action: job.action,
    onExisting: job.output.onExisting,
    isPaid: job.isPaid,
    record: job.record?.localId,
    problems: problems.map(formatProblem),
  };
}

describe('planJobs', () => {
  it('keeps nothing that leads back to the parsed file: a plan lives as long as its run', async () => {
    const { job } = await resolveOne();
    const before = job.entry.locate;
    await planWith(job, {});
    expect(job.entry.locate).not.toBe(before);
    expect(job.entry.locate(['prompt']).source).toBe('jobs.yaml:3:3');
  });

  it('makes what is not there', async () => {
    const { job, folder } = await resolveOne();
    expect(job.outputPath).toBe(join(folder, 'clip.mp4'));
    expect(await plan(job)).toMatchObject({ action: 'new', onExisting: 'refuse', isPaid: true });
  });

  it('leaves alone what is up to date, and replaces it only when forced', async () => {
    const { job } = await resolveOne();
    putClip(job);
    expect(await plan(job)).toMatchObject({ action: 'up_to_date', isPaid: false });
    expect(await plan(job, { isForced: true })).toMatchObject({
      action: 'forced',
      onExisting: 'overwrite',
    });
  });

  it('makes way for the clip of a changed request', async () => {
    const { job } = await resolveOne();
    putClip(job, { print: 'other' });
    expect(await plan(job)).toMatchObject({ action: 'changed', onExisting: 'refuse', isPaid: true });
  });

  describe('what was moved to its place since it was sent', () => {
    const moved = (job: Job): TaskRecord =>
      openRecord(job, {
        identity: 'b'.repeat(64),
        fingerprint: printOf(job),
        output: job.output,
        state: 'accepted',
      });

    it('is continued where there is nothing, or the clip of another request', async () => {
      const { job } = await resolveOne();
      const record = moved(job);
      expect(await plan(job, { records: [record] })).toMatchObject({
        action: 'resume',
        record: record.localId,
      });
      putClip(job, { print: 'other' });
      expect(await plan(job, { records: [record] })).toMatchObject({
        action: 'resume',
        record: record.localId,
      });
    });

    it('never replaces the clip that is there for it', async () => {
      const { job } = await resolveOne();
      putClip(job);
      expect(await plan(job, { records: [moved(job)] })).toMatchObject({
        action: 'up_to_date',
        record: undefined,
      });
      // One that was sent for this very place later does.
      const later = openRecord(job, { state: 'accepted' });
      expect(await plan(job, { records: [later] })).toMatchObject({
        action: 'resume',
        record: later.localId,
      });
    });

    it('nor does one that was sent for this place before the clip was', async () => {
      const { job } = await resolveOne();
      const open = openRecord(job, { state: 'accepted', createdAtMs: Date.UTC(2026, 10, 21, 9) });
      putClip(job, { created: '2026-11-21T09:00:01.000Z' });
      expect(await plan(job, { records: [open] })).toMatchObject({ action: 'up_to_date', record: undefined });
      putClip(job, { created: '2026-11-21T08:59:59.000Z' });
      expect(await plan(job, { records: [open] })).toMatchObject({
        action: 'resume',
        record: open.localId,
      });
    });

    it('is no longer that of the job which it was sent for, where another wants it', async () => {
      const { job, folder } = await resolveOne();
      const elsewhere = { ...job.output, kind: 'file' as const, folder, pattern: 'other.mp4' };
      const record = openRecord(job, { fingerprint: printOf(job), output: elsewhere, state: 'accepted' });
      const other = new Job(job);
      other.outputPath = join(folder, 'other.mp4');
      expect((await plan(job, { records: [record], others: [other] })).action).toBe('new');
      expect((await plan(job, { records: [record] })).action).toBe('resume');
    });
  });

  it('restores what was changed by hand', async () => {
    const { job } = await resolveOne();
    putClip(job, { content: CONTENT.toUpperCase() });
    expect(await plan(job)).toMatchObject({ action: 'restore', problems: [], isPaid: false });
  });

  it('takes the sandbox for no clip, and a clip for one in the sandbox', async () => {
    const { job } = await resolveOne();
    putClip(job, { api: SANDBOX });
    expect((await plan(job)).action).toBe('changed');
    expect((await plan(job, { isSandbox: true })).action).toBe('up_to_date');
    putClip(job, { api: REAL });
    expect((await plan(job, { isSandbox: true })).action).toBe('up_to_date');
    expect((await plan(job, { isSandbox: true, isForced: true })).problems[0]).toContain(
      'this run uses the sandbox',
    );
  });

  it('continues what is open, and pays only for what was never sent', async () => {
    const { job } = await resolveOne();
    expect(await plan(job, { records: [openRecord(job, { state: 'accepted' })] })).toMatchObject({
      action: 'resume',
      isPaid: false,
    });
    expect(
      await plan(job, { records: [openRecord(job, { state: 'intent', taskId: undefined })] }),
    ).toMatchObject({
      action: 'resume',
      isPaid: true,
    });
    putClip(job, { print: 'other' });
    expect((await plan(job, { records: [openRecord(job, { state: 'completed' })] })).action).toBe('resume');
  });

  it('knows a clip whose process died before its record was closed, at either step', async () => {
    const { job } = await resolveOne();
    const records = [openRecord(job, { state: 'completed' })];
    putClip(job, { taskId: 'task-new' });
    expect((await plan(job, { records })).action).toBe('up_to_date');
    // Published, but the record beside it is still that of the clip before.
    putClip(job, { content: 'the new clip' });
    expect((await plan(job, { records })).action).toBe('resume');
  });

  it.each(['{id}', '{time}', '{{x}}'])(
    'refuses %s in an output, which no later run could find again',
    async (field) => {
      await expect(resolveOne(`type: t2v, prompt: x, output: "out/${field}.mp4"`)).rejects.toThrow(
        /field|variable/,
      );
    },
  );
});
