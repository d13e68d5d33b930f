import { HttpFailure } from '../api/http.ts';
import type { LinkClient } from '../api/links.ts';
import type { EvolinkError } from '../errors.ts';
import type { ClipFacts } from '../media/inspect.ts';
import { backoffDelayMs, type Clock, parseHttpDate, parseRetryAfter } from '../platform/clock.ts';
import { formatBytes } from '../platform/text.ts';
import { Interruption, type Obstacle, resultGone } from './errors.ts';

/** Bounds of one download; 0 switches a bound off where that makes sense. */
export interface DownloadLimits {
  /** Slower than this over `SPEED_WINDOW_MS`: the attempt is dropped, and continued on a new connection. */
  readonly minBytesPerSecond: number;
  /** A body that grows past this is stopped in flight. */
  readonly maxSizeBytes: number;
  /** A clip that is whole by its length is saved even if it can't be read as a video. */
  readonly acceptsUnverified?: boolean | undefined;
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
  /** What the request lets us expect of the file; a difference is a warning, never a failure. */
  readonly expectation?:
    | {
        readonly durationSeconds?: number | undefined;
        readonly widthPx?: number | undefined;
        readonly heightPx?: number | undefined;
        readonly hasAudio?: boolean | undefined;
      }
    | undefined;
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
  readonly media?: ClipFacts | undefined;
  readonly warnings: readonly string[];
  /** True when an existing file was kept (`--skip-existing`) and nothing was fetched. */
  readonly isSkipped?: boolean | undefined;
}

export type NamedFile = SavedFile & { readonly path: string };

/** What the bytes that are here are of. */
export interface Source {
  /** What `If-Range` carries; absent when the host gave nothing to recognise the version by. */
  readonly validator?: string | undefined;
  readonly totalBytes?: number | undefined;
}

/** Where the bytes of a clip go: a file that can be begun anew, or a stream that can't once bytes went out. */
export interface Sink {
  /** Bytes that are here, so that a continuation starts behind them. */
  readonly sizeBytes: number;
  readonly source: Source;
  /** Drops what is here; what comes next is of this source. @throws EvolinkError where it can't be taken back */
  startOver(source: Source, reason: string): Promise<void>;
  /** Takes the bytes; where it returns a promise, that is waited for. @throws Interruption; its own errors */
  write(chunk: Uint8Array): Promise<void> | undefined;
  /** Resolves when all that was taken has arrived. @throws as `write` */
  flush?(): Promise<void>;
  /** The clip is larger than allowed: nothing of it is kept. */
  discard?(): Promise<void>;
  /** The clip is to be fetched from another address from now on. True where bytes were dropped for it. */
  changeLink(link: string): Promise<boolean>;
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
 * when the link is dead, until the clip is finished or there is no point in another attempt.
 * @param finish called when everything is here; throws `Interruption` where another download may be better
 * @throws EvolinkError `download` (9), `expired` (10); what the sink and `refreshLink` throw; the signal's reason
 */
export async function fetchLink(
  deps: DownloadDependencies,
  job: LinkJob,
  sink: Sink,
  finish: () => Promise<SavedFile>,
): Promise<SavedFile> {
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
    const leftMs = (linkExpiresAtMs ?? 0) - clock.now();
    // An end that has passed already binds nothing: the link may be valid for longer than was said.
    const budgetMs = leftMs > 0 ? leftMs : undefined;
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
    if (isOther && (await sink.changeLink(link)))
      emit({ kind: 'download-restarted', taskId, reason: 'the fresh link leads to another place' });
    if (isFirst) return;
    const isOver = linkExpiresAtMs !== undefined && linkExpiresAtMs <= clock.now();
    await pause(reason).catch((error: unknown) => {
      throw isOver && !signal.aborted ? gone(reason) : error;
    });
  };

  for (;;) {
    signal.throwIfAborted();
    try {
      const isWhole = sink.sizeBytes > 0 && sink.sizeBytes === sink.source.totalBytes;
      if (!isWhole) await attempt(deps, job, { sink, link });
      return await finish();
    } catch (error) {
      const { message: reason, facts } = toInterruption(error, sink);
      signal.throwIfAborted();
      if (facts.isDistrusted === true) await sink.startOver({}, reason);
      if (facts.isSlow !== true) {
        if (sink.sizeBytes - bestBytes >= PROGRESS_BYTES) failures = 0;
        bestBytes = Math.max(bestBytes, sink.sizeBytes);
      }
      if (facts.isRestart === true) emit({ kind: 'download-restarted', taskId, reason });
      if (facts.isLinkDead === true) await refresh(reason);
      else if (facts.isRestart !== true || hasRestarted) await pause(reason, facts.retryAfterMs);
      hasRestarted ||= facts.isRestart === true;
    }
  }
}

/** None of it can be believed. */
const SURPLUS = 'the host sent more bytes than it had announced';

/** @throws what ends the download */
function toInterruption(error: unknown, sink: Sink): Interruption {
  if (error instanceof Interruption) return error;
  if (!(error instanceof HttpFailure)) throw error;
  const { isTransient, reason = 'protocol' } = error.facts;
  if (reason === 'surplus') return new Interruption(SURPLUS, { isDistrusted: true });
  if (!isTransient) throw sink.failure(error.message, reason);
  return new Interruption(error.message);
}

/** One request, passed to the sink as far as it comes: memory does not grow with the file. @throws Interruption, HttpFailure */
async function attempt(
  { client, clock, emit }: DownloadDependencies,
  { taskId, limits, signal }: LinkJob,
  { sink, link }: { readonly sink: Sink; readonly link: string },
): Promise<void> {
  const { maxSizeBytes, minBytesPerSecond } = limits;
  const tooLarge = () =>
    sink.failure(
      `the file is larger than ${formatBytes(maxSizeBytes)}, the largest size allowed`,
      'too-large',
    );
  const { validator } = sink.source;
  const offsetBytes = validator === undefined ? 0 : sink.sizeBytes;
  const range = offsetBytes > 0 ? { range: `bytes=${offsetBytes}-`, ifRange: validator } : {};
  const response = await client.open(link, { ...range, signal });
  try {
    const plan = planBody({ ...sink.source, offsetBytes }, response, clock.now());
    if (plan.kind === 'complete') return;
    const { totalBytes } = plan.kind === 'append' ? plan : plan.source;
    if ((totalBytes ?? 0) > maxSizeBytes) throw tooLarge();
    if (plan.kind === 'whole') {
      const hasBytes = sink.sizeBytes > 0;
      const why = plan.reason ?? 'the host gave nothing to recognise the version by';
      if (hasBytes) emit({ kind: 'download-restarted', taskId, reason: why });
      await sink.startOver(plan.source, why);
    }
    const startBytes = sink.sizeBytes;
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
      for await (const chunk of watchSpeed(response.body, minBytesPerSecond, clock)) {
        receivedBytes += chunk.byteLength;
        if (receivedBytes > wantedBytes) throw new Interruption(SURPLUS, { isDistrusted: true });
        if (receivedBytes > maxSizeBytes) {
          await sink.discard?.();
          throw tooLarge();
        }
        const room = sink.write(chunk);
        if (room !== undefined) await room;
        if (clock.monotonicMs() - reportedAtMs >= REPORT_INTERVAL_MS) report();
      }
    } finally {
      // What can't be written must end the download here, not look like trouble of the network.
      await sink.flush?.();
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

/**
 * The chunks of a body, until they come too slowly. Only the time spent waiting for the host counts, not that of a slow disk
 * or reader. A chunk comes in time, as the HTTP client ends a silence. @throws Interruption
 */
async function* watchSpeed(
  body: AsyncIterable<Uint8Array>,
  minBytesPerSecond: number,
  clock: Clock,
): AsyncGenerator<Uint8Array> {
  let [sinceMs, windowMs, windowBytes] = [clock.monotonicMs(), 0, 0];
  for await (const chunk of body) {
    windowMs += clock.monotonicMs() - sinceMs;
    windowBytes += chunk.byteLength;
    if (windowMs >= SPEED_WINDOW_MS) {
      const slow = `slower than ${minBytesPerSecond} bytes a second over ${SPEED_WINDOW_MS / 1000} s`;
      if (windowBytes * 1000 < minBytesPerSecond * windowMs) throw new Interruption(slow, { isSlow: true });
      [windowMs, windowBytes] = [0, 0];
    }
    yield chunk;
    sinceMs = clock.monotonicMs();
  }
}

// ---- What the answer of a link host brings (RFC 9110 §13.1.5, §14 and §15.3.7)

type Headers = Readonly<Record<string, string | undefined>>;

/** What the request asked for: the whole, or what follows the bytes that are here. */
export interface AskedRange extends Source {
  readonly offsetBytes: number;
}

type BodyPlan =
  /** The body continues what is here; it is `lengthBytes` long. */
  | { readonly kind: 'append'; readonly lengthBytes: number; readonly totalBytes: number }
  /** The body is the whole, from its first byte. `reason`: why bytes that are here are dropped. */
  | { readonly kind: 'whole'; readonly reason?: string | undefined; readonly source: Source }
  /** Everything is here already. */
  | { readonly kind: 'complete' };

const LINK_DEAD: ReadonlySet<number> = new Set([401, 403, 404, 410]);
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);
/** The content codings that the HTTP library undoes. */
const CODINGS: ReadonlySet<string> = new Set(['gzip', 'deflate', 'br']);
/** RFC 9110 §8.8.2.2: a date older than this at the time of the answer can't have been shared by two versions. */
const STRONG_DATE_AGE_MS = 60_000;

/** What to do with an answer. Pure. @throws Interruption, HttpFailure where there is nothing to receive */
export function planBody(
  asked: AskedRange,
  { status, headers }: { readonly status: number; readonly headers: Headers },
  nowMs: number,
): BodyPlan {
  if (status === 200) return planWhole(asked, headers);
  if (status === 206) {
    const part = readPart(asked, headers);
    if (typeof part === 'object') return { kind: 'append', ...part };
    throw asked.offsetBytes > 0 ? notContinued(part) : new Interruption(part);
  }
  if (status === 416) return planUnsatisfiable(asked, headers);
  const reason = `the host answered ${status}`;
  if (LINK_DEAD.has(status)) throw new Interruption(reason, { isLinkDead: true });
  if (PASSING.has(status) || status >= 500)
    throw new Interruption(reason, { retryAfterMs: parseRetryAfter(headers['retry-after'], nowMs) });
  throw final(reason);
}

/** What another attempt would meet again. */
function final(reason: string): HttpFailure {
  return new HttpFailure(reason, { code: 'UNUSABLE', hasSentBytes: true, isTransient: false });
}

/** What is here is dropped, and the whole asked for. */
function notContinued(reason: string): Interruption {
  return new Interruption(reason, { isDistrusted: true, isRestart: true });
}

function planWhole({ offsetBytes, validator }: AskedRange, headers: Headers): BodyPlan {
  const coding = codingOf(headers);
  if (coding !== undefined && !CODINGS.has(coding))
    throw final(`the host sent an unknown coding "${coding}"`);
  const totalBytes = parseByteCount(headers['content-length']);
  if (headers['content-length'] !== undefined && totalBytes === undefined)
    throw new Interruption('the host gave no sound length');
  const isSame = validator !== undefined && isSameVersion(validator, headers);
  const reason = isSame ? 'the host does not continue downloads' : 'the file has changed on the host';
  // A coded answer has a length and bytes of its own: nothing of it can be continued.
  const source = coding === undefined ? { totalBytes, validator: readValidator(headers) } : {};
  return { kind: 'whole', source, ...(offsetBytes > 0 ? { reason } : {}) };
}

/** What a 206 brings, or the reason to refuse it: one part, not coded, of the same version, start and total, nothing less. */
function readPart({ offsetBytes, validator, totalBytes }: AskedRange, headers: Headers) {
  if (offsetBytes === 0 || validator === undefined) return 'the host sent a part without being asked for one';
  if (/^multipart\//i.test(headers['content-type'] ?? '')) return 'the host sent several parts at once';
  if (codingOf(headers) !== undefined) return 'the host sent a coded part';
  const range = parseContentRange(headers['content-range']);
  if (range?.span === undefined || range.totalBytes === undefined)
    return 'the host did not say which part it sent';
  const [first, last] = range.span;
  if (first !== offsetBytes) return 'the host sent another part than the one asked for';
  if (totalBytes !== undefined && range.totalBytes !== totalBytes) return 'the file has another length now';
  if (!isSameVersion(validator, headers)) return 'the file has changed on the host';
  const lengthBytes = last - first + 1;
  const announced = headers['content-length'];
  if (announced !== undefined && parseByteCount(announced) !== lengthBytes)
    return 'the host contradicts itself about the length';
  return { lengthBytes, totalBytes: range.totalBytes };
}

/** `If-Range` is judged before `Range` (RFC 9110 §13.2.2), so a 416 without a tag still speaks of the same version. */
function planUnsatisfiable(asked: AskedRange, headers: Headers): BodyPlan {
  const { offsetBytes, validator, totalBytes = offsetBytes } = asked;
  const reason = 'the host has no such part';
  if (offsetBytes === 0) throw new Interruption(reason);
  const hostBytes = parseContentRange(headers['content-range'])?.totalBytes;
  const isOther = validator === undefined || (headers.etag !== undefined && headers.etag !== validator);
  if (hostBytes === offsetBytes && totalBytes === offsetBytes && !isOther) return { kind: 'complete' };
  throw notContinued(reason);
}

/**
 * The value that `If-Range` may carry for this answer (RFC 9110 §13.1.5): a strong entity tag, or, where there is no tag at
 * all, a modification date that counts as a strong validator. `undefined`: a download of it can't be continued.
 */
function readValidator(headers: Headers): string | undefined {
  const { etag, date, 'last-modified': modified } = headers;
  if (etag !== undefined) return /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(etag) ? etag : undefined;
  const modifiedAtMs = parseHttpDate(modified ?? '') ?? Number.NaN;
  const sentAtMs = parseHttpDate(date ?? '') ?? Number.NaN;
  return sentAtMs - modifiedAtMs >= STRONG_DATE_AGE_MS ? modified : undefined;
}

/** Says whether an answer to a request with this `If-Range` value agrees with it. A tag must be repeated, a date need not. */
function isSameVersion(validator: string, { etag, 'last-modified': modified }: Headers): boolean {
  if (validator.startsWith('"')) return etag === validator;
  return etag === undefined && (modified === undefined || modified === validator);
}

/**
 * `Content-Range` of RFC 9110 §14.4 in bytes, first and last inclusive: `bytes 0-9/20` has all three numbers, `bytes 0-9/*`
 * no total, `bytes * /20` (416) only the total. `undefined` when it is absent, of another unit, or contradicts itself.
 */
export function parseContentRange(value: string | undefined) {
  const match = /^bytes (?:(\d{1,16})-(\d{1,16})|\*)\/(\d{1,16}|\*)$/i.exec(value?.trim() ?? '');
  if (match === null) return undefined;
  const [first, last, totalBytes] = match.slice(1).map(parseByteCount);
  if (match[3] !== '*' && totalBytes === undefined) return undefined;
  if (match[1] === undefined) return totalBytes === undefined ? undefined : { totalBytes };
  if (first === undefined || last === undefined || last < first) return undefined;
  return totalBytes !== undefined && last >= totalBytes
    ? undefined
    : { span: [first, last] as const, totalBytes };
}

/** A count of bytes; `undefined` for anything but plain digits within the safe integers. */
function parseByteCount(value: string | undefined): number | undefined {
  const count = /^\d{1,16}$/.test(value ?? '') ? Number(value) : undefined;
  return Number.isSafeInteger(count) ? count : undefined;
}

function codingOf(headers: Headers): string | undefined {
  const coding = headers['content-encoding']?.trim().toLowerCase();
  return coding === '' || coding === 'identity' ? undefined : coding;
}
