import { constants } from 'node:fs';
import { copyFile, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hashFile } from '../download/target.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { publishFile } from '../platform/durable-file.ts';
import { makeFolder } from '../platform/folders.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import type { JobReport } from '../report/run-report.ts';
import type { GenerateDependencies } from '../task/events.ts';
import { toJobError, toJobReport } from './job-report.ts';
import { inspectOutput, isSettled, type PlannedJob } from './plan.ts';

/**
 * Does what is left of the jobs whose clips are there: copies or moves them to their names, and closes the records of
 * processes that died. Everything that is in the way, or wanted elsewhere, is moved aside before anything takes its name, so
 * that swaps and circles come out right. Never throws for a job.
 */
export async function finishSettled(
  deps: Pick<GenerateDependencies, 'journal' | 'clock'>,
  jobs: readonly PlannedJob[],
): Promise<ReadonlyMap<PlannedJob, JobReport>> {
  const reports = new Map<PlannedJob, JobReport>();
  const attempt = async (job: PlannedJob, step: () => Promise<JobReport | undefined>): Promise<void> => {
    try {
      const report = await step();
      if (report !== undefined) reports.set(job, report);
    } catch (error) {
      if (!isEvolinkError(error)) throw error;
      reports.set(job, toJobReport(job, { state: 'failed', error: toJobError(error) }));
    }
  };
  const movedTo = new Map<string, string>();
  for (const job of jobs)
    if (job.movedAside !== undefined && (job.movedAside.isWanted || job.action === 'copied'))
      await attempt(job, async () => {
        const keptAs = await moveAside(job);
        if (keptAs !== undefined && job.movedAside?.isWanted === true) movedTo.set(job.outputPath, keptAs);
        return undefined;
      });
  for (const job of jobs.filter(isSettled))
    if (!reports.has(job)) await attempt(job, () => finishOne(deps, job, movedTo));
  return reports;
}

/** Moves the file that is in the way of a job to its free name, with its sidecar; says where it is now. */
export async function moveAside({ movedAside, outputPath }: PlannedJob): Promise<string | undefined> {
  if (movedAside === undefined) return undefined;
  if ((await inspectOutput(outputPath)).kind === 'absent') return undefined;
  await moveClip(outputPath, movedAside.keptAs);
  return movedAside.keptAs;
}

async function finishOne(
  { journal, clock }: Pick<GenerateDependencies, 'journal' | 'clock'>,
  job: PlannedJob,
  movedTo: ReadonlyMap<string, string>,
): Promise<JobReport> {
  const { movedFrom, outputPath, record, clip } = job;
  if (movedFrom !== undefined) {
    const aside = movedTo.get(movedFrom);
    if (aside === undefined) await copyClip(movedFrom, outputPath);
    else await moveClip(aside, outputPath);
    const state = await inspectOutput(outputPath);
    return toJobReport({ ...job, clip: state.kind === 'ours' ? state.clip : undefined }, { state: 'copied' });
  }
  if (record?.state === 'completed' && clip !== undefined) {
    const { sizeBytes, sha256 } = clip;
    const saved = [{ path: outputPath, sizeBytes, sha256, atMs: clock.now() }];
    await journal.update(record.localId, { state: 'saved', saved });
  }
  return toJobReport(job, { state: 'up_to_date' });
}

/**
 * Copies a clip and its sidecar to another name; the old file stays, as another job file may name it. The sidecar comes
 * first, so that a stop in between leaves no clip without one.
 * @throws EvolinkError `local-io`
 */
export async function copyClip(from: string, to: string): Promise<void> {
  try {
    await makeFolder(dirname(to));
    await copyWhole(`${from}.json`, `${to}.json`, true);
    await copyWhole(from, to, false);
  } catch (error) {
    throw localIoError(error, 'copy the clip to', to).with({ charged: 'no' });
  }
}

/** The same without leaving the old file. */
async function moveClip(from: string, to: string): Promise<void> {
  try {
    await makeFolder(dirname(to));
    await copyWhole(`${from}.json`, `${to}.json`, true);
    await publishWhole(from, to);
    await unlink(`${from}.json`);
  } catch (error) {
    throw localIoError(error, 'move the clip to', to).with({ charged: 'no' });
  }
}

/** Another file system takes no links of this one. */
async function publishWhole(from: string, to: string): Promise<void> {
  try {
    const isPublished = async (path: string): Promise<boolean> =>
      (await hashFile(path)) === (await hashFile(from));
    refuseNumber(await publishFile({ part: from, target: to, canReplace: false, isPublished }), to);
  } catch (error) {
    if (fsErrorCode(error) !== 'EXDEV') throw error;
    await copyWhole(from, to, false);
    await unlink(from);
  }
}

async function copyWhole(from: string, to: string, canReplace: boolean): Promise<void> {
  const part = join(dirname(to), `.${basename(to).slice(0, 100)}.copy`);
  await unlink(part).catch(() => undefined);
  await copyFile(from, part, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const isPublished = async (path: string): Promise<boolean> =>
    (await hashFile(path)) === (await hashFile(part));
  try {
    refuseNumber(await publishFile({ part, target: to, canReplace, isPublished }), to);
  } finally {
    await unlink(part).catch(() => undefined);
  }
}

function refuseNumber(path: string, to: string): void {
  if (path !== to)
    throw new EvolinkError('local-io', `"${to}" was taken by another file meanwhile; the clip is "${path}"`);
}
