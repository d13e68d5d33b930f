import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { GenerateDependencies } from '../generate/dependencies.ts';
import type { EmitEvent, TaskEvent, TaskResult } from '../generate/events.ts';
import { isWorthRepeating } from '../generate/failures.ts';
import { generate } from '../generate/generate.ts';
import { type LocalMedia, mediaHashes } from '../generate/prepare-media.ts';
import type { TaskRecord } from '../journal/record.ts';
import type { Budget } from './budget.ts';
import { recordFactsOf, resultFacts, toJobError, toJobReport } from './job-report.ts';
import type { KeyedTurns } from './keyed-turns.ts';
import { mostCredits, needsSubmit, type PlannedJob } from './plan-jobs.ts';
import type { EmitRunEvent } from './run-events.ts';
import type { JobReport } from './run-report.ts';

/** What the jobs of one run share. */
export interface JobRun {
  readonly deps: GenerateDependencies;
  readonly budget: Budget;
  readonly waitTimeoutMs: number;
  readonly retryFailed: number;
  readonly signal: AbortSignal;
  readonly emit: EmitRunEvent;
  /** Uploads local media; gives the URL of each path. */
  readonly upload: UploadJobMedia;
  /** How an error is shown: with commands that work as they stand. */
  readonly showError: (error: EvolinkError) => EvolinkError;
  /** Why nothing more is sent, if so. */
  readonly stopReason: () => EvolinkError | undefined;
  readonly stopSending: (error: EvolinkError) => void;
  /** `isSent`: the service may have the request. */
  readonly noteFailure: (error: EvolinkError, isSent: boolean) => void;
  /** Jobs whose requests share a lock. */
  readonly inTurn: KeyedTurns;
  /** Says whether a record is that of a job of this plan. */
  readonly isPlanned: (localId: string) => boolean;
  /** A task failed because the service had no room for it. */
  readonly onCapacity: () => void;
}

/** @throws EvolinkError; then nothing was submitted */
export type UploadJobMedia = (
  local: readonly LocalMedia[],
  options: { readonly emit: EmitEvent; readonly signal: AbortSignal },
) => Promise<ReadonlyMap<string, string>>;

const CAPACITY_CODES: readonly string[] = ['resource_exhausted', 'service_unavailable'];

/** What one job has come to so far. */
interface Progress {
  record: TaskRecord | undefined;
  isAccepted: boolean;
  readonly warnings: string[];
  readonly startedMs: number;
}

/**
 * One job from its turn to its end. Never throws for what can happen to a job.
 * @param onCompleted called when only the download is left
 */
export async function runJob(job: PlannedJob, run: JobRun, onCompleted: () => void): Promise<JobReport> {
  const refusal = refuseStart(job, run);
  if (refusal !== undefined)
    return toJobReport(job, { state: 'skipped', error: toJobError(run.showError(refusal)) });
  run.emit({ kind: 'job-started', job: job.entry.name, expectedSeconds: job.expectedSeconds });
  const progress: Progress = {
    record: job.record,
    isAccepted: false,
    warnings: [],
    startedMs: run.deps.clock.monotonicMs(),
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const result = await run.inTurn(job.record?.identity ?? job.identity, () =>
        once(job, run, { progress, attempt, onCompleted }),
      );
      return saved(job, run, { progress, result });
    } catch (error) {
      const known = toRunError(error, run.signal);
      if (known !== undefined && mayRepeat(job, run, { error: known, attempt, progress })) continue;
      return unfinished(job, run, { progress, error: known });
    }
  }
}

/** Nothing is promised that the budget does not hold, and nothing is sent once sending has stopped. */
function refuseStart(
  job: PlannedJob,
  { signal, stopReason, stopSending, budget }: JobRun,
): EvolinkError | undefined {
  if (signal.aborted)
    return new EvolinkError('pending', 'the run was stopped before this job', { charged: 'no' });
  if (!needsSubmit(job)) return undefined;
  const reason = stopReason();
  if (reason !== undefined) {
    return new EvolinkError('pending', `not sent: the run had stopped sending (${reason.message})`, {
      charged: 'no',
    });
  }
  if (budget.tryReserve(job.entry.name, mostCredits(job))) return undefined;
  const error = new EvolinkError('credits', 'not sent: the budget of the run is used up', { charged: 'no' });
  stopSending(error);
  return error;
}

async function once(
  job: PlannedJob,
  { deps, budget, emit, signal, waitTimeoutMs, upload, isPlanned }: JobRun,
  {
    progress,
    attempt,
    onCompleted,
  }: { readonly progress: Progress; readonly attempt: number; readonly onCompleted: () => void },
): Promise<TaskResult> {
  const { name } = job.entry;
  const { local } = job.media;
  const hear = (event: TaskEvent): void => {
    if (event.kind === 'warning') progress.warnings.push(event.message);
    if (event.kind === 'accepted') {
      progress.isAccepted = true;
      budget.settle(name, event.reservedCredits);
    }
    if (event.kind === 'completed') onCompleted();
    emit({ kind: 'task', job: name, event });
  };
  try {
    return await generate(
      { ...deps, emit: hear },
      {
        request: job.request,
        output: job.output,
        hasSidecar: true,
        estimatedCredits: job.estimate.credits,
        isNew: false,
        attachTo: attempt === 1 && job.record?.state !== 'intent' ? job.record : undefined,
        isTaken: (localId) => localId !== job.record?.localId && isPlanned(localId),
        isWaiting: true,
        waitTimeoutMs,
        signal,
        media:
          local.length === 0
            ? undefined
            : { hashes: mediaHashes(local), upload: () => upload(local, { emit: hear, signal }) },
        onRecord: (record) => {
          progress.record = record;
        },
      },
    );
  } finally {
    budget.release(name);
  }
}

interface Failure {
  readonly error: EvolinkError;
  readonly attempt: number;
  readonly progress: Progress;
}

/** A new try is a new paid task: only when asked for, only where it may help, only inside of the budget. */
function mayRepeat(job: PlannedJob, run: JobRun, { error, attempt, progress }: Failure): boolean {
  const { serviceCode, taskId } = error.facts;
  if (error.kind !== 'task-failed' || taskId === undefined) return false;
  if (serviceCode !== undefined && CAPACITY_CODES.includes(serviceCode)) run.onCapacity();
  if (attempt > run.retryFailed || !isWorthRepeating(serviceCode)) return false;
  if (run.signal.aborted) return false;
  const say = (message: string): void => {
    progress.warnings.push(message);
    run.emit({
      kind: 'task',
      job: job.entry.name,
      event: { kind: 'warning', code: 'retry-failed', message },
    });
  };
  const hasStopped = run.stopReason() !== undefined;
  const mayBuy = !hasStopped && run.budget.tryReserve(job.entry.name, mostCredits(job));
  if (mayBuy) say(`${error.message}; bought again (${attempt} of ${run.retryFailed} times)`);
  else
    say(
      `not bought again: ${hasStopped ? 'the run has stopped sending' : 'the budget of the run is used up'}`,
    );
  return mayBuy;
}

function saved(
  job: PlannedJob,
  run: JobRun,
  { progress, result }: { readonly progress: Progress; readonly result: TaskResult },
): JobReport {
  return toJobReport(job, {
    state: 'saved',
    ...resultFacts(result),
    durationMs: run.deps.clock.monotonicMs() - progress.startedMs,
    warnings: [...progress.warnings, ...result.warnings],
  });
}

/** A stop is no failure of the job: what was sent goes on, what was not is left for the next run. */
function unfinished(
  job: PlannedJob,
  run: JobRun,
  { progress, error }: { readonly progress: Progress; readonly error: EvolinkError | undefined },
): JobReport {
  const { record } = progress;
  const isTaken = record?.taskId !== undefined;
  const isStopped = error === undefined;
  if (error !== undefined) run.noteFailure(error, progress.isAccepted || isTaken);
  const isRunning = isTaken && (isStopped || error.kind === 'pending');
  return toJobReport(job, {
    state: isRunning ? 'submitted' : isStopped ? 'skipped' : 'failed',
    ...recordFactsOf(record),
    durationMs: run.deps.clock.monotonicMs() - progress.startedMs,
    warnings: progress.warnings,
    error: error === undefined ? undefined : toJobError(run.showError(error)),
  });
}

/** `undefined`: the run was stopped by a signal. */
function toRunError(error: unknown, signal: AbortSignal): EvolinkError | undefined {
  if (isEvolinkError(error)) return error;
  if (signal.aborted && error === signal.reason) return undefined;
  const text =
    error instanceof Error ? `${error.name}: ${error.message}` : 'something that is no error was thrown';
  return new EvolinkError('internal', `this is a bug in evolink (${text})`, {
    hint: 'run it again with --debug and report what it prints',
  });
}
