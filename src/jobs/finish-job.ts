import { isEvolinkError } from '../errors.ts';
import type { GenerateDependencies } from '../generate/dependencies.ts';
import { adoptClip } from './adopt-clip.ts';
import { inspectOutput } from './inspect-output.ts';
import { toJobError, toJobReport } from './job-report.ts';
import type { PlannedJob } from './plan-jobs.ts';
import type { JobReport } from './run-report.ts';

/** Does what is left of a job whose clip is there: copies it to its new name, closes the record of a process that died. */
export async function finishJob(
  deps: Pick<GenerateDependencies, 'journal' | 'clock'>,
  job: PlannedJob,
): Promise<JobReport> {
  try {
    if (job.movedFrom !== undefined) return await adopt(job, job.movedFrom);
    if (job.record?.state === 'completed' && job.clip !== undefined) {
      const { sizeBytes, sha256 } = job.clip;
      const saved = [{ path: job.outputPath, sizeBytes, sha256, atMs: deps.clock.now() }];
      await deps.journal.update(job.record.localId, { state: 'saved', saved });
    }
    return toJobReport(job, { state: 'up-to-date' });
  } catch (error) {
    if (!isEvolinkError(error)) throw error;
    return toJobReport(job, { state: 'failed', error: toJobError(error) });
  }
}

async function adopt(job: PlannedJob, from: string): Promise<JobReport> {
  await adoptClip(from, job.outputPath);
  const state = await inspectOutput(job.outputPath);
  const clip = state.kind === 'ours' ? state.clip : undefined;
  return toJobReport({ ...job, clip }, { state: 'up-to-date' });
}
