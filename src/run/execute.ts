import PQueue from 'p-queue';
import { bugError, EvolinkError, isEvolinkError } from '../errors.ts';
import { createKeyedTurns } from '../platform/lock.ts';
import { quoteCommand } from '../platform/text.ts';
import type { JobReport, RunReport } from '../report/run-report.ts';
import type { JobState } from '../report/states.ts';
import type { GenerateDependencies, TaskEvent, TaskResult } from '../task/events.ts';
import { isWorthRepeating } from '../task/failures.ts';
import { closeUnsent, generate } from '../task/generate.ts';
import { isUncertain, requestIdentity, taskFacts } from '../task/record.ts';
import { type CountedTask, createBudget } from './budget.ts';
import { copyClip, inspectOutput, moveClip } from './clips.ts';
import type { Job } from './job.ts';
import { toJobError, toJobReport } from './job-report.ts';
import { createSubmitTurns, initialLimit, nextLimit, type SubmitSignal } from './pace.ts';

/** What happens in a run, in the order in which it happens. Reporters turn these into text. */
export type RunEvent =
  | {
      readonly kind: 'run-planned';
      readonly report: RunReport;
      readonly toRun: number;
      readonly fromProject: readonly string[];
    }
  | { readonly kind: 'job-started'; readonly job: string; readonly expectedSeconds: number }
  /** What happens to the task of a job. */
  | { readonly kind: 'task'; readonly job: string; readonly event: TaskEvent }
  | { readonly kind: 'job-ended'; readonly report: JobReport }
  /** Tasks that may run at the same time from now on. */
  | { readonly kind: 'concurrency'; readonly limit: number }
  /** No further request is sent. */
  | { readonly kind: 'run-stopping'; readonly reason: string };

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
  readonly emit: (event: RunEvent) => void;
  /** How an error is shown: with commands that work as they stand. */
  readonly showError: (error: EvolinkError) => EvolinkError;
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
 * @returns the reports in the order of the jobs, and why no further request was sent, where that happened
 */
export async function executePlan(jobs: readonly Job[], options: ExecuteOptions) {
  const reports = await finishSettled(jobs, options);
  for (const report of reports.values()) options.emit({ kind: 'job-ended', report });
  const inOrder = () => jobs.flatMap((job) => reports.get(job) ?? []);
  // What failed before its turn is no longer asked for.
  const left = jobs.filter((job) => !job.isSettled && !reports.has(job));
  if (jobs.every(({ isSettled }) => isSettled)) return { reports: inOrder(), stopError: undefined };

  const sender = createSender(jobs, options, await options.connect());
  const { queue } = sender;
  const works = new PQueue();
  let fault: unknown;
  let downloads = 0;
  /** Resolves when the slot is free for the next task: when only the download is left, or at the end. */
  const start = (job: Job): Promise<void> =>
    new Promise((free) => {
      let isDownloading = false;
      const onCompleted = (): void => {
        if (isDownloading || downloads >= MAX_DOWNLOADS) return;
        downloads += 1;
        isDownloading = true;
        free();
      };
      void works.add(async () => {
        try {
          const report = await runJob(job, sender, onCompleted);
          reports.set(job, report);
          options.emit({ kind: 'job-ended', report });
        } catch (error) {
          fault ??= error;
        }
        if (isDownloading) downloads -= 1;
        free();
      });
    });
  // What is open first: its link lives for a day only.
  for (const isPaid of [false, true])
    for (const job of left.filter((each) => each.isPaid === isPaid)) {
      // One waits for a slot at a time: thousands of waiting promises are memory for nothing.
      await queue.onSizeLessThan(1);
      void queue.add(() => start(job));
    }
  await queue.onIdle();
  await works.onIdle();
  if (fault !== undefined) throw fault;
  return { reports: inOrder(), stopError: sender.stopError() };
}

/** What the jobs of one run share: the service, the budget, the pace, and why sending has stopped, if so. */
function createSender(jobs: readonly Job[], options: ExecuteOptions, deps: GenerateDependencies) {
  const { emit, concurrency } = options;
  const turns = createSubmitTurns(deps.clock);
  const queue = new PQueue({ concurrency });
  const planned = new Set(jobs.map(({ record }) => record?.localId));
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
    budget: createBudget(options.budgetCredits),
    turns,
    queue,
    /** Jobs whose requests share a lock. */
    inTurn: createKeyedTurns(),
    /** Says whether a record is that of a job of this plan. */
    isPlanned: (localId: string) => planned.has(localId),
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

const unsent = (kind: 'credits' | 'pending', reason: string): EvolinkError =>
  new EvolinkError(kind, `not sent: ${reason}`, { charged: 'no' });
const outOfBudget = () => unsent('credits', 'the budget of the run is used up');
const stopped = ({ message }: EvolinkError) => unsent('pending', `the run had stopped sending (${message})`);

/**
 * One job from its turn to its end. Never throws for what can happen to a job.
 * @param onCompleted called when only the download is left
 */
async function runJob(
  job: Job,
  sender: ReturnType<typeof createSender>,
  onCompleted: () => void,
): Promise<JobReport> {
  const { options, deps, budget } = sender;
  const { emit, signal, retryFailed, showError } = options;
  const { name } = job.entry;
  const { isPaid, mostCredits } = job;
  const warnings: string[] = [];
  const startedMs = deps.clock.monotonicMs();
  let record = job.record;
  let isAccepted = false;
  /** How its task counts in the budget. */
  let counted: CountedTask | undefined;
  /** Why the request was not sent although it was its turn. */
  let refusal: EvolinkError | undefined;

  const errorOf = (error: EvolinkError) => toJobError(showError(error));
  const notSent = (error: EvolinkError): JobReport =>
    toJobReport(job, 'not_sent', { error: { ...errorOf(error), code: 'not-sent' } });
  const ended = (state: JobState, ending: object): JobReport =>
    toJobReport(job, state, { durationMs: deps.clock.monotonicMs() - startedMs, warnings, ...ending });
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
    counted = reason === undefined ? budget.send(name, mostCredits) : undefined;
    if (counted !== undefined) return end;
    end();
    refusal = reason === undefined ? outOfBudget() : stopped(reason);
    sender.stopSending(refusal);
    throw refusal;
  }

  async function once(isFirst: boolean): Promise<TaskResult> {
    const { taskId, earlier } = isFirst && job.action === 'restore' ? (job.restore ?? {}) : {};
    if (job.movedAside?.wantedAt === undefined) await moveAside(job);
    return generate({ ...deps, emit: hear, takeSubmitTurn: acquireTurn }, job, {
      output: job.output,
      hasSidecar: true,
      isWaiting: true,
      jobName: name,
      attachTo: isFirst && job.record?.state !== 'intent' ? job.record : undefined,
      restore: taskId === undefined ? undefined : { taskId, earlier },
      isTaken: (localId) => localId !== job.record?.localId && sender.isPlanned(localId),
      waitTimeoutMs: options.waitTimeoutMs,
      signal,
      onRecord: (next) => {
        record = next;
      },
    });
  }

  /** A new try is a new paid task: only when asked for, only where it may help, only inside of the budget. */
  function mayRepeat({ kind, facts, message }: EvolinkError, attempt: number): boolean {
    const { serviceCode = '', taskId } = facts;
    if (kind !== 'task-failed' || taskId === undefined) return false;
    if (CAPACITY_CODES.includes(serviceCode)) sender.onCapacity();
    if (attempt > retryFailed || !isWorthRepeating(facts.serviceCode) || signal.aborted) return false;
    // The failed task stays counted: a refund gives nothing back within the run.
    counted = undefined;
    isAccepted = false;
    const hasStopped = sender.stopError() !== undefined;
    const mayResubmit = !hasStopped && budget.promise(name, mostCredits);
    const reason = hasStopped ? 'the run has stopped sending' : 'the budget of the run is used up';
    const note = mayResubmit
      ? `${message}; resubmitted (${attempt} of ${retryFailed} times)`
      : `not resubmitted: ${reason}`;
    hear({ kind: 'warning', code: 'retry-failed', message: note });
    return mayResubmit;
  }

  if (signal.aborted) return notSent(unsent('pending', 'the run was stopped before this job'));
  // Nothing is promised that the budget does not hold, and nothing is sent once sending has stopped.
  const stop = sender.stopError();
  if (isPaid && stop !== undefined) return notSent(stopped(stop));
  if (isPaid && !budget.promise(name, mostCredits)) {
    sender.stopSending(outOfBudget());
    return notSent(outOfBudget());
  }
  const lost = lostClip(job);
  if (lost !== undefined) return toJobReport(job, 'failed', { error: errorOf(lost) });
  const expectedSeconds = EXPECTED_SECONDS[job.request.tier ?? ''] ?? UNKNOWN_SECONDS;
  emit({ kind: 'job-started', job: name, expectedSeconds });
  // A clip that is only downloaded again was paid for before this run.
  if (job.attachedCredits !== undefined) counted = budget.attach(job.attachedCredits);
  const identity = job.record?.identity ?? requestIdentity(job, deps.service);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const turn = sender.inTurn(identity, () => once(attempt === 1));
      const result = await turn.finally(() => budget.release(name));
      counted?.charged(result.credits.used ?? undefined);
      warnings.push(...result.warnings);
      return ended('saved', { task: result });
    } catch (error) {
      const isStopped = signal.aborted && error === signal.reason;
      const known = isEvolinkError(error) ? error : isStopped ? undefined : bugError(error);
      if (known?.facts.charged === 'no' && !isAccepted) counted?.rejected();
      if (refusal !== undefined) {
        // A request that was ready and will not be sent is not pending.
        if (record?.state === 'intent') await closeUnsent(deps, record).catch(() => undefined);
        return notSent(refusal);
      }
      if (known !== undefined && mayRepeat(known, attempt)) continue;
      const task = record && taskFacts(record);
      const hasTask = record?.taskId !== undefined;
      // A stop is no failure of the job: what was sent goes on, what was not is left for the next run.
      if (known === undefined) return ended(hasTask ? 'running' : 'not_sent', { task });
      sender.noteFailure(known, isAccepted || hasTask);
      const state = hasTask && known.kind === 'pending' ? 'running' : failedState(known);
      return ended(state, { task, error: errorOf(known) });
    }
  }
}

/** What clips were seen to take, by tier: for shares and expected ends, not for promises. */
const EXPECTED_SECONDS: Readonly<Record<string, number>> = { mini: 110, fast: 115, standard: 160 };
const UNKNOWN_SECONDS = 180;

/** What can't be downloaded again is submitted again only by a person who says so, where a file lies in its place. */
function lostClip({ action, restore, outputPath, entry }: Job): EvolinkError | undefined {
  if (action !== 'restore' || restore?.taskId !== undefined) return undefined;
  const command = quoteCommand(['evolink', 'run', entry.file, '--force', '--only', entry.name]);
  return new EvolinkError(
    'local-io',
    `"${outputPath}" was changed after it was made, and the service does not have it any more; to make the clip again: ${command}`,
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

/**
 * Does what is left of the jobs whose clips are there: copies them to their names, and closes the records of processes that
 * died. Everything that is in the way, or wanted elsewhere, is moved aside before anything takes its name, so that swaps and
 * circles come out right. Never throws for a job.
 */
async function finishSettled(jobs: readonly Job[], { journal, clock }: ExecuteOptions) {
  const reports = new Map<Job, JobReport>();
  const attempt = async (job: Job, step: () => Promise<void>): Promise<void> => {
    try {
      await step();
    } catch (error) {
      if (!isEvolinkError(error)) throw error;
      reports.set(job, toJobReport(job, 'failed', { error: toJobError(error) }));
    }
  };
  /** Where the clips that other jobs want lie by now. */
  const movedTo = new Map<string, string>();
  for (const job of jobs)
    if (job.movedAside?.wantedAt !== undefined || job.action === 'copied')
      await attempt(job, async () => {
        const { keptAs, wantedAt } = job.movedAside ?? {};
        if ((await moveAside(job)) && keptAs && wantedAt) movedTo.set(wantedAt, keptAs);
      });
  for (const job of jobs) {
    if (!job.isSettled || reports.has(job)) continue;
    await attempt(job, async () => {
      const { movedFrom, outputPath, record, clip } = job;
      if (movedFrom !== undefined) {
        const aside = movedTo.get(movedFrom);
        await (aside === undefined ? copyClip(movedFrom, outputPath) : moveClip(aside, outputPath));
        const state = await inspectOutput(outputPath);
        job.clip = state.kind === 'ours' ? state.clip : undefined;
      } else if (record?.state === 'completed' && clip !== undefined) {
        const { size_bytes: sizeBytes, sha256 } = clip.file;
        const saved = [{ path: outputPath, sizeBytes, sha256, atMs: clock.now() }];
        await journal.update(record.localId, { state: 'saved', saved });
      }
      reports.set(job, toJobReport(job, job.action === 'copied' ? 'copied' : 'up_to_date'));
    });
  }
  return reports;
}

/** Moves the file that is in the way of a job to its free name, with its sidecar; says whether there was one. */
async function moveAside({ movedAside, outputPath }: Job): Promise<boolean> {
  if (movedAside === undefined || (await inspectOutput(outputPath)).kind === 'absent') return false;
  await moveClip(outputPath, movedAside.keptAs);
  return true;
}
