import PQueue from 'p-queue';
import type { ApiClient } from '../api/answers.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { quoteCommand } from '../platform/text.ts';
import type { JobReport } from '../report/run-report.ts';
import type { EmitEvent, GenerateDependencies, TaskEvent, TaskResult } from '../task/events.ts';
import { isWorthRepeating } from '../task/failures.ts';
import { generate } from '../task/generate.ts';
import { type LocalMedia, mediaHashes } from '../task/prepare-media.ts';
import { isUncertain, type TaskRecord } from '../task/record.ts';
import { attachedCredits, type Budget, type CountedTask, createBudget } from './budget.ts';
import type { EmitRunEvent } from './events.ts';
import { failedState, recordFactsOf, resultFacts, toJobError, toJobReport } from './job-report.ts';
import { finishSettled, moveAside } from './move-clips.ts';
import {
  createKeyedTurns,
  createSubmitTurns,
  initialLimit,
  type KeyedTurns,
  nextLimit,
  type SubmitSignal,
} from './pace.ts';
import { isSettled, mostCredits, needsSubmit, type PlannedJob } from './plan.ts';

/** What the jobs of one run share. */
interface JobRun {
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
type UploadJobMedia = (
  local: readonly LocalMedia[],
  options: { readonly emit: EmitEvent; readonly signal: AbortSignal },
) => Promise<ReadonlyMap<string, string>>;

const CAPACITY_CODES: readonly string[] = ['resource_exhausted', 'service_unavailable'];

/** What one job has come to so far. */
interface Progress {
  record: TaskRecord | undefined;
  isAccepted: boolean;
  /** How its task counts in the budget. */
  counted?: CountedTask | undefined;
  /** Why the request was not sent although it was its turn. */
  refusal?: EvolinkError | undefined;
  readonly warnings: string[];
  readonly startedMs: number;
}

/**
 * One job from its turn to its end. Never throws for what can happen to a job.
 * @param onCompleted called when only the download is left
 */
async function runJob(job: PlannedJob, run: JobRun, onCompleted: () => void): Promise<JobReport> {
  const refusal = refuseStart(job, run);
  if (refusal !== undefined) return notSent(job, run, refusal);
  const lost = lostClip(job);
  if (lost !== undefined)
    return toJobReport(job, { state: 'failed', error: toJobError(run.showError(lost)) });
  run.emit({ kind: 'job-started', job: job.entry.name, expectedSeconds: job.expectedSeconds });
  const progress: Progress = {
    record: job.record,
    isAccepted: false,
    counted: needsSubmit(job) ? undefined : run.budget.attach(attachedCredits(job)),
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
      if (progress.refusal !== undefined) return await dropUnsent(job, run, progress);
      const known = toRunError(error, run.signal);
      if (known !== undefined && mayRepeat(job, run, { error: known, attempt, progress })) continue;
      return unfinished(job, run, { progress, error: known });
    }
  }
}

/** What can't be downloaded again is submitted again only by a person who says so, where a file lies in its place. */
function lostClip({ action, restore, outputPath, entry }: PlannedJob): EvolinkError | undefined {
  if (action !== 'restore' || (restore?.taskId !== undefined && restore.isGone !== true)) return undefined;
  const command = quoteCommand(['evolink', 'run', entry.file, '--force', '--only', entry.name]);
  const reason =
    restore?.taskId === undefined
      ? 'its sidecar names no task'
      : `task ${restore.taskId} is gone at the service`;
  return new EvolinkError(
    'local-io',
    `"${outputPath}" was changed after it was made, and ${reason}; to make the clip again: ${command}`,
    { charged: 'no' },
  );
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
  if (reason !== undefined) return stoppedError(reason);
  if (budget.promise(job.entry.name, mostCredits(job))) return undefined;
  const error = budgetError();
  stopSending(error);
  return error;
}

function stoppedError(reason: EvolinkError): EvolinkError {
  return new EvolinkError('pending', `not sent: the run had stopped sending (${reason.message})`, {
    charged: 'no',
  });
}

function budgetError(): EvolinkError {
  return new EvolinkError('credits', 'not sent: the budget of the run is used up', { charged: 'no' });
}

function notSent(job: PlannedJob, { showError }: JobRun, error: EvolinkError): JobReport {
  return toJobReport(job, {
    state: 'not_sent',
    error: { ...toJobError(showError(error)), code: 'not-sent' },
  });
}

/** Closes the record of a request that was ready and will not be sent: nothing of it is pending. */
async function dropUnsent(job: PlannedJob, run: JobRun, { record, refusal }: Progress): Promise<JobReport> {
  const error = refusal ?? budgetError();
  if (record?.state === 'intent')
    await run.deps.journal
      .update(record.localId, { state: 'rejected', error: { kind: 'usage', message: error.message } })
      .catch(() => undefined);
  return notSent(job, run, error);
}

/**
 * The turn to submit, and in it the last look at the budget: by now the answers to all earlier requests are known, and they
 * may have reserved more than was estimated.
 * @throws EvolinkError `credits` or `pending`; then nothing is sent
 */
async function acquireTurn(
  job: PlannedJob,
  run: JobRun,
  progress: Progress,
  signal: AbortSignal,
): Promise<() => void> {
  const end = (await run.deps.takeSubmitTurn?.(signal)) ?? (() => undefined);
  // An uncertain request takes the turn to be looked for, not to be sent; a new one has no record of its own before it is sent.
  if (progress.record !== undefined && isUncertain(progress.record)) return end;
  progress.counted?.rejected();
  // What had room in the budget keeps it when a later job finds none.
  const stop = run.stopReason();
  const reason = stop?.kind === 'credits' ? undefined : stop;
  progress.counted = reason === undefined ? run.budget.send(job.entry.name, mostCredits(job)) : undefined;
  if (progress.counted !== undefined) return end;
  end();
  progress.refusal = reason === undefined ? budgetError() : stoppedError(reason);
  run.stopSending(progress.refusal);
  throw progress.refusal;
}

async function once(
  job: PlannedJob,
  run: JobRun,
  {
    progress,
    attempt,
    onCompleted,
  }: { readonly progress: Progress; readonly attempt: number; readonly onCompleted: () => void },
): Promise<TaskResult> {
  const { deps, budget, emit, signal, waitTimeoutMs, upload, isPlanned } = run;
  const { name } = job.entry;
  const { local } = job.media;
  const hear = (event: TaskEvent): void => {
    if (event.kind === 'warning') progress.warnings.push(event.message);
    if (event.kind === 'accepted') {
      progress.isAccepted = true;
      progress.counted?.reserved(event.reservedCredits);
    }
    if (event.kind === 'completed') onCompleted();
    emit({ kind: 'task', job: name, event });
  };
  try {
    if (job.movedAside?.isWanted === false) await moveAside(job);
    const result = await generate(
      { ...deps, emit: hear, takeSubmitTurn: (taker) => acquireTurn(job, run, progress, taker) },
      {
        request: job.request,
        output: job.output,
        hasSidecar: true,
        estimatedCredits: job.estimate.credits,
        jobName: name,
        isNew: false,
        attachTo: attempt === 1 && job.record?.state !== 'intent' ? job.record : undefined,
        restore:
          attempt === 1 && job.restore?.taskId !== undefined && job.action === 'restore'
            ? { taskId: job.restore.taskId, earlier: job.restore.earlier }
            : undefined,
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
    progress.counted?.charged(result.usedCredits);
    return result;
  } catch (error) {
    if (isEvolinkError(error) && error.facts.charged === 'no' && !progress.isAccepted)
      progress.counted?.rejected();
    throw error;
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
  // The failed task stays counted: a refund gives nothing back within the run.
  progress.counted = undefined;
  progress.isAccepted = false;
  const mayResubmit = !hasStopped && run.budget.promise(job.entry.name, mostCredits(job));
  if (mayResubmit) say(`${error.message}; resubmitted (${attempt} of ${run.retryFailed} times)`);
  else
    say(
      `not resubmitted: ${hasStopped ? 'the run has stopped sending' : 'the budget of the run is used up'}`,
    );
  return mayResubmit;
}

function saved(
  job: PlannedJob,
  run: JobRun,
  { progress, result }: { readonly progress: Progress; readonly result: TaskResult },
): JobReport {
  return toJobReport(job, {
    state: 'saved',
    ...resultFacts(result),
    duration_ms: run.deps.clock.monotonicMs() - progress.startedMs,
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
    state: isRunning ? 'running' : isStopped ? 'not_sent' : failedState(error),
    ...recordFactsOf(record),
    duration_ms: run.deps.clock.monotonicMs() - progress.startedMs,
    warnings: progress.warnings,
    error: error === undefined ? null : toJobError(run.showError(error)),
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

export interface ExecuteOptions {
  /** `emit` is replaced: events carry the name of their job. */
  readonly deps: GenerateDependencies;
  /** Credits that may be reserved; absent = no limit. */
  readonly budgetCredits?: number | undefined;
  readonly concurrency: number;
  readonly waitTimeoutMs: number;
  /** How often a task that failed for a passing reason is resubmitted. */
  readonly retryFailed: number;
  readonly isFailFast: boolean;
  readonly signal: AbortSignal;
  readonly emit: EmitRunEvent;
  readonly upload: UploadJobMedia;
  /** How an error is shown: with commands that work as they stand. */
  readonly showError: (error: EvolinkError) => EvolinkError;
}

export interface Execution {
  /** In the order of the jobs. */
  readonly reports: readonly JobReport[];
  /** Why no further request was sent, where that happened. */
  readonly stopError?: EvolinkError | undefined;
}

/** Failures in a row that never reached the service: the network is down, and the rest would only fail as well. */
const MAX_UNREACHED = 5;
/** Clips that are saved beside the tasks that run; more, and the next task waits. */
const MAX_DOWNLOADS = 8;
const DEFAULT_PAUSE_MS = 1_000;

/**
 * Runs what a plan says: open requests first, then the rest in order, as many tasks at a time as the service takes. Each
 * job goes through the same journal, lock and submission as a single command, so a run that is killed at any moment is
 * continued by the next one. Never throws for a job; a signal ends the waiting and leaves every task where it can be found.
 */
export async function executePlan(jobs: readonly PlannedJob[], options: ExecuteOptions): Promise<Execution> {
  const { deps, emit } = options;
  const budget = createBudget(options.budgetCredits);
  const turns = createSubmitTurns(deps.clock);
  const queue = new PQueue({ concurrency: options.concurrency });
  let limit = initialLimit(options.concurrency);
  let downloads = 0;
  let unreached = 0;
  let stopError: EvolinkError | undefined;

  function adjust(answer: SubmitSignal): void {
    limit = nextLimit(limit, answer, options.concurrency);
    const whole = Math.floor(limit.limit);
    if (whole === queue.concurrency) return;
    queue.concurrency = whole;
    emit({ kind: 'concurrency', limit: whole });
  }

  function stopSending(error: EvolinkError): void {
    if (stopError !== undefined) return;
    stopError = error;
    emit({ kind: 'run-stopping', reason: error.message });
  }

  const api = decorate(deps, {
    onAccepted: () => {
      unreached = 0;
      adjust('accepted');
    },
    onThrottled: (pauseMs) => {
      turns.pause(pauseMs);
      adjust('throttled');
    },
  });

  function noteFailure(error: EvolinkError, isSent: boolean): void {
    if (options.isFailFast) stopSending(error);
    if (isSent) return;
    if (error.kind === 'auth' || error.kind === 'credits') stopSending(error);
    unreached = error.kind === 'network' ? unreached + 1 : 0;
    if (unreached >= MAX_UNREACHED) stopSending(error);
  }

  const planned = new Set(jobs.map(({ record }) => record?.localId));
  const run: JobRun = {
    ...options,
    inTurn: createKeyedTurns(),
    isPlanned: (localId) => planned.has(localId),
    deps: { ...deps, api, takeSubmitTurn: (taker) => turns.take(taker) },
    budget,
    stopReason: () => stopError,
    stopSending,
    noteFailure,
    onCapacity: () => adjust('throttled'),
  };

  async function inSlot(job: PlannedJob): Promise<{ readonly report: Promise<JobReport> }> {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let isDownloading = false;
    const report = runJob(job, run, () => {
      if (downloads >= MAX_DOWNLOADS) return;
      downloads += 1;
      isDownloading = true;
      release();
    }).finally(() => {
      if (isDownloading) downloads -= 1;
      release();
    });
    await released;
    // Inside of an object, as a promise in a promise would be waited for.
    return { report };
  }

  const reports = new Map<PlannedJob, JobReport>();
  const note = (job: PlannedJob, report: JobReport): void => {
    reports.set(job, report);
    emit({ kind: 'job-ended', report });
  };
  for (const [job, report] of await finishSettled(deps, jobs)) note(job, report);
  const work = createWorkSet();
  for (const job of inOrder(jobs)) {
    // It failed before its turn: the clip in its way could not be moved.
    if (reports.has(job)) continue;
    // One waits for a slot at a time: thousands of waiting promises are memory for nothing.
    await queue.onSizeLessThan(1);
    work.add(queue.add(() => inSlot(job)).then(async (started) => note(job, await started.report)));
  }
  await work.end();
  return {
    reports: jobs.map((job) => reports.get(job) ?? toJobReport(job, { state: 'not_sent' })),
    stopError,
  };
}

/** What is open first: its link lives for a day only. */
function* inOrder(jobs: readonly PlannedJob[]): Generator<PlannedJob> {
  for (const job of jobs) if (!isSettled(job) && !needsSubmit(job)) yield job;
  for (const job of jobs) if (needsSubmit(job)) yield job;
}

/** Work under way: what has ended is forgotten, but for the first fault, which `end` throws. */
function createWorkSet() {
  const running = new Set<Promise<void>>();
  const faults: unknown[] = [];
  return {
    add(work: Promise<void>): void {
      const watched = work
        .catch((error: unknown) => void faults.push(error))
        .finally(() => running.delete(watched));
      running.add(watched);
    },
    async end(): Promise<void> {
      await Promise.all(running);
      if (faults.length > 0) throw faults[0];
    },
  };
}

interface Answers {
  readonly onAccepted: () => void;
  readonly onThrottled: (pauseMs: number) => void;
}

/** The same service, heard by all jobs when it says that it is too much. */
function decorate({ api }: GenerateDependencies, { onAccepted, onThrottled }: Answers): ApiClient {
  return {
    ...api,
    async submit(body, submitOptions) {
      const outcome = await api.submit(body, submitOptions);
      if (outcome.kind === 'accepted') onAccepted();
      if (outcome.kind === 'throttled') onThrottled(outcome.retryAfterMs ?? DEFAULT_PAUSE_MS);
      return outcome;
    },
  };
}
