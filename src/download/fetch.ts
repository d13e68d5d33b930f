import { type LinkClient, LinkFailure } from '../api/http-types.ts';
import type { EvolinkError } from '../errors.ts';
import { backoffDelayMs, type Clock } from '../platform/clock.ts';
import { formatBytes } from '../platform/text.ts';
import { Interruption, type Obstacle, resultGone } from './errors.ts';
import { planBody, type Source } from './response.ts';
import type { MediaExpectation, MediaFacts } from './verify.ts';

/** Bounds of one download; 0 switches a bound off where that makes sense. */
export interface DownloadLimits {
  /** No byte for this long: the attempt is dropped, and continued on a new connection. */
  readonly idleTimeoutMs: number;
  /** Slower than this over `SPEED_WINDOW_MS`: as above. */
  readonly minBytesPerSecond: number;
  /** A body that grows past this is stopped in flight. */
  readonly maxSizeBytes: number;
  /** A clip that is whole by its length is saved even if it can't be read as a video. */
  readonly acceptsUnverified?: boolean | undefined;
  /** Wall time, ms since the epoch, beyond which nothing is waited for. */
  readonly deadlineAtMs?: number | undefined;
}

/** What happens while a link is saved: a part of the events of a task. */
export type DownloadEvent = { readonly taskId: string } & (
  | {
      readonly kind: 'download-started';
      readonly totalBytes?: number | undefined;
      readonly resumedFromBytes: number;
    }
  | { readonly kind: 'bytes'; readonly receivedBytes: number; readonly totalBytes?: number | undefined }
  | { readonly kind: 'download-retry'; readonly reason: string; readonly delayMs: number }
  | { readonly kind: 'download-restarted'; readonly reason: string }
);

interface FreshLink {
  readonly link: string;
  readonly linkExpiresAtMs?: number | undefined;
}

/** One result to fetch, wherever it goes. */
export interface LinkJob extends FreshLink {
  readonly taskId: string;
  readonly expectation?: MediaExpectation | undefined;
  /** Asks the service once more; `gone` when it says that the result exists no longer. Its errors end the download. */
  readonly refreshLink: () => Promise<FreshLink | 'gone'>;
  readonly limits: DownloadLimits;
  readonly signal: AbortSignal;
}

export interface SavedFile {
  /** Absolute path; absent when the video went to stdout. */
  readonly path?: string | undefined;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly media?: MediaFacts | undefined;
  readonly warnings: readonly string[];
  /** True when an existing file was kept (`--skip-existing`) and nothing was fetched. */
  readonly isSkipped?: boolean | undefined;
}

export type NamedFile = SavedFile & { readonly path: string };

/** Where the bytes of a clip go: a file that can be begun anew, or a stream that can't once bytes went out. */
export interface Sink {
  /** Bytes that are here, so that a continuation starts behind them. */
  sizeBytes(): number;
  source(): Source;
  /** Drops what is here; what comes next is of this source. @throws EvolinkError where it can't be taken back */
  startOver(source: Source, reason: string): Promise<void>;
  /** Takes the bytes; where it returns a promise, that is waited for. @throws Interruption; its own errors */
  write(chunk: Uint8Array): Promise<void> | undefined;
  /** Resolves when all that was taken has arrived. @throws as `write` */
  flush(): Promise<void>;
  /** The clip is larger than allowed: nothing of it is kept. */
  discard(): Promise<void>;
  /** The clip is to be fetched from another address from now on. */
  changeLink(link: string): Promise<void>;
  /** Everything is here. @throws Interruption where another download may be better */
  finish(): Promise<SavedFile>;
  failure(reason: string, obstacle?: Obstacle): EvolinkError;
}

export interface DownloadDependencies {
  readonly client: LinkClient;
  readonly clock: Clock;
  readonly emit: (event: DownloadEvent) => void;
}

/** Attempts without progress; one that got further starts the count anew. */
const MAX_ATTEMPTS = 5;
/** Less than this is no progress: a host that gives a few bytes a connection would be asked for ever. */
const PROGRESS_BYTES = 16 * 1024;
/** Ten a second, and the last one. */
const REPORT_INTERVAL_MS = 100;
const SPEED_WINDOW_MS = 30_000;

/**
 * Fetches one clip into a sink: continues under a strong validator, repeats what may pass by itself, asks for a fresh link
 * when the link is dead, until the sink calls it finished or there is no point in another attempt.
 * @throws EvolinkError `download` (9), `expired` (10); what the sink and `refreshLink` throw; the signal's reason
 */
export async function fetchLink(deps: DownloadDependencies, job: LinkJob, sink: Sink): Promise<SavedFile> {
  const { clock, emit } = deps;
  const { taskId, signal } = job;
  let { link, linkExpiresAtMs }: FreshLink = job;
  let failures = 0;
  let bestBytes = 0;
  let hasRestarted = false;
  let hasRefreshed = false;

  const gone = (reason: string) =>
    resultGone(taskId, { reason, expiredAtMs: linkExpiresAtMs, nowMs: clock.now() });

  /** Spaces the attempts: full jitter, at most 30 s, never less than the host asks for. */
  const pause = async (reason: string, retryAfterMs?: number) => {
    failures += 1;
    if (failures >= MAX_ATTEMPTS) throw sink.failure(`${reason} (${MAX_ATTEMPTS} attempts without progress)`);
    const nowMs = clock.now();
    // An end that has passed already binds nothing: the link may be valid for longer than was said.
    const ends = [linkExpiresAtMs, job.limits.deadlineAtMs].filter((at) => at !== undefined && at > nowMs);
    const budgetMs = Math.min(...ends.map((at) => (at ?? 0) - nowMs));
    const delayMs = backoffDelayMs(failures, clock.random(), { retryAfterMs, budgetMs });
    if (delayMs === undefined)
      throw sink.failure(`${reason} (waiting longer would outlast the time there is)`);
    emit({ kind: 'download-retry', taskId, reason, delayMs });
    await clock.sleep(delayMs, signal);
  };

  /** Asks the service for a fresh link: at once the first time, then as often as the attempts allow. */
  const refresh = async (reason: string) => {
    const fresh = await job.refreshLink();
    if (fresh === 'gone') throw gone(`${reason}, and the service has no link for it any more`);
    const isOther = fresh.link !== link;
    const isFirst = isOther && !hasRefreshed;
    hasRefreshed = true;
    linkExpiresAtMs = fresh.linkExpiresAtMs ?? (isOther ? undefined : linkExpiresAtMs);
    link = fresh.link;
    if (isOther) await sink.changeLink(link);
    if (isFirst) return;
    const isOver = linkExpiresAtMs !== undefined && linkExpiresAtMs <= clock.now();
    await pause(reason).catch((error: unknown) => {
      throw isOver && !signal.aborted ? gone(reason) : error;
    });
  };

  for (;;) {
    signal.throwIfAborted();
    try {
      const isWhole = sink.sizeBytes() > 0 && sink.sizeBytes() === sink.source().totalBytes;
      if (!isWhole) await attempt(deps, job, { sink, link });
      return await sink.finish();
    } catch (error) {
      const { message: reason, facts } = toInterruption(error, sink);
      signal.throwIfAborted();
      if (facts.isDistrusted === true) await sink.startOver({}, reason);
      if (facts.isSlow !== true) {
        if (sink.sizeBytes() - bestBytes >= PROGRESS_BYTES) failures = 0;
        bestBytes = Math.max(bestBytes, sink.sizeBytes());
      }
      if (facts.isRestart === true) emit({ kind: 'download-restarted', taskId, reason });
      if (facts.isLinkDead === true) await refresh(reason);
      else if (facts.isRestart !== true || hasRestarted) await pause(reason, facts.retryAfterMs);
      hasRestarted ||= facts.isRestart === true;
    }
  }
}

/** @throws what ends the download */
function toInterruption(error: unknown, sink: Sink): Interruption {
  if (error instanceof Interruption) return error;
  if (!(error instanceof LinkFailure)) throw error;
  const { message, reason, isTransient } = error;
  if (!isTransient) throw sink.failure(message, reason);
  // More than was announced: none of it can be believed.
  return new Interruption(message, { isDistrusted: reason === 'surplus' });
}

/** One request, passed to the sink as far as it comes: memory does not grow with the file. @throws Interruption, LinkFailure */
async function attempt(
  { client, clock, emit }: DownloadDependencies,
  { taskId, limits, signal }: LinkJob,
  { sink, link }: { readonly sink: Sink; readonly link: string },
): Promise<void> {
  const { validator } = sink.source();
  const offsetBytes = validator === undefined ? 0 : sink.sizeBytes();
  const range = offsetBytes > 0 ? { range: `bytes=${offsetBytes}-`, ifRange: validator } : {};
  const response = await client.open(link, { ...range, signal });
  try {
    const plan = planBody({ ...sink.source(), offsetBytes }, response, clock.now());
    if (plan.kind === 'complete') return;
    const { totalBytes } = plan.kind === 'append' ? plan : plan.source;
    if ((totalBytes ?? 0) > limits.maxSizeBytes) throw tooLarge(limits, sink);
    if (plan.kind === 'whole') {
      const hasBytes = sink.sizeBytes() > 0;
      const why = plan.reason ?? 'the host gave nothing to recognise the version by';
      if (hasBytes) emit({ kind: 'download-restarted', taskId, reason: why });
      await sink.startOver(plan.source, why);
    }
    const startBytes = sink.sizeBytes();
    const lengthBytes = plan.kind === 'append' ? plan.lengthBytes : totalBytes;
    const wantedBytes = startBytes + (lengthBytes ?? Number.POSITIVE_INFINITY);
    let receivedBytes = startBytes;
    let reportedAtMs = Number.NEGATIVE_INFINITY;
    const report = () => {
      reportedAtMs = clock.monotonicMs();
      emit({ kind: 'bytes', taskId, totalBytes, receivedBytes });
    };
    emit({ kind: 'download-started', taskId, totalBytes, resumedFromBytes: startBytes });
    try {
      for await (const chunk of watchSpeed(response.body, limits, clock)) {
        receivedBytes += chunk.byteLength;
        if (receivedBytes > wantedBytes)
          throw new LinkFailure('surplus', 'the host sent more bytes than it had announced', true);
        if (receivedBytes > limits.maxSizeBytes) {
          await sink.discard();
          throw tooLarge(limits, sink);
        }
        const room = sink.write(chunk);
        if (room !== undefined) await room;
        if (clock.monotonicMs() - reportedAtMs >= REPORT_INTERVAL_MS) report();
      }
    } finally {
      // What can't be written must end the download here, not look like trouble of the network.
      await sink.flush();
    }
    report();
    const cameBytes = receivedBytes - startBytes;
    if (lengthBytes !== undefined && receivedBytes < wantedBytes)
      throw new Interruption(`the connection ended after ${cameBytes} of ${lengthBytes} bytes`);
    if (totalBytes !== undefined && receivedBytes < totalBytes)
      throw new Interruption('the host sent a shorter part than it was asked for');
  } finally {
    response.close();
  }
}

function tooLarge({ maxSizeBytes }: DownloadLimits, sink: Sink): EvolinkError {
  const reason = `the file is larger than ${formatBytes(maxSizeBytes)}, the largest size allowed`;
  return sink.failure(reason, 'too-large');
}

/**
 * The chunks of a body, until it comes too slowly: nothing within the idle limit, or less than the floor over a window. Only
 * the time spent waiting for the host counts, not that of a slow disk or reader.
 * @throws Interruption, where the read is left behind
 */
async function* watchSpeed(
  body: AsyncIterable<Uint8Array>,
  { idleTimeoutMs, minBytesPerSecond }: DownloadLimits,
  clock: Clock,
): AsyncGenerator<Uint8Array> {
  const idleLimitMs = idleTimeoutMs > 0 ? idleTimeoutMs : Number.POSITIVE_INFINITY;
  const windowLimitMs = minBytesPerSecond > 0 ? SPEED_WINDOW_MS : Number.POSITIVE_INFINITY;
  const iterator = body[Symbol.asyncIterator]();
  let idleMs = 0;
  let windowMs = 0;
  let windowBytes = 0;
  let wake: () => void = () => undefined;
  let cancel: (() => void) | undefined;
  try {
    for (let next = iterator.next(); ; ) {
      const sinceMs = clock.monotonicMs();
      const lookMs = Math.min(idleLimitMs - idleMs, windowLimitMs - windowMs);
      // One timer for many chunks, which may come too early and is set again then.
      if (Number.isFinite(lookMs))
        cancel ??= clock.after(Math.max(1, lookMs), () => {
          cancel = undefined;
          wake();
        });
      const result = await new Promise<IteratorResult<Uint8Array> | undefined>((resolve, reject) => {
        wake = () => resolve(undefined);
        next.then(resolve, reject);
      });
      if (result?.done === true) return;
      const waitedMs = clock.monotonicMs() - sinceMs;
      idleMs = result === undefined ? idleMs + waitedMs : 0;
      windowMs += waitedMs;
      windowBytes += result?.value.byteLength ?? 0;
      const isIdle = idleMs >= idleLimitMs;
      if (isIdle || (windowMs >= windowLimitMs && windowBytes * 1000 < minBytesPerSecond * windowMs)) {
        next.catch(() => undefined);
        const span = `${Number(((isIdle ? idleLimitMs : windowLimitMs) / 1000).toFixed(1))} s`;
        const slow = `slower than ${minBytesPerSecond} bytes a second over ${span}`;
        throw new Interruption(isIdle ? `no data for ${span}` : slow, { isSlow: true });
      }
      if (windowMs >= windowLimitMs) [windowMs, windowBytes] = [0, 0];
      if (result === undefined) continue;
      yield result.value;
      next = iterator.next();
    }
  } finally {
    cancel?.();
  }
}
