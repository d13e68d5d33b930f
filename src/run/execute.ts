import PQueue from 'p-queue';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { quoteCommand } from '../platform/text.ts';
import type { JobReport } from '../report/run-report.ts';
import type { JobState } from '../report/states.ts';
import type { EmitEvent, GenerateDependencies, TaskEvent, TaskResult } from '../task/events.ts';
import { isWorthRepeating } from '../task/failures.ts';
import { type GenerateJob, generate } from '../task/generate.ts';
import { type LocalMedia, mediaHashes } from '../task/prepare-media.ts';
import { isUncertain, taskFacts } from '../task/record.ts';
import { attachedCredits, type CountedTask, createBudget, mostCredits, needsSubmit } from './budget.ts';
import { copyClip, inspectOutput, moveClip } from './clips.ts';
import type { EmitRunEvent } from './events.ts';
import { toJobError, toJobReport } from './job-report.ts';
import { createKeyedTurns, createSubmitTurns, initialLimit, nextLimit, type SubmitSignal } from './pace.ts';
import { expectedSeconds, isSettled, type PlannedJob } from './plan.ts';
import type { PricedJob } from './resolve-job.ts';

/** Uploads local media; gives the URL of each path. @throws EvolinkError; then nothing was submitted */
export type UploadJobMedia = (
  local: readonly LocalMedia[],
  options: { readonly emit: EmitEvent; readonly signal: AbortSignal },
) => Promise<ReadonlyMap<string, string>>;

type ClipOptions = Omit<GenerateJob, 'request' | 'estimatedCredits' | 'media' | 'isWaiting' | 'isNew'> &
  Partial<Pick<GenerateJob, 'isWaiting' | 'isNew'>> & { readonly upload: UploadJobMedia };

/** One paid task of a job, from request to file: continued where it is pending, else submitted, waited for, saved. */
export function makeClip(
  deps: GenerateDependencies,
  { request, estimate, media: { local } }: Pick<PricedJob, 'request' | 'estimate' | 'media'>,
  { upload, ...options }: ClipOptions,
): Promise<TaskResult> {
  const { emit } = deps;
  const { signal } = options;
  return generate(deps, {
    isWaiting: true,
    isNew: false,
    ...options,
    request,
    estimatedCredits: estimate.credits,
    media:
      local.length === 0
        ? undefined
        : { hashes: mediaHashes(local), upload: () => upload(local, { emit, signal }) },
  });
}

export interface ExecuteOptions {
  readonly journal: GenerateDependencies['journal'];
  readonly clock: GenerateDependencies['clock'];
  /** Asked for where something has to be asked of the service. Events are replaced: they carry the name of their job. */
  readonly connect: () => Promise<GenerateDependencies>;
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
const CAPACITY_CODES: readonly string[] = ['resource_exhausted', 'service_unavailable'];

/**
 * Does what a plan says: clips that are there first, then open requests, then the rest in order, as many tasks at a time as
 * the service takes. Each job goes through the same journal, lock and submission as a single command, so a run that is
 * killed at any moment is continued by the next one. Never throws for a job; a signal ends the waiting and leaves every
 * task where it can be found.
 */
export async function executePlan(jobs: readonly PlannedJob[], options: ExecuteOptions): Promise<Execution> {
  const { emit } = options;
  const reports = new Map<PlannedJob, JobReport>();
  const note = (job: PlannedJob, report: JobReport): void => {
    reports.set(job, report);
    emit({ kind: 'job-ended', report });
  };
  for (const [job, report] of await finishSettled(jobs, options)) note(job, report);
  if (jobs.every(isSettled)) return { reports: jobs.flatMap((job) => reports.get(job) ?? []) };

  const sender = createSender(options, await options.connect());
  const planned = new Set(jobs.map(({ record }) => record?.localId));
  let downloads = 0;
  async function inSlot(job: PlannedJob): Promise<{ readonly report: Promise<JobReport> }> {
    const { promise: released, resolve: release } = withResolvers();
    let isDownloading = false;
    const onCompleted = (): void => {
      if (downloads >= MAX_DOWNLOADS) return;
      downloads += 1;
      isDownloading = true;
      release();
    };
    const report = runJob(job, sender, (localId) => planned.has(localId), onCompleted).finally(() => {
      if (isDownloading) downloads -= 1;
      release();
    });
    await released;
    // Inside of an object, as a promise in a promise would be waited for.
    return { report };
  }
  /** Work under way: what has ended is forgotten, but for the first fault. */
  const running = new Set<Promise<void>>();
  const faults: unknown[] = [];
  for (const job of inOrder(jobs)) {
    // It failed before its turn: the clip in its way could not be moved.
    if (reports.has(job)) continue;
    // One waits for a slot at a time: thousands of waiting promises are memory for nothing.
    await sender.queue.onSizeLessThan(1);
    const work = sender.queue.add(() => inSlot(job)).then(async (started) => note(job, await started.report));
    const watched = work
      .catch((error: unknown) => void faults.push(error))
      .finally(() => running.delete(watched));
    running.add(watched);
  }
  await Promise.all(running);
  if (faults.length > 0) throw faults[0];
  return {
    reports: jobs.map((job) => reports.get(job) ?? toJobReport(job, { state: 'not_sent' })),
    stopError: sender.stopError(),
  };
}

/** Node 20 has no `Promise.withResolvers`. */
function withResolvers() {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** What is open first: its link lives for a day only. */
function* inOrder(jobs: readonly PlannedJob[]): Generator<PlannedJob> {
  for (const job of jobs) if (!isSettled(job) && !needsSubmit(job)) yield job;
  for (const job of jobs) if (needsSubmit(job)) yield job;
}

/** What the jobs of one run share: the service, the budget, the pace, and why sending has stopped, if so. */
function createSender(options: ExecuteOptions, deps: GenerateDependencies) {
  const { emit, concurrency } = options;
  const budget = createBudget(options.budgetCredits);
  const turns = createSubmitTurns(deps.clock);
  const queue = new PQueue({ concurrency });
  let limit = initialLimit(concurrency);
  let unreached = 0;
  let stopError: EvolinkError | undefined;

  function adjust(answer: SubmitSignal): void {
    limit = nextLimit(limit, answer, concurrency);
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
  /** The same service, heard by all jobs when it says that it is too much. */
  const submit: typeof deps.api.submit = async (...given) => {
    const outcome = await deps.api.submit(...given);
    if (outcome.kind === 'accepted') {
      unreached = 0;
      adjust('accepted');
    }
    if (outcome.kind === 'throttled') {
      turns.pause(outcome.retryAfterMs ?? DEFAULT_PAUSE_MS);
      adjust('throttled');
    }
    return outcome;
  };
  return {
    options,
    deps: { ...deps, api: { ...deps.api, submit } },
    budget,
    turns,
    queue,
    /** Jobs whose requests share a lock. */
    inTurn: createKeyedTurns(),
    stopError: () => stopError,
    stopSending,
    /** A task failed because the service had no room for it. */
    onCapacity: () => adjust('throttled'),
    /** @param isSent the service may have the request */
    noteFailure(error: EvolinkError, isSent: boolean): void {
      if (options.isFailFast) stopSending(error);
      if (isSent) return;
      if (error.kind === 'auth' || error.kind === 'credits') stopSending(error);
      unreached = error.kind === 'network' ? unreached + 1 : 0;
      if (unreached >= MAX_UNREACHED) stopSending(error);
    },
  };
}
type Sender = ReturnType<typeof createSender>;

const outOfBudget = (): EvolinkError =>
  new EvolinkError('credits', 'not sent: the budget of the run is used up', { charged: 'no' });
const stopped = ({ message }: EvolinkError): EvolinkError =>
  new EvolinkError('pending', `not sent: the run had stopped sending (${message})`, { charged: 'no' });

/**
 * One job from its turn to its end. Never throws for what can happen to a job.
 * @param isPlanned says whether a record is that of a job of this plan
 * @param onCompleted called when only the download is left
 */
async function runJob(
  job: PlannedJob,
  sender: Sender,
  isPlanned: (localId: string) => boolean,
  onCompleted: () => void,
): Promise<JobReport> {
  const { options, deps, budget } = sender;
  const { emit, signal, retryFailed } = options;
  const { name } = job.entry;
  const isPaid = needsSubmit(job);
  const warnings: string[] = [];
  const startedMs = deps.clock.monotonicMs();
  let record = job.record;
  let isAccepted = false;
  /** How its task counts in the budget. */
  let counted: CountedTask | undefined;
  /** Why the request was not sent although it was its turn. */
  let refusal: EvolinkError | undefined;

  const notSent = (error: EvolinkError): JobReport =>
    toJobReport(job, {
      state: 'not_sent',
      error: { ...toJobError(options.showError(error)), code: 'not-sent' },
    });
  const warn = (message: string): void => {
    warnings.push(message);
    emit({ kind: 'task', job: name, event: { kind: 'warning', code: 'retry-failed', message } });
  };
  const hear = (event: TaskEvent): void => {
    if (event.kind === 'warning') warnings.push(event.message);
    if (event.kind === 'accepted') {
      isAccepted = true;
      counted?.reserved(event.reservedCredits);
    }
    if (event.kind === 'completed') onCompleted();
    emit({ kind: 'task', job: name, event });
  };

  /**
   * The turn to submit, and in it the last look at the budget: by now the answers to all earlier requests are known, and
   * they may have reserved more than was estimated.
   * @throws EvolinkError `credits` or `pending`; then nothing is sent
   */
  async function acquireTurn(taker: AbortSignal): Promise<() => void> {
    const end = await sender.turns.take(taker);
    // An uncertain request takes the turn to be looked for, not to be sent.
    if (record !== undefined && isUncertain(record)) return end;
    counted?.rejected();
    // What had room in the budget keeps it when a later job finds none.
    const stop = sender.stopError();
    const reason = stop?.kind === 'credits' ? undefined : stop;
    counted = reason === undefined ? budget.send(name, mostCredits(job)) : undefined;
    if (counted !== undefined) return end;
    end();
    refusal = reason === undefined ? outOfBudget() : stopped(reason);
    sender.stopSending(refusal);
    throw refusal;
  }

  async function once(attempt: number): Promise<TaskResult> {
    const isFirst = attempt === 1;
    const taskId = isFirst && job.action === 'restore' ? job.restore?.taskId : undefined;
    try {
      if (job.movedAside?.isWanted === false) await moveAside(job);
      const result = await makeClip({ ...deps, emit: hear, takeSubmitTurn: acquireTurn }, job, {
        output: job.output,
        hasSidecar: true,
        jobName: name,
        attachTo: isFirst && job.record?.state !== 'intent' ? job.record : undefined,
        restore: taskId === undefined ? undefined : { taskId, earlier: job.restore?.earlier },
        isTaken: (localId) => localId !== job.record?.localId && isPlanned(localId),
        waitTimeoutMs: options.waitTimeoutMs,
        signal,
        upload: options.upload,
        onRecord: (next) => {
          record = next;
        },
      });
      counted?.charged(result.credits.used ?? undefined);
      return result;
    } catch (error) {
      if (isEvolinkError(error) && error.facts.charged === 'no' && !isAccepted) counted?.rejected();
      throw error;
    } finally {
      budget.release(name);
    }
  }

  /** A new try is a new paid task: only when asked for, only where it may help, only inside of the budget. */
  function mayRepeat({ kind, facts, message }: EvolinkError, attempt: number): boolean {
    const { serviceCode, taskId } = facts;
    if (kind !== 'task-failed' || taskId === undefined) return false;
    if (serviceCode !== undefined && CAPACITY_CODES.includes(serviceCode)) sender.onCapacity();
    if (attempt > retryFailed || !isWorthRepeating(serviceCode) || signal.aborted) return false;
    // The failed task stays counted: a refund gives nothing back within the run.
    counted = undefined;
    isAccepted = false;
    const hasStopped = sender.stopError() !== undefined;
    const mayResubmit = !hasStopped && budget.promise(name, mostCredits(job));
    if (mayResubmit) warn(`${message}; resubmitted (${attempt} of ${retryFailed} times)`);
    else
      warn(
        `not resubmitted: ${hasStopped ? 'the run has stopped sending' : 'the budget of the run is used up'}`,
      );
    return mayResubmit;
  }

  /** A stop is no failure of the job: what was sent goes on, what was not is left for the next run. */
  function unfinished(error: EvolinkError | undefined): JobReport {
    const hasTask = record?.taskId !== undefined;
    if (error !== undefined) sender.noteFailure(error, isAccepted || hasTask);
    const isRunning = hasTask && (error === undefined || error.kind === 'pending');
    return toJobReport(job, {
      state: isRunning ? 'running' : error === undefined ? 'not_sent' : failedState(error),
      ...(record && taskFacts(record)),
      duration_ms: deps.clock.monotonicMs() - startedMs,
      warnings,
      error: error === undefined ? null : toJobError(options.showError(error)),
    });
  }

  if (signal.aborted)
    return notSent(new EvolinkError('pending', 'the run was stopped before this job', { charged: 'no' }));
  // Nothing is promised that the budget does not hold, and nothing is sent once sending has stopped.
  const stop = sender.stopError();
  if (isPaid && stop !== undefined) return notSent(stopped(stop));
  if (isPaid && !budget.promise(name, mostCredits(job))) {
    sender.stopSending(outOfBudget());
    return notSent(outOfBudget());
  }
  const lost = lostClip(job);
  if (lost !== undefined)
    return toJobReport(job, { state: 'failed', error: toJobError(options.showError(lost)) });
  emit({ kind: 'job-started', job: name, expectedSeconds: expectedSeconds(job.request) });
  if (!isPaid) counted = budget.attach(attachedCredits(job));
  for (let attempt = 1; ; attempt += 1) {
    try {
      const result = await sender.inTurn(job.record?.identity ?? job.identity, () => once(attempt));
      return toJobReport(job, {
        ...result,
        state: 'saved',
        duration_ms: deps.clock.monotonicMs() - startedMs,
        warnings: [...warnings, ...result.warnings],
      });
    } catch (error) {
      if (refusal !== undefined) {
        // The record of a request that was ready and will not be sent is closed: nothing of it is pending.
        const { message } = refusal;
        if (record?.state === 'intent')
          await deps.journal
            .update(record.localId, { state: 'rejected', error: { kind: 'usage', message } })
            .catch(() => undefined);
        return notSent(refusal);
      }
      const known = toRunError(error, signal);
      if (known === undefined || !mayRepeat(known, attempt)) return unfinished(known);
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

/** What a job that ended with this error has come to. */
function failedState({ kind, facts }: EvolinkError): JobState {
  if (kind === 'unknown') return 'uncertain';
  if (kind === 'expired') return 'expired';
  if (kind === 'download') return 'completed';
  return facts.serviceCode === 'request_cancelled' ? 'cancelled' : 'failed';
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

/**
 * Does what is left of the jobs whose clips are there: copies or moves them to their names, and closes the records of
 * processes that died. Everything that is in the way, or wanted elsewhere, is moved aside before anything takes its name, so
 * that swaps and circles come out right. Never throws for a job.
 */
async function finishSettled(
  jobs: readonly PlannedJob[],
  options: Pick<ExecuteOptions, 'journal' | 'clock'>,
): Promise<ReadonlyMap<PlannedJob, JobReport>> {
  const reports = new Map<PlannedJob, JobReport>();
  const attempt = async (job: PlannedJob, step: () => Promise<void>): Promise<void> => {
    try {
      await step();
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
      });
  for (const job of jobs)
    if (isSettled(job) && !reports.has(job))
      await attempt(job, async () => void reports.set(job, await finishOne(job, movedTo, options)));
  return reports;
}

async function finishOne(
  job: PlannedJob,
  movedTo: ReadonlyMap<string, string>,
  { journal, clock }: Pick<ExecuteOptions, 'journal' | 'clock'>,
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
    const { size_bytes: sizeBytes, sha256 } = clip.file;
    const saved = [{ path: outputPath, sizeBytes, sha256, atMs: clock.now() }];
    await journal.update(record.localId, { state: 'saved', saved });
  }
  return toJobReport(job, { state: 'up_to_date' });
}

/** Moves the file that is in the way of a job to its free name, with its sidecar; says where it is now. */
async function moveAside({ movedAside, outputPath }: PlannedJob): Promise<string | undefined> {
  if (movedAside === undefined) return undefined;
  if ((await inspectOutput(outputPath)).kind === 'absent') return undefined;
  await moveClip(outputPath, movedAside.keptAs);
  return movedAside.keptAs;
}
