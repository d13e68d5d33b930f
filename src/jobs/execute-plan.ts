import PQueue from 'p-queue';
import type { ApiClient } from '../api/types.ts';
import type { EvolinkError } from '../errors.ts';
import type { GenerateDependencies } from '../generate/dependencies.ts';
import { createBudget } from './budget.ts';
import { initialLimit, nextLimit, type SubmitSignal } from './concurrency-limit.ts';
import { finishJob } from './finish-job.ts';
import { toJobReport } from './job-report.ts';
import { createKeyedTurns } from './keyed-turns.ts';
import { isSettled, needsSubmit, type PlannedJob } from './plan-jobs.ts';
import type { EmitRunEvent } from './run-events.ts';
import { type JobRun, runJob, type UploadJobMedia } from './run-job.ts';
import type { JobReport } from './run-report.ts';
import { createSubmitTurns } from './submit-turns.ts';
import { createTaskPoller } from './task-poller.ts';

export interface ExecuteOptions {
  /** `emit` is replaced: events carry the name of their job. */
  readonly deps: GenerateDependencies;
  /** Credits that may be reserved; absent = no limit. */
  readonly budgetCredits?: number | undefined;
  readonly concurrency: number;
  readonly waitTimeoutMs: number;
  /** How often a task that failed for a passing reason is bought again. */
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
  for (const job of jobs) if (isSettled(job)) note(job, await finishJob(deps, job));
  const work = createWorkSet();
  for (const job of inOrder(jobs)) {
    // One waits for a slot at a time: thousands of waiting promises are memory for nothing.
    await queue.onSizeLessThan(1);
    work.add(queue.add(() => inSlot(job)).then(async (started) => note(job, await started.report)));
  }
  await work.end();
  return {
    reports: jobs.map((job) => reports.get(job) ?? toJobReport(job, { state: 'skipped' })),
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

/** The same service, read by one poller for all tasks, and heard by all when it says that it is too much. */
function decorate({ api, clock }: GenerateDependencies, { onAccepted, onThrottled }: Answers): ApiClient {
  return {
    ...api,
    getTask: createTaskPoller({ api, clock }),
    async submit(body, submitOptions) {
      const outcome = await api.submit(body, submitOptions);
      if (outcome.kind === 'accepted') onAccepted();
      if (outcome.kind === 'throttled') onThrottled(outcome.retryAfterMs ?? DEFAULT_PAUSE_MS);
      return outcome;
    },
  };
}
