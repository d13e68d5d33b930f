import { HttpFailure } from '../api/http.ts';
import type { LinkClient } from '../api/links.ts';
import type { EvolinkError } from '../errors.ts';
import type { ClipFacts } from '../media/inspect.ts';
import { backoffDelayMs, type Clock, parseHttpDate, parseRetryAfter } from '../platform/clock.ts';
import { formatBytes, parseUrl } from '../platform/text.ts';
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

/** What the request lets us expect of the file; a difference is a warning, never a failure. */
export type Expectation = Partial<
  Record<'durationSeconds' | 'widthPx' | 'heightPx', number | undefined> &
    Record<'hasAudio', boolean | undefined>
>;

/** One result to fetch, wherever it goes. */
export interface LinkJob extends FreshLink {
  readonly taskId: string;
  readonly expectation?: Expectation | undefined;
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
  /** Where they came from; absent = the link of the job. */
  readonly link?: string | undefined;
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
  /** @throws Interruption; its own errors */
  write(chunk: Uint8Array): Promise<void>;
  /** The clip is larger than allowed: nothing of it is kept. */
  discard?(): Promise<void>;
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

/** What makes a link the same link although its signature is new: scheme, host and path, without query and fragment. */
export function linkIdentity(link: string): string {
  // Not a URL at all: opening it will say so in better words.
  const url = parseUrl(link);
  if (url === undefined) return link.replace(/[?#].*$/s, '');
  const { protocol, host, pathname } = url;
  return `${protocol}//${host}${pathname}`;
}

/**
 * Fetches one clip into a sink: continues under a strong validator, repeats what may pass by itself, asks for a fresh link
 * when the link is dead, until the clip is finished or there is no point in another attempt.
 * @param finish called when everything is here; throws `Interruption` where another download may be better
 * @throws EvolinkError `download` (9), `expired` (10); what the sink and `refreshLink` throw; the signal's reason
 */
export async function fetchLink(
  { client, clock, emit }: DownloadDependencies,
  job: LinkJob,
  sink: Sink,
  finish: () => Promise<SavedFile>,
): Promise<SavedFile> {
  const { taskId, signal } = job;
  const { maxSizeBytes, minBytesPerSecond } = job.limits;
  const largest = `the file is larger than ${formatBytes(maxSizeBytes)}, the largest size allowed`;
  const tooLarge = new Interruption(largest, { obstacle: 'too-large' });
  let { link, linkExpiresAtMs }: FreshLink = job;
  let failures = 0;
  let bestBytes = 0;

  const gone = (reason: string) => resultGone(taskId, reason, linkExpiresAtMs, clock.now());

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

  /** Asks the service for a fresh link, as often as the attempts allow. */
  const refresh = async (reason: string) => {
    const fresh = await job.refreshLink();
    if (fresh === 'gone') throw gone(`${reason}, and the service has no link for it any more`);
    ({ link, linkExpiresAtMs } = fresh);
    const isOver = linkExpiresAtMs !== undefined && linkExpiresAtMs <= clock.now();
    await pause(reason).catch((error: unknown) => {
      throw isOver && !signal.aborted ? gone(reason) : error;
    });
  };

  /** One request, passed to the sink as far as it comes: memory does not grow with the file. */
  const attempt = async () => {
    // Another path is another file until proven otherwise.
    const isElsewhere = linkIdentity(sink.source.link ?? link) !== linkIdentity(link);
    const source: Source = isElsewhere ? {} : sink.source;
    const { validator } = source;
    const offsetBytes = validator === undefined ? 0 : sink.sizeBytes;
    const range = offsetBytes > 0 ? { range: `bytes=${offsetBytes}-`, ifRange: validator } : {};
    const response = await client.open(link, { ...range, signal });
    try {
      const plan = planBody({ ...source, offsetBytes }, response, clock.now());
      if (plan === 'complete') return;
      const { startBytes, endBytes = Number.POSITIVE_INFINITY, totalBytes, reason } = plan;
      if ((totalBytes ?? 0) > maxSizeBytes) throw tooLarge;
      if (startBytes === 0) {
        const why = isElsewhere ? 'what is here came from another link' : reason;
        if (sink.sizeBytes > 0) emit({ kind: 'download-restarted', taskId, reason: why });
        await sink.startOver({ link, validator: plan.validator, totalBytes }, why);
      }
      let receivedBytes = startBytes;
      let reportedAtMs = Number.NEGATIVE_INFINITY;
      const report = () => {
        reportedAtMs = clock.monotonicMs();
        emit({ kind: 'bytes', taskId, totalBytes, receivedBytes });
      };
      emit({ kind: 'download-started', taskId, totalBytes, resumedFromBytes: startBytes });
      for await (const chunk of watchSpeed(response.body, minBytesPerSecond, clock)) {
        receivedBytes += chunk.byteLength;
        if (receivedBytes > endBytes) throw surplus();
        if (receivedBytes > maxSizeBytes) {
          await sink.discard?.();
          throw tooLarge;
        }
        await sink.write(chunk);
        if (clock.monotonicMs() - reportedAtMs >= REPORT_INTERVAL_MS) report();
      }
      report();
      if (totalBytes !== undefined && receivedBytes < totalBytes)
        throw new Interruption(`the connection ended after ${receivedBytes} of ${totalBytes} bytes`);
    } finally {
      response.close();
    }
  };

  for (;;) {
    signal.throwIfAborted();
    try {
      const isWhole = sink.sizeBytes > 0 && sink.sizeBytes === sink.source.totalBytes;
      if (!isWhole) await attempt();
      return await finish();
    } catch (error) {
      const { message: reason, facts } = toInterruption(error);
      signal.throwIfAborted();
      if (facts.obstacle !== undefined) throw sink.failure(reason, facts.obstacle);
      if (facts.isDistrusted === true) await sink.startOver({}, reason);
      if (facts.isSlow !== true) {
        if (sink.sizeBytes - bestBytes >= PROGRESS_BYTES) failures = 0;
        bestBytes = Math.max(bestBytes, sink.sizeBytes);
      }
      await (facts.isLinkDead === true ? refresh(reason) : pause(reason, facts.retryAfterMs));
    }
  }
}

/** None of it can be believed. */
function surplus(): Interruption {
  return new Interruption('the host sent more bytes than it had announced', { isDistrusted: true });
}

/** @throws what has nothing to do with the host */
function toInterruption(error: unknown): Interruption {
  if (error instanceof Interruption) return error;
  if (!(error instanceof HttpFailure)) throw error;
  const { isTransient, reason = 'protocol' } = error.facts;
  if (reason === 'surplus') return surplus();
  return new Interruption(error.message, isTransient ? {} : { obstacle: reason });
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
export type AskedRange = Source & { readonly offsetBytes: number };

interface BodyPlan extends Source {
  /** 0: the body is the whole. Else it continues what is here. */
  readonly startBytes: number;
  /** Where the body ends, if that is known. */
  readonly endBytes?: number | undefined;
  /** Why bytes that are here are dropped for the whole. */
  readonly reason: string;
}

const LINK_DEAD: ReadonlySet<number> = new Set([401, 403, 404, 410]);
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);
/** The content codings that the HTTP library undoes. */
const CODINGS: ReadonlySet<string> = new Set(['gzip', 'deflate', 'br']);
/** RFC 9110 §8.8.2.2: a date older than this at the time of the answer can't have been shared by two versions. */
const STRONG_DATE_AGE_MS = 60_000;
const CHANGED = 'the file has changed on the host';

/**
 * What to do with an answer; `complete`: everything is here already. Pure.
 * @throws Interruption where there is nothing to receive
 */
export function planBody(
  asked: AskedRange,
  { status, headers }: { readonly status: number; readonly headers: Headers },
  nowMs: number,
): BodyPlan | 'complete' {
  if (status === 200) return planWhole(asked, headers);
  if (status === 206) return planPart(asked, headers);
  if (status === 416) return planUnsatisfiable(asked, headers);
  const reason = `the host answered ${status}`;
  if (LINK_DEAD.has(status)) throw new Interruption(reason, { isLinkDead: true });
  if (PASSING.has(status) || status >= 500)
    throw new Interruption(reason, { retryAfterMs: parseRetryAfter(headers['retry-after'], nowMs) });
  throw new Interruption(reason, { obstacle: 'protocol' });
}

function planWhole({ validator }: AskedRange, headers: Headers): BodyPlan {
  const coding = codingOf(headers);
  if (coding !== undefined && !CODINGS.has(coding))
    throw new Interruption(`the host sent an unknown coding "${coding}"`, { obstacle: 'protocol' });
  // Node refuses any other length than plain digits.
  const length = headers['content-length'];
  const totalBytes = length === undefined ? undefined : Number(length);
  const isSame = validator !== undefined && isSameVersion(validator, headers);
  const why = isSame ? 'the host does not continue downloads' : CHANGED;
  const reason = validator === undefined ? 'the host gave nothing to recognise the version by' : why;
  // A coded answer has a length and bytes of its own: nothing of it can be continued.
  const source = coding === undefined ? { totalBytes, validator: readValidator(headers) } : {};
  return { startBytes: 0, endBytes: source.totalBytes, ...source, reason };
}

/** A 206 must be one part, not coded, of the same version, start and total, nothing less. */
function planPart({ offsetBytes, validator, totalBytes }: AskedRange, headers: Headers): BodyPlan {
  const [, first = 0, last = 0, hostBytes = 0] = readRange(/^bytes (\d+)-(\d+)\/(\d+)$/i, headers);
  const endBytes = last + 1;
  const isSound =
    first === offsetBytes &&
    endBytes > first &&
    endBytes <= hostBytes &&
    Number(headers['content-length'] ?? endBytes - first) === endBytes - first &&
    codingOf(headers) === undefined &&
    !/^multipart\//i.test(headers['content-type'] ?? '');
  if (offsetBytes === 0 || validator === undefined || !isSound)
    throw new Interruption('the host sent another part than the one asked for', { isDistrusted: true });
  if ((totalBytes ?? hostBytes) !== hostBytes || !isSameVersion(validator, headers))
    throw new Interruption(CHANGED, { isDistrusted: true });
  return { startBytes: first, endBytes, totalBytes: hostBytes, reason: '' };
}

/** `If-Range` is judged before `Range` (RFC 9110 §13.2.2), so a 416 without a tag still speaks of the same version. */
function planUnsatisfiable(asked: AskedRange, headers: Headers): 'complete' {
  const { offsetBytes, validator, totalBytes = offsetBytes } = asked;
  const [, hostBytes] = readRange(/^bytes \*\/(\d+)$/i, headers);
  const isSame = validator !== undefined && (headers.etag ?? validator) === validator;
  if (offsetBytes > 0 && hostBytes === offsetBytes && totalBytes === offsetBytes && isSame) return 'complete';
  throw new Interruption('the host has no such part', { isDistrusted: true });
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

/** The numbers of `Content-Range` (RFC 9110 §14.4), first and last inclusive; none where it has another form. */
function readRange(form: RegExp, headers: Headers): readonly number[] {
  return form.exec(headers['content-range']?.trim() ?? '')?.map(Number) ?? [];
}

function codingOf(headers: Headers): string | undefined {
  const coding = headers['content-encoding']?.trim().toLowerCase();
  return coding === '' || coding === 'identity' ? undefined : coding;
}
