import {
  type DownloadEvent,
  type DownloadLimits,
  type FreshLink,
  type LinkClient,
  LinkFailure,
  type LinkJob,
  type LinkResponse,
  type SavedFile,
} from '../config/output-pattern.ts';
import type { EvolinkError } from '../errors.ts';
import { backoffDelayMs, type Clock } from '../platform/clock.ts';
import { formatBytes } from '../platform/text.ts';
import { type DownloadFailure, InvalidVideoError, resultGone } from './errors.ts';
import { decideResponse, type Source } from './response.ts';

/** Where the bytes of a clip go: a file that can be begun anew, or a stream that can't once bytes went out. */
export interface Sink {
  /** Bytes that are here, so that a continuation starts behind them. */
  sizeBytes(): number;
  source(): Source;
  isWhole(): boolean;
  /** Drops what is here: the whole comes, from its first byte. @throws EvolinkError where it can't */
  startOver(source: Source): Promise<void>;
  /** Takes the bytes; where it returns a promise, that is waited for. @throws InvalidVideoError; its own errors */
  write(chunk: Uint8Array): Promise<void> | undefined;
  /** Resolves when all that was taken has arrived. @throws as `write` */
  flush(): Promise<void>;
  /** What is here is none of the clip. @throws EvolinkError where it can't be taken back */
  distrust(reason: string): Promise<void>;
  /** The clip is larger than allowed: nothing of it is kept. */
  discard(): Promise<void>;
  /** The clip is to be fetched from another address from now on. */
  changeLink(link: string): Promise<void>;
  /** Everything is here. @throws InvalidVideoError where another download may be better */
  finish(): Promise<SavedFile>;
  failure(reason: string, more?: Omit<DownloadFailure, 'part'>): EvolinkError;
}

export interface DownloadDependencies {
  readonly client: LinkClient;
  readonly clock: Clock;
  readonly emit: (event: DownloadEvent) => void;
}

/** What one request came to. */
type AttemptEnd =
  | { readonly kind: 'whole' }
  /** The host sent a shorter range than asked for, in full: ask for the rest. */
  | { readonly kind: 'more' }
  | {
      readonly kind: 'retry';
      readonly reason: string;
      readonly retryAfterMs?: number | undefined;
      /** Too slow: what came does not count as progress. */
      readonly isSlow?: boolean;
      /** What is here was dropped: the whole is asked for at once, the first time. */
      readonly isFromStart?: boolean;
    }
  | { readonly kind: 'expired'; readonly reason: string };

/** Less than this is no progress: a host that gives a few bytes a connection would be asked for ever. */
const PROGRESS_BYTES = 16 * 1024;
/** Ten a second, and the last one. */
const REPORT_INTERVAL_MS = 100;

interface Fetch {
  readonly deps: DownloadDependencies;
  readonly job: LinkJob;
  readonly sink: Sink;
  link: FreshLink;
  /** Failures in a row without progress beyond `bestBytes`. */
  failures: number;
  bestBytes: number;
  hasRestarted: boolean;
  hasRefreshed: boolean;
}

/**
 * Fetches one clip into a sink: continues under a strong validator, repeats what may pass by itself, asks for a fresh link
 * when the link is dead, until the sink calls it finished or there is no point in another attempt.
 * @throws EvolinkError `download` (9), `expired` (10); what the sink and `refreshLink` throw; the signal's reason
 */
export async function fetchLink(deps: DownloadDependencies, job: LinkJob, sink: Sink): Promise<SavedFile> {
  const link = { link: job.link, linkExpiresAtMs: job.linkExpiresAtMs };
  const counts = { failures: 0, bestBytes: 0, hasRestarted: false, hasRefreshed: false };
  const state: Fetch = { deps, job, sink, link, ...counts };
  for (;;) {
    job.signal.throwIfAborted();
    const end: AttemptEnd = sink.isWhole() ? { kind: 'whole' } : await attempt(state);
    if (end.kind !== 'retry' || end.isSlow !== true) noteProgress(state);
    if (end.kind === 'whole') {
      const saved = await finish(state);
      if (saved !== undefined) return saved;
    } else if (end.kind === 'expired') await refresh(state, end.reason);
    else if (end.kind === 'retry') {
      const isFirstRestart = end.isFromStart === true && !state.hasRestarted;
      state.hasRestarted ||= isFirstRestart;
      if (!isFirstRestart) await waitForNext(state, end.reason, end.retryAfterMs);
    }
  }
}

function noteProgress(state: Fetch): void {
  const sizeBytes = state.sink.sizeBytes();
  if (sizeBytes - state.bestBytes >= PROGRESS_BYTES) state.failures = 0;
  state.bestBytes = Math.max(state.bestBytes, sizeBytes);
}

/** The saved file, or `undefined` when what came is no video and another attempt is due. */
async function finish(state: Fetch): Promise<SavedFile | undefined> {
  try {
    return await state.sink.finish();
  } catch (error) {
    if (!(error instanceof InvalidVideoError)) throw error;
    await state.sink.distrust(error.message);
    // A dead link may answer with a page and status 200.
    if (error.isPage) await refresh(state, error.message);
    else await waitForNext(state, error.message);
    return undefined;
  }
}

/** Asks the service for a fresh link: at once the first time, then as often as the attempts allow. */
async function refresh(state: Fetch, reason: string): Promise<void> {
  const { deps, job, link, sink } = state;
  const gone = (why: string) => {
    const facts = { expiredAtMs: state.link.linkExpiresAtMs, nowMs: deps.clock.now() };
    return resultGone(job, { reason: why, ...facts });
  };
  const fresh = await job.refreshLink();
  if (fresh === 'gone') throw gone(`${reason}, and the service has no link for it any more`);
  const isOther = fresh.link !== link.link;
  const isFirst = isOther && !state.hasRefreshed;
  state.hasRefreshed = true;
  state.link = {
    link: fresh.link,
    linkExpiresAtMs: fresh.linkExpiresAtMs ?? (isOther ? undefined : link.linkExpiresAtMs),
  };
  if (isOther) await sink.changeLink(fresh.link);
  if (isFirst) return;
  try {
    await waitForNext(state, reason);
  } catch (error) {
    const isOver = (state.link.linkExpiresAtMs ?? Number.POSITIVE_INFINITY) <= deps.clock.now();
    throw isOver && !job.signal.aborted ? gone(reason) : error;
  }
}

/** Counts failures without progress, and spaces the attempts: full jitter, at most 30 s, never less than the host asks for. */
async function waitForNext(state: Fetch, reason: string, retryAfterMs?: number): Promise<void> {
  const { deps, job, sink } = state;
  const { maxAttempts, deadlineAtMs } = job.limits;
  state.failures += 1;
  if (state.failures >= maxAttempts)
    throw sink.failure(`${reason} (${maxAttempts} attempts without progress)`);
  const nowMs = deps.clock.now();
  // An end that has passed already binds nothing: the link may be valid for longer than was said.
  const ends = [state.link.linkExpiresAtMs, deadlineAtMs].filter((at) => at !== undefined && at > nowMs);
  const budgetMs = Math.min(...ends.map((at) => (at ?? 0) - nowMs));
  const delayMs = backoffDelayMs(state.failures, deps.clock.random(), { retryAfterMs, budgetMs });
  if (delayMs === undefined) throw sink.failure(`${reason} (waiting longer would outlast the time there is)`);
  deps.emit({ kind: 'download-retry', taskId: job.taskId, reason, delayMs });
  await deps.clock.sleep(delayMs, job.signal);
}

/** One request, passed to the sink as far as it comes. */
async function attempt(state: Fetch): Promise<AttemptEnd> {
  const { deps, job, sink } = state;
  const { validator, totalBytes } = sink.source();
  const offsetBytes = validator === undefined ? 0 : sink.sizeBytes();
  const range = offsetBytes > 0 ? { range: `bytes=${offsetBytes}-`, ifRange: validator } : {};
  let response: LinkResponse | undefined;
  try {
    response = await deps.client.open(state.link.link, { ...range, signal: job.signal });
    const action = decideResponse({ offsetBytes, validator, totalBytes }, response, deps.clock.now());
    switch (action.kind) {
      case 'append':
        return await receive(state, response.body, action);
      case 'whole':
        await startOver(state, action, action.reason);
        return await receive(state, response.body, { ...action, lengthBytes: action.totalBytes });
      case 'complete':
        return { kind: 'whole' };
      case 'ask-again':
        await sink.distrust(action.reason);
        deps.emit({ kind: 'download-restarted', taskId: job.taskId, reason: action.reason });
        return { kind: 'retry', reason: action.reason, isFromStart: true };
      case 'fail':
        throw sink.failure(action.reason, { isRetryable: false });
      default:
        return action;
    }
  } catch (error) {
    job.signal.throwIfAborted();
    return await afterFailure(state, error);
  } finally {
    response?.close();
  }
}

async function afterFailure({ sink }: Fetch, error: unknown): Promise<AttemptEnd> {
  if (error instanceof InvalidVideoError) {
    await sink.distrust(error.message);
    return { kind: error.isPage ? 'expired' : 'retry', reason: error.message };
  }
  if (!(error instanceof LinkFailure)) throw error;
  const { message: reason, reason: obstacle, isTransient } = error;
  // More than was announced: none of it can be believed.
  if (obstacle === 'surplus') await sink.distrust(reason);
  if (!isTransient) throw sink.failure(reason, { isRetryable: false, obstacle });
  return { kind: 'retry', reason };
}

async function startOver({ deps, job, sink }: Fetch, source: Source, why: string | undefined) {
  const { validator, totalBytes } = source;
  if ((totalBytes ?? 0) > job.limits.maxSizeBytes) throw tooLarge(job, sink);
  const reason =
    why ?? (sink.sizeBytes() > 0 ? 'the host gave nothing to recognise the version by' : undefined);
  if (reason !== undefined) deps.emit({ kind: 'download-restarted', taskId: job.taskId, reason });
  await sink.startOver({ validator, totalBytes });
}

function tooLarge({ limits }: LinkJob, sink: Sink): EvolinkError {
  const reason = `the file is larger than ${formatBytes(limits.maxSizeBytes)}, the largest size allowed`;
  return sink.failure(reason, { isRetryable: false, obstacle: 'too-large' });
}

/** Lengths of a body and of the whole clip; absent when the host did not say. */
interface Lengths {
  readonly lengthBytes?: number | undefined;
  readonly totalBytes?: number | undefined;
}

/** Passes one body on, a chunk at a time: memory does not grow with the file. */
async function receive(
  { deps, job, sink }: Fetch,
  body: AsyncIterable<Uint8Array>,
  { lengthBytes, totalBytes }: Lengths,
): Promise<AttemptEnd> {
  const { taskId, limits } = job;
  const startBytes = sink.sizeBytes();
  const wantedBytes = lengthBytes === undefined ? Number.POSITIVE_INFINITY : startBytes + lengthBytes;
  const watch = createSpeedWatch(limits);
  const iterator = body[Symbol.asyncIterator]();
  let receivedBytes = startBytes;
  let reportedAtMs = Number.NEGATIVE_INFINITY;
  const report = () => {
    reportedAtMs = deps.clock.monotonicMs();
    deps.emit({ kind: 'bytes', taskId, totalBytes, receivedBytes });
  };
  deps.emit({ kind: 'download-started', taskId, totalBytes, resumedFromBytes: startBytes });
  try {
    for (;;) {
      const chunk = await nextChunk(iterator, watch, deps.clock);
      if (chunk === undefined) break;
      receivedBytes += chunk.byteLength;
      if (receivedBytes > wantedBytes)
        throw new LinkFailure('surplus', 'the host sent more bytes than it had announced', true);
      if (receivedBytes > limits.maxSizeBytes) {
        await sink.discard();
        throw tooLarge(job, sink);
      }
      const room = sink.write(chunk);
      if (room !== undefined) await room;
      if (deps.clock.monotonicMs() - reportedAtMs >= REPORT_INTERVAL_MS) report();
      const reason = watch.verdict();
      if (reason !== undefined) return { kind: 'retry', reason, isSlow: true };
    }
  } catch (error) {
    if (error === TOO_SLOW) return { kind: 'retry', reason: watch.verdict() ?? '', isSlow: true };
    throw error;
  } finally {
    // What can't be written must end the download here, not look like trouble of the network.
    await sink.flush();
  }
  report();
  if (lengthBytes !== undefined && receivedBytes < wantedBytes) {
    const came = receivedBytes - startBytes;
    return { kind: 'retry', reason: `the connection ended after ${came} of ${lengthBytes} bytes` };
  }
  return { kind: totalBytes === undefined || receivedBytes === totalBytes ? 'whole' : 'more' };
}

const TOO_SLOW = Symbol('too slow');

/** The next chunk; `undefined` at the end. @throws TOO_SLOW, where the read is left behind; what the body throws */
async function nextChunk(
  iterator: AsyncIterator<Uint8Array>,
  watch: SpeedWatch,
  clock: Clock,
): Promise<Uint8Array | undefined> {
  const next = iterator.next();
  for (;;) {
    const sinceMs = clock.monotonicMs();
    const result = await within(next, watch.nextLookMs(), clock);
    const chunk = result === undefined || result.done === true ? undefined : result.value;
    watch.note(clock.monotonicMs() - sinceMs, chunk?.byteLength ?? 0);
    if (result !== undefined) return chunk;
    if (watch.verdict() === undefined) continue;
    next.catch(() => undefined);
    throw TOO_SLOW;
  }
}

/** What a promise comes to, or `undefined` when it takes longer. */
function within<T>(promise: Promise<T>, limitMs: number | undefined, clock: Clock): Promise<T | undefined> {
  if (limitMs === undefined) return promise;
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => resolve(undefined));
    promise.then(resolve, reject).finally(cancel);
  });
}

/** Judges how a body arrives. Only the time spent waiting for the host counts, not that of a slow disk or reader. */
export interface SpeedWatch {
  /** How long the next chunk may be waited for before the watch has to be asked again; `undefined` = as long as it takes. */
  nextLookMs(): number | undefined;
  /** Notes a wait and what it brought. */
  note(waitedMs: number, bytes: number): void;
  /** Why the connection is to be dropped, once there is a reason. */
  verdict(): string | undefined;
}

/** Idle limit and throughput floor of one connection, 0 for none. Pure: time comes in as numbers. */
export function createSpeedWatch(limits: DownloadLimits): SpeedWatch {
  const { minBytesPerSecond, speedWindowMs } = limits;
  const idleLimitMs = limits.idleTimeoutMs > 0 ? limits.idleTimeoutMs : Number.POSITIVE_INFINITY;
  const hasFloor = minBytesPerSecond > 0 && speedWindowMs > 0;
  const windowLimitMs = hasFloor ? speedWindowMs : Number.POSITIVE_INFINITY;
  let idleMs = 0;
  let windowMs = 0;
  let windowBytes = 0;
  let verdict: string | undefined;
  return {
    nextLookMs: () => {
      const lookMs = Math.min(idleLimitMs - idleMs, windowLimitMs - windowMs);
      return Number.isFinite(lookMs) ? Math.max(1, lookMs) : undefined;
    },
    note: (waitedMs, bytes) => {
      idleMs = bytes > 0 ? 0 : idleMs + waitedMs;
      windowMs += waitedMs;
      windowBytes += bytes;
      if (idleMs >= idleLimitMs) verdict ??= `no data for ${toSeconds(idleLimitMs)}`;
      if (windowMs < windowLimitMs) return;
      if (windowBytes * 1000 < minBytesPerSecond * windowMs)
        verdict ??= `slower than ${minBytesPerSecond} bytes a second over ${toSeconds(speedWindowMs)}`;
      windowMs = 0;
      windowBytes = 0;
    },
    verdict: () => verdict,
  };
}

function toSeconds(durationMs: number): string {
  return `${Number((durationMs / 1000).toFixed(1))} s`;
}
