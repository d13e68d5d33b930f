import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import { createClipStore, type VideoMaker } from './clip-store.ts';
import { createSeededRandom, createServerClock, type ServerClock } from './clock.ts';
import { createFaultQueue, parseFaults } from './fault-plan.ts';
import type { FaultPlan } from './fault-table.ts';
import { createFileBook } from './files.ts';
import { addressKind } from './http.ts';
import { type CallbackAttempt, createLedger, type Ledger } from './ledger.ts';
import { createTaskBook, resultLinks, type SandboxTask, type TaskObject, toTaskObject } from './tasks.ts';

export interface SandboxOptions {
  /** Port of the API; 0 or absent = any free one. */
  readonly port?: number | undefined;
  /** A loopback address, `127.0.0.1` by default. */
  readonly host?: string | undefined;
  /** How many times faster than the service tasks end; 60 by default. */
  readonly speed?: number | undefined;
  readonly faults?: FaultPlan | undefined;
  readonly clock: Clock;
  /** The same seed gives the same ids and times. */
  readonly seed?: number | undefined;
  /** 1000 by default. */
  readonly startingCredits?: number | undefined;
  /** The keys that are good; any well-formed one by default. */
  readonly apiKeys?: readonly string[] | undefined;
  /** Whether Idempotency-Key is honoured; true by default. */
  readonly hasIdempotency?: boolean | undefined;
  /** Whether `GET /v1/tasks` exists; true by default. */
  readonly hasTaskList?: boolean | undefined;
  /** Keeps tasks, uploads and clips beyond this process. */
  readonly stateFolder?: string | undefined;
  /** `shared` makes one clip a size, length and sound; quicker than one a task, the default. */
  readonly clip?: 'per-task' | 'shared' | undefined;
  /** Real clips by default. */
  readonly videoMaker?: VideoMaker | undefined;

  /** One line a request. */
  readonly log?: ((line: string) => void) | undefined;
}

/** The encoders weigh more than all the rest: a sandbox that makes no clip never loads them. */
const makeRealVideo: VideoMaker = async (spec) => (await import('./video/make-video.ts')).makeVideo(spec);

const DAY_MS = 24 * 3_600_000;

export type SandboxContext = ReturnType<typeof createContext>;

/**
 * Builds everything that both servers share.
 * @param linkUrl known only once the link server listens
 * @throws EvolinkError `usage` for faults that cannot be read
 */
export function createContext(options: SandboxOptions, signal: AbortSignal, linkUrl: () => string) {
  const { speed = 60, startingCredits = 1000, apiKeys, hasIdempotency = true, hasTaskList = true } = options;
  const { clip = 'per-task', stateFolder } = options;
  const clock = createServerClock(options.clock);
  const random = createSeededRandom(options.seed ?? Math.floor(options.clock.random() * 2 ** 32));
  const faults = createFaultQueue();
  const addFaults = (plan: FaultPlan): void => {
    const parsed = parseFaults(plan);
    // A skewed clock is a state and not an event: it holds from now on.
    for (const { kind, amount } of parsed) if (kind === 'date-skew') clock.move((amount ?? 0) * 1000);
    faults.add(parsed.filter((fault) => fault.kind !== 'date-skew'));
  };
  addFaults(options.faults ?? []);

  const linksOf = (task: SandboxTask): readonly string[] => resultLinks(task, linkUrl(), DAY_MS);
  const onEnd = (task: SandboxTask): void => {
    if (task.callbackUrl === undefined) return;
    const payload = toTaskObject(task, clock.now(), linksOf);
    void callBack(task.callbackUrl, payload, { clock, ledger, signal });
  };
  const folder = stateFolder === undefined ? undefined : join(stateFolder, 'clips');
  const clips = createClipStore({ videoMaker: options.videoMaker ?? makeRealVideo, folder });
  const { letters } = random;
  const tasks = createTaskBook({ clock, letters, clips, faults, stateFolder, onEnd });
  const ledger: Ledger = createLedger({
    now: clock.now,
    log: options.log,
    tasks: () => [...tasks.all()].reverse(),
  });
  return {
    rules: { speed, startingCredits, apiKeys, hasIdempotency, hasTaskList, clip },
    clock,
    random,
    faults,
    addFaults,
    ledger,
    tasks,
    clips,
    files: createFileBook({ clock, letters, stateFolder, linkUrl }),
    /** Aborted when the sandbox closes. */
    signal,
    linkUrl,
    linksOf,
    /** Moves the server's own time: tasks end, links expire. */
    advanceClock: (durationMs: number): void => {
      clock.move(durationMs);
      tasks.all();
    },
  };
}

type CallbackTools = { readonly clock: ServerClock; readonly ledger: Ledger; readonly signal: AbortSignal };

const CALLBACK_TIMEOUT_MS = 10_000;
/** Waits before the second, third and fourth try. */
const RETRY_DELAYS_MS = [1000, 2000, 4000];

/**
 * POSTs the task object to its callback address, up to four times, until a 2xx answers. Only loopback addresses are ever
 * called; any other is noted as skipped. Never throws.
 */
async function callBack(
  url: string,
  payload: TaskObject,
  { clock, ledger, signal }: CallbackTools,
): Promise<void> {
  const { id: taskId } = payload;
  const note = (attempt: number, outcome: CallbackAttempt['outcome'], status?: number): void =>
    ledger.logCallback({ taskId, url, atMs: clock.now(), attempt, outcome, status });
  if (addressKind(new URL(url)) !== 'loopback') return note(1, 'skipped');
  for (const [index, delayMs] of [...RETRY_DELAYS_MS, undefined].entries()) {
    const status = await post(url, payload, signal);
    const isDelivered = status !== undefined && status >= 200 && status < 300;
    note(index + 1, isDelivered ? 'delivered' : status === undefined ? 'failed' : 'refused', status);
    if (isDelivered || delayMs === undefined || signal.aborted) return;
    await clock.sleep(delayMs, signal).catch(() => {});
    if (signal.aborted) return;
  }
}

/** One POST; `undefined` when no answer came within the timeout. */
function post(url: string, payload: unknown, stop: AbortSignal): Promise<number | undefined> {
  const target = new URL(url);
  // A name such as x.localhost must not be looked up: what is called is this machine.
  if (/[a-z]/i.test(target.hostname) && !target.hostname.startsWith('[')) target.hostname = 'localhost';
  const send = target.protocol === 'https:' ? requestHttps : requestHttp;
  const signal = AbortSignal.any([stop, AbortSignal.timeout(CALLBACK_TIMEOUT_MS)]);
  const headers = { 'content-type': 'application/json' };
  return new Promise((resolve) => {
    const request = send(target, { method: 'POST', headers, signal, agent: false });
    request.on('response', (response) => resolve(response.resume().statusCode));
    request.on('error', () => resolve(undefined));
    request.end(JSON.stringify(payload));
  });
}
