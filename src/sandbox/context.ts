import { request as requestHttp } from 'node:http';
import { join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import { parseUrl } from '../platform/text.ts';
import { createClipStore, type VideoMaker } from './clip-store.ts';
import { createSeededRandom, createServerClock } from './clock.ts';
import { createFaultQueue, parseFaults } from './fault-plan.ts';
import { createFileBook } from './files.ts';
import { addressKind } from './http.ts';
import { createLedger } from './ledger.ts';
import { createTaskBook, type SandboxTask, toTaskObject } from './tasks.ts';

export interface SandboxOptions {
  /** Port of the API; 0 or absent = any free one. */
  readonly port?: number | undefined;
  /** How many times faster than the service tasks end; 60 by default. */
  readonly speed?: number | undefined;
  readonly faults?: string | undefined;
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
  /** Real clips by default. */
  readonly videoMaker?: VideoMaker | undefined;
  /** One line a request. */
  readonly log?: ((line: string) => void) | undefined;
}

/** The encoders weigh more than all the rest: a sandbox that makes no clip never loads them. */
const makeRealVideo: VideoMaker = async (spec) => (await import('./video/make-video.ts')).makeVideo(spec);

export type SandboxContext = ReturnType<typeof createContext>;

/**
 * Builds everything that both servers share.
 * @param signal aborted when the sandbox closes
 * @param linkUrl known only once the link server listens
 * @throws EvolinkError `usage` for faults that cannot be read
 */
export function createContext(options: SandboxOptions, signal: AbortSignal, linkUrl: () => string) {
  const {
    stateFolder,
    speed = 60,
    startingCredits = 1000,
    hasIdempotency = true,
    hasTaskList = true,
    apiKeys,
  } = options;
  const clock = createServerClock(options.clock);
  const random = createSeededRandom(options.seed ?? Math.floor(options.clock.random() * 2 ** 32));
  const { letters } = random;
  const faults = createFaultQueue();
  const addFaults = (plan: string): void => {
    const parsed = parseFaults(plan);
    // A skewed clock is a state and not an event: it holds from now on.
    for (const { kind, amount } of parsed) if (kind === 'date-skew') clock.move((amount ?? 0) * 1000);
    faults.add(parsed.filter((fault) => fault.kind !== 'date-skew'));
  };
  addFaults(options.faults ?? '');
  const clips = stateFolder && join(stateFolder, 'clips');
  const findClip = createClipStore(options.videoMaker ?? makeRealVideo, clips);
  const toObject = (task: SandboxTask) => toTaskObject(task, clock.now(), linkUrl());
  const onEnd = (task: SandboxTask) => void callBack(task).catch(() => {});
  const tasks = createTaskBook(clock, letters, stateFolder, findClip, onEnd);
  const ledger = createLedger(clock.now, () => [...tasks.all()].reverse(), options.log);

  /** POSTs the task object to its callback address, up to four times, until a 2xx answers; only ever to this machine. */
  async function callBack(task: SandboxTask): Promise<void> {
    const { id: taskId, callbackUrl: url = '' } = task;
    const address = parseUrl(url);
    if (address === undefined || addressKind(address) !== 'loopback') return;
    const payload = JSON.stringify(toObject(task));
    for (const [index, delayMs] of RETRY_DELAYS_MS.entries()) {
      if (delayMs > 0) await clock.sleep(delayMs, signal);
      const status = await post(address, payload, signal);
      ledger.callbacks.push({ taskId, url, atMs: clock.now(), attempt: index + 1, status });
      if (status?.toString().startsWith('2') || signal.aborted) return;
    }
  }

  return {
    rules: { speed, startingCredits, hasIdempotency, hasTaskList, apiKeys },
    clock,
    random,
    faults,
    addFaults,
    ledger,
    tasks,
    findClip,
    files: createFileBook(clock, letters, stateFolder, linkUrl),
    signal,
    linkUrl,
    toObject,
    /** Moves the server's own time: tasks end, links expire. */
    advanceClock: (durationMs: number): void => {
      clock.move(durationMs);
      tasks.all();
    },
  };
}

const CALLBACK_TIMEOUT_MS = 10_000;
/** Waits before each try. */
const RETRY_DELAYS_MS = [0, 1000, 2000, 4000];

/** One POST; `undefined` when no answer came within the timeout. */
function post(target: URL, payload: string, stop: AbortSignal): Promise<number | undefined> {
  // A name such as x.localhost must not be looked up: what is called is this machine.
  if (/[a-z]/i.test(target.hostname) && !target.hostname.startsWith('[')) target.hostname = 'localhost';
  const signal = AbortSignal.any([stop, AbortSignal.timeout(CALLBACK_TIMEOUT_MS)]);
  const headers = { 'content-type': 'application/json' };
  return new Promise((resolve) => {
    const request = requestHttp(target, { method: 'POST', headers, signal, agent: false });
    request.on('response', (response) => resolve(response.resume().statusCode));
    request.on('error', () => resolve(undefined));
    request.end(payload);
  });
}
