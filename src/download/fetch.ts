import { dirname } from 'node:path';
import { pipeline, Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import {
  type DownloadEvent,
  type DownloadLimits,
  type LinkClient,
  LinkFailure,
  type LinkJob,
  type LinkResponse,
} from '../config/output-pattern.ts';
import { backoffDelayMs, type Clock, parseHttpDate, parseRetryAfter } from '../platform/clock.ts';
import { formatBytes } from '../platform/format-bytes.ts';
import type { Obstacle } from './errors.ts';
import type { PartFile } from './part-file.ts';
import { requireSpace } from './target.ts';

/** Judges how a body arrives. Only the time spent waiting for the host counts, not that of a slow disk or reader. */
export interface SpeedWatch {
  /** How long the next chunk may be waited for before the watch has to be asked again; `undefined` = as long as it takes. */
  nextLookMs(): number | undefined;
  /** Notes a wait and what it brought (0 bytes when it was broken off). */
  note(waitedMs: number, bytes: number): void;
  /** Why the connection is to be dropped, once there is a reason. */
  verdict(): string | undefined;
}

/** Idle limit and throughput floor of one connection. Pure: time comes in as numbers. */
export function createSpeedWatch(limits: DownloadLimits): SpeedWatch {
  const { idleTimeoutMs, minBytesPerSecond, speedWindowMs } = limits;
  const hasFloor = minBytesPerSecond > 0 && speedWindowMs > 0;
  let idleMs = 0;
  let windowMs = 0;
  let windowBytes = 0;
  let verdict: string | undefined;

  const isBelowFloor = () => {
    if (!hasFloor || windowMs < speedWindowMs) return false;
    const isSlow = windowBytes * 1000 < minBytesPerSecond * windowMs;
    windowMs = 0;
    windowBytes = 0;
    return isSlow;
  };

  return {
    nextLookMs: () => {
      const looks = [
        ...(idleTimeoutMs > 0 ? [idleTimeoutMs - idleMs] : []),
        ...(hasFloor ? [speedWindowMs - windowMs] : []),
      ];
      return looks.length === 0 ? undefined : Math.max(1, Math.min(...looks));
    },
    note: (waitedMs, bytes) => {
      idleMs = bytes > 0 ? 0 : idleMs + waitedMs;
      windowMs += waitedMs;
      windowBytes += bytes;
      if (idleTimeoutMs > 0 && idleMs >= idleTimeoutMs) verdict ??= `no data for ${toSeconds(idleTimeoutMs)}`;
      if (isBelowFloor())
        verdict ??= `slower than ${minBytesPerSecond} bytes a second over ${toSeconds(speedWindowMs)}`;
    },
    verdict: () => verdict,
  };
}

function toSeconds(durationMs: number): string {
  return `${Number((durationMs / 1000).toFixed(1))} s`;
}

interface BodyTiming {
  readonly limits: DownloadLimits;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The waits for one body, judged for idleness and speed: one timer and one listener for all of them. */
interface BodyWaits {
  /**
   * The next chunk. A read that is given up on (`too-slow`, abort) is left behind: its end is of no interest then.
   * @throws the signal's reason at once when aborted; what the body throws
   */
  next(iterator: AsyncIterator<Uint8Array>): Promise<Uint8Array | 'ended' | 'too-slow'>;
  /** Why it was too slow. */
  verdict(): string | undefined;
  /** No more waits come: stops timer and listener. */
  stop(): void;
}

/** Starts to watch a body. */
function createBodyWaits({ limits, clock, signal }: BodyTiming): BodyWaits {
  const watch = createSpeedWatch(limits);
  let waitingSinceMs: number | undefined;
  let giveUp: (() => void) | undefined;
  let cancelTimer: (() => void) | undefined;

  const note = (bytes: number) => {
    if (waitingSinceMs === undefined) return;
    const nowMs = clock.monotonicMs();
    watch.note(nowMs - waitingSinceMs, bytes);
    waitingSinceMs = nowMs;
  };
  /** Chunks that come only move the moment of judgement: the timer finds it later, and is set anew. */
  const look = () => {
    note(0);
    if (watch.verdict() === undefined) setTimer();
    else giveUp?.();
  };
  const setTimer = () => {
    const delayMs = watch.nextLookMs();
    cancelTimer = delayMs === undefined ? undefined : clock.after(delayMs, look);
  };
  const onAbort = () => giveUp?.();
  signal.addEventListener('abort', onAbort, { once: true });
  setTimer();

  /** The result of a read, or `undefined` when it was given up on. */
  const waitFor = (iterator: AsyncIterator<Uint8Array>) =>
    new Promise<IteratorResult<Uint8Array> | undefined>((resolve, reject) => {
      giveUp = () => resolve(undefined);
      iterator.next().then(resolve, reject);
      if (signal.aborted) giveUp();
    });

  return {
    verdict: watch.verdict,
    stop: () => {
      cancelTimer?.();
      signal.removeEventListener('abort', onAbort);
    },
    next: async (iterator) => {
      // What has come is written even if it came too slowly (the next connection goes on behind it): so judged before a wait.
      if (watch.verdict() !== undefined) return 'too-slow';
      waitingSinceMs = clock.monotonicMs();
      const result = await waitFor(iterator);
      signal.throwIfAborted();
      if (result === undefined) return 'too-slow';
      const chunk = result.done === true ? undefined : result.value;
      note(chunk?.byteLength ?? 0);
      waitingSinceMs = undefined;
      return chunk ?? 'ended';
    },
  };
}

/** Ten a second, and the last one. */
const REPORT_INTERVAL_MS = 100;

/** Reports how much has come, not more often than anybody can read. */
export function createByteReporter(
  { clock, emit }: { readonly clock: Clock; readonly emit: (event: DownloadEvent) => void },
  facts: { readonly taskId: string; readonly totalBytes?: number | undefined },
): (receivedBytes: number, isLast?: boolean) => void {
  let reportedAtMs = Number.NEGATIVE_INFINITY;
  return (receivedBytes, isLast = false) => {
    const nowMs = clock.monotonicMs();
    if (!isLast && nowMs - reportedAtMs < REPORT_INTERVAL_MS) return;
    reportedAtMs = nowMs;
    emit({ kind: 'bytes', ...facts, receivedBytes });
  };
}

/** The content codings that are undone; any other is refused. */
function isKnownCoding(coding: string): boolean {
  return createDecoder(coding) !== undefined;
}

/**
 * The decoded bytes of a body. A fault of the coding, and a body that is shorter or longer on the wire than announced, break
 * it as a cut does.
 * @throws LinkFailure while it is read
 */
export async function* decodeBody(
  body: AsyncIterable<Uint8Array>,
  { coding, lengthBytes }: { readonly coding: string; readonly lengthBytes?: number | undefined },
): AsyncGenerator<Uint8Array> {
  const decoder = createDecoder(coding);
  if (decoder === undefined)
    throw new LinkFailure('protocol', `the host sent an unknown coding "${coding}"`, false);
  let failure: unknown;
  pipeline(Readable.from(countWire(body, lengthBytes), { objectMode: false }), decoder, (error) => {
    failure = error;
  });
  try {
    for await (const chunk of decoder) if (chunk instanceof Uint8Array) yield chunk;
  } catch (error) {
    if (failure instanceof LinkFailure) throw failure;
    if (error instanceof LinkFailure) throw error;
    throw new LinkFailure('protocol', 'the host sent data that can not be decoded', true);
  }
}

function createDecoder(coding: string): Transform | undefined {
  if (coding === 'gzip' || coding === 'x-gzip') return createGunzip();
  if (coding === 'deflate') return createInflate();
  return coding === 'br' ? createBrotliDecompress() : undefined;
}

async function* countWire(
  body: AsyncIterable<Uint8Array>,
  lengthBytes: number | undefined,
): AsyncGenerator<Uint8Array> {
  let receivedBytes = 0;
  for await (const chunk of body) {
    receivedBytes += chunk.byteLength;
    yield chunk;
  }
  if (lengthBytes !== undefined && receivedBytes !== lengthBytes) {
    throw new LinkFailure(
      'protocol',
      `the connection ended after ${receivedBytes} of ${lengthBytes} bytes`,
      true,
    );
  }
}

export interface BodyJob extends BodyTiming {
  readonly body: AsyncIterable<Uint8Array>;
  /** The length of this body; absent when the host did not say. */
  readonly lengthBytes?: number | undefined;
  /** Bytes that lie before this body: they count towards the largest size. */
  readonly offsetBytes: number;
  readonly limits: DownloadLimits;
  /** Takes the bytes; where it returns a promise, that is waited for. Its errors end the reading and pass through. */
  readonly write: (chunk: Uint8Array) => Promise<void> | undefined;
}

export type BodyEnd =
  /** All that was announced has come, or, where nothing was announced, the body has ended in order. */
  | { readonly kind: 'ended' }
  /** It ended early, was too slow, or brought more than announced (`isSuspect`: then none of it can be believed). */
  | {
      readonly kind: 'broken';
      readonly reason: string;
      readonly isSlow: boolean;
      readonly isSuspect: boolean;
      readonly failure?: LinkFailure | undefined;
    }
  | { readonly kind: 'too-large' };

/**
 * Reads one body to its end and passes every chunk on, one at a time: memory does not grow with the file. A chunk beyond
 * the announced length is not written.
 * @throws the signal's reason when aborted, what `write` throws, and what the body throws unless it is a `LinkFailure`
 */
export async function readBody(job: BodyJob): Promise<BodyEnd> {
  const { limits, lengthBytes } = job;
  const waits = createBodyWaits(job);
  const iterator = job.body[Symbol.asyncIterator]();
  let receivedBytes = 0;
  try {
    for (;;) {
      const chunk = await waits.next(iterator);
      if (chunk === 'ended') break;
      if (chunk === 'too-slow') return broken(waits.verdict() ?? '', { isSlow: true });
      receivedBytes += chunk.byteLength;
      if (lengthBytes !== undefined && receivedBytes > lengthBytes) {
        return broken('the host sent more bytes than it had announced', { isSuspect: true });
      }
      if (job.offsetBytes + receivedBytes > limits.maxSizeBytes) return { kind: 'too-large' };
      const room = job.write(chunk);
      if (room !== undefined) await room;
    }
  } catch (error) {
    if (!(error instanceof LinkFailure)) throw error;
    if (error.reason === 'surplus') return broken(error.message, { isSuspect: true });
    return broken(error.message, { failure: error });
  } finally {
    waits.stop();
  }
  if (lengthBytes === undefined || receivedBytes === lengthBytes) return { kind: 'ended' };
  return broken(`the connection ended after ${receivedBytes} of ${lengthBytes} bytes`, {});
}

function broken(
  reason: string,
  more: { isSlow?: boolean; isSuspect?: boolean; failure?: LinkFailure | undefined },
): BodyEnd {
  return {
    kind: 'broken',
    reason,
    isSlow: more.isSlow ?? false,
    isSuspect: more.isSuspect ?? false,
    failure: more.failure,
  };
}

/** `bytes 0-9/20` has all three numbers, `bytes 0-9/*` no total, `bytes * /20` (416) only the total. */
export interface ContentRange {
  /** First and last byte, both inclusive. */
  readonly span?: { readonly first: number; readonly last: number } | undefined;
  readonly totalBytes?: number | undefined;
}

type Headers = Readonly<Record<string, string | undefined>>;

/** A count of bytes; `undefined` for anything but plain digits within the safe integers. */
function parseByteCount(value: string | undefined): number | undefined {
  if (value === undefined || !/^\d{1,16}$/.test(value)) return undefined;
  const count = Number(value);
  return Number.isSafeInteger(count) ? count : undefined;
}

/** `Content-Range` of RFC 9110 §14.4 in bytes; `undefined` when it is absent, of another unit, or contradicts itself. */
export function parseContentRange(value: string | undefined): ContentRange | undefined {
  const match = /^bytes (?:(\d{1,16})-(\d{1,16})|\*)\/(\d{1,16}|\*)$/i.exec(value?.trim() ?? '');
  if (match === null) return undefined;
  const [, firstText, lastText, totalText] = match;
  const totalBytes = parseByteCount(totalText);
  if (totalText !== '*' && totalBytes === undefined) return undefined;
  if (firstText === undefined) return totalBytes === undefined ? undefined : { totalBytes };
  const first = parseByteCount(firstText);
  const last = parseByteCount(lastText);
  if (first === undefined || last === undefined || last < first) return undefined;
  return totalBytes !== undefined && last >= totalBytes ? undefined : { span: { first, last }, totalBytes };
}

/** Says whether an entity tag is strong (RFC 9110 §8.8.3): quoted, without `W/`. */
export function isStrongEtag(value: string | undefined): value is string {
  return value !== undefined && /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(value);
}

/** RFC 9110 §8.8.2.2: a date older than this at the time of the answer can't have been shared by two versions. */
const STRONG_DATE_AGE_MS = 60_000;

/**
 * The value that `If-Range` may carry for this answer (RFC 9110 §13.1.5): a strong entity tag, or, where there is no tag at
 * all, a modification date that counts as a strong validator. `undefined`: a download of it can't be continued.
 */
export function readValidator(headers: Headers): string | undefined {
  const { etag, date } = headers;
  if (etag !== undefined) return isStrongEtag(etag) ? etag : undefined;
  const modified = headers['last-modified'];
  const modifiedAtMs = parseHttpDate(modified ?? '');
  const sentAtMs = parseHttpDate(date ?? '');
  if (modifiedAtMs === undefined || sentAtMs === undefined) return undefined;
  return sentAtMs - modifiedAtMs >= STRONG_DATE_AGE_MS ? modified : undefined;
}

/** Says whether an answer to a request with this `If-Range` value contradicts it. A tag must be repeated, a date need not. */
function isSameVersion(validator: string, headers: Headers): boolean {
  if (validator.startsWith('"')) return headers.etag === validator;
  const modified = headers['last-modified'];
  return headers.etag === undefined && (modified === undefined || modified === validator);
}

/** What the request asked for. Without a validator it asked for the whole. */
export interface AskedRange {
  /** Bytes that are here already; 0 asks for the whole. */
  readonly offsetBytes: number;
  /** The value sent as `If-Range`. */
  readonly validator?: string | undefined;
  /** The whole length as the earlier answer gave it. */
  readonly totalBytes?: number | undefined;
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export type ResponseAction =
  /** The body continues what is here; it is `lengthBytes` long. */
  | { readonly kind: 'append'; readonly lengthBytes: number; readonly totalBytes: number }
  /** The body is the whole, from its first byte. `reason`: why bytes that are here are dropped. */
  | {
      readonly kind: 'whole';
      /** Length on the wire; absent when the host does not say. */
      readonly lengthBytes?: number | undefined;
      readonly validator?: string | undefined;
      /** A content coding to be undone; then the length is that of the coded bytes. */
      readonly coding?: string | undefined;
      readonly reason?: string | undefined;
    }
  /** Everything is here already. */
  | { readonly kind: 'complete' }
  /** What is here can't be continued: drop it and ask for the whole, once. */
  | { readonly kind: 'ask-again'; readonly reason: string }
  /** The link is dead; a fresh one may not be. */
  | { readonly kind: 'expired'; readonly status: number }
  | { readonly kind: 'retry'; readonly reason: string; readonly retryAfterMs?: number | undefined }
  | { readonly kind: 'fail'; readonly reason: string };

const EXPIRED: ReadonlySet<number> = new Set([401, 403, 404, 410]);

/** What to do with an answer of the link host. Pure; the rules are those of RFC 9110 §13.1.5, §14 and §15.3.7. */
export function decideResponse(asked: AskedRange, head: ResponseHead, nowMs: number): ResponseAction {
  const { status, headers } = head;
  if (status === 200) return decideWhole(asked, headers);
  if (status === 206) return decidePartial(asked, headers);
  if (status === 416) return decideUnsatisfiable(asked, headers);
  if (EXPIRED.has(status)) return { kind: 'expired', status };
  const reason = `the host answered ${status}`;
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    return { kind: 'retry', reason, retryAfterMs: parseRetryAfter(headers['retry-after'], nowMs) };
  }
  return { kind: 'fail', reason };
}

function decideWhole(asked: AskedRange, headers: ResponseHead['headers']): ResponseAction {
  const coding = codingOf(headers);
  const length = headers['content-length'];
  const lengthBytes = parseByteCount(length);
  if (length !== undefined && lengthBytes === undefined)
    return { kind: 'retry', reason: 'the host gave no sound length' };
  // A coded answer has a length and bytes of its own: nothing of it can be continued.
  const validator = coding === undefined ? readValidator(headers) : undefined;
  return {
    kind: 'whole',
    lengthBytes,
    validator,
    coding,
    reason: asked.offsetBytes > 0 ? whyWhole(asked, headers) : undefined,
  };
}

function whyWhole({ validator }: AskedRange, headers: ResponseHead['headers']): string {
  const isSame = validator !== undefined && isSameVersion(validator, headers);
  return isSame ? 'the host does not continue downloads' : 'the file has changed on the host';
}

function decidePartial(asked: AskedRange, headers: ResponseHead['headers']): ResponseAction {
  const flaw = flawOfPartial(asked, headers);
  if (typeof flaw !== 'string') return { kind: 'append', ...flaw };
  return asked.offsetBytes > 0 ? { kind: 'ask-again', reason: flaw } : { kind: 'retry', reason: flaw };
}

/** The reason to refuse a 206, or what it brings. One part, identity coding, same version, start and total: nothing less. */
function flawOfPartial(asked: AskedRange, headers: ResponseHead['headers']) {
  const { offsetBytes, validator, totalBytes } = asked;
  if (offsetBytes === 0 || validator === undefined) return 'the host sent a part without being asked for one';
  if (/^multipart\//i.test(headers['content-type'] ?? '')) return 'the host sent several parts at once';
  if (codingOf(headers) !== undefined) return 'the host sent a coded part';
  const range = parseContentRange(headers['content-range']);
  if (range?.span === undefined || range.totalBytes === undefined)
    return 'the host did not say which part it sent';
  if (range.span.first !== offsetBytes) return 'the host sent another part than the one asked for';
  if (totalBytes !== undefined && range.totalBytes !== totalBytes) return 'the file has another length now';
  if (!isSameVersion(validator, headers)) return 'the file has changed on the host';
  const lengthBytes = range.span.last - range.span.first + 1;
  const announced = headers['content-length'];
  if (announced !== undefined && parseByteCount(announced) !== lengthBytes)
    return 'the host contradicts itself about the length';
  return { lengthBytes, totalBytes: range.totalBytes };
}

/** `If-Range` is judged before `Range` (RFC 9110 §13.2.2), so a 416 without a tag still speaks of the same version. */
function decideUnsatisfiable(asked: AskedRange, headers: ResponseHead['headers']): ResponseAction {
  const { offsetBytes, validator, totalBytes } = asked;
  const reason = 'the host has no such part';
  if (offsetBytes === 0) return { kind: 'retry', reason };
  const range = parseContentRange(headers['content-range']);
  const isWhole =
    range?.totalBytes === offsetBytes && (totalBytes === undefined || totalBytes === offsetBytes);
  const isOther = validator === undefined || (headers.etag !== undefined && headers.etag !== validator);
  return isWhole && !isOther ? { kind: 'complete' } : { kind: 'ask-again', reason };
}

function codingOf(headers: ResponseHead['headers']): string | undefined {
  const coding = headers['content-encoding']?.trim().toLowerCase();
  return coding === undefined || coding === '' || coding === 'identity' ? undefined : coding;
}

/** Less than this is no progress: a host that gives a few bytes a connection would be asked for ever. */
const PROGRESS_BYTES = 16 * 1024;

export interface RetryPolicy {
  /** Notes how far the download is; getting further than ever starts the count of failures anew. */
  noteSize(sizeBytes: number): void;
  /**
   * Counts a failure and waits before the next attempt. `gave-up`: too many in a row; `too-late`: the wait would outlast
   * the link or the deadline.
   * @throws the signal's reason when aborted
   */
  wait(reason: string, retryAfterMs?: number): Promise<'go-on' | 'gave-up' | 'too-late'>;
}

export interface RetryPolicyOptions {
  readonly clock: Clock;
  readonly emit: (event: DownloadEvent) => void;
  readonly job: LinkJob;
  /** Of the link in use, which may be fresher than the job's. */
  readonly linkExpiresAtMs: () => number | undefined;
}

/** Counts failures without progress, and spaces the attempts: full jitter, at most 30 s, never less than the host asks for. */
export function createRetryPolicy({ clock, emit, job, linkExpiresAtMs }: RetryPolicyOptions): RetryPolicy {
  let failures = 0;
  let bestBytes = 0;
  return {
    noteSize: (sizeBytes) => {
      if (sizeBytes - bestBytes >= PROGRESS_BYTES) failures = 0;
      bestBytes = Math.max(bestBytes, sizeBytes);
    },
    wait: async (reason, retryAfterMs) => {
      failures += 1;
      if (failures >= job.limits.maxAttempts) return 'gave-up';
      const budgetMs = timeLeft(clock.now(), [linkExpiresAtMs(), job.limits.deadlineAtMs]);
      const delayMs = backoffDelayMs(failures, clock.random(), { retryAfterMs, budgetMs });
      if (delayMs === undefined) return 'too-late';
      emit({ kind: 'download-retry', taskId: job.taskId, reason, delayMs });
      await clock.sleep(delayMs, job.signal);
      return 'go-on';
    },
  };
}

/** An end that has passed already binds nothing: the link may live longer than was said. */
function timeLeft(nowMs: number, endsAtMs: readonly (number | undefined)[]): number {
  const left = endsAtMs.flatMap((atMs) => (atMs !== undefined && atMs > nowMs ? [atMs - nowMs] : []));
  return Math.min(Number.POSITIVE_INFINITY, ...left);
}

export interface DownloadDependencies {
  readonly client: LinkClient;
  readonly clock: Clock;
  readonly emit: (event: DownloadEvent) => void;
}

/** What one request came to. */
export type AttemptEnd =
  /** Everything is here; still to be verified. */
  | { readonly kind: 'whole' }
  /** The host sent a shorter range than asked for, in full: ask for the rest. */
  | { readonly kind: 'more' }
  | {
      readonly kind: 'retry';
      readonly reason: string;
      readonly retryAfterMs?: number | undefined;
      /** Too slow: what came does not count as progress. */
      readonly isSlow?: boolean | undefined;
    }
  /** What is here was dropped; ask for the whole. */
  | { readonly kind: 'ask-again'; readonly reason: string }
  | { readonly kind: 'expired'; readonly status: number }
  | {
      readonly kind: 'fail';
      readonly reason: string;
      readonly isRetryable: boolean;
      readonly obstacle?: Obstacle | undefined;
    };

export interface Attempt {
  readonly link: string;
  readonly part: PartFile;
  readonly job: LinkJob;
}

/**
 * One request, written to the part as far as it comes. Never throws for what the network or the host does.
 * @throws the signal's reason when aborted; errors of the disk
 */
export async function fetchPart(deps: DownloadDependencies, attempt: Attempt): Promise<AttemptEnd> {
  const { part, job } = attempt;
  const offsetBytes = part.sizeBytes();
  const { validator, totalBytes } = part.source();
  const asked = validator === undefined ? { offsetBytes: 0 } : { offsetBytes, validator, totalBytes };
  const range = asked.offsetBytes > 0 ? { range: `bytes=${offsetBytes}-`, ifRange: validator } : {};
  let response: LinkResponse;
  try {
    response = await deps.client.open(attempt.link, { ...range, signal: job.signal });
  } catch (error) {
    job.signal.throwIfAborted();
    if (error instanceof LinkFailure) return endOfFailure(error);
    throw error;
  }
  try {
    return await act(deps, attempt, { response, action: decideResponse(asked, response, deps.clock.now()) });
  } finally {
    response.close();
  }
}

interface Answer {
  readonly response: LinkResponse;
  readonly action: ResponseAction;
}

async function act(
  deps: DownloadDependencies,
  attempt: Attempt,
  { response, action }: Answer,
): Promise<AttemptEnd> {
  const { part } = attempt;
  switch (action.kind) {
    case 'append':
      started(deps, attempt, action.totalBytes);
      return receive(deps, attempt, {
        body: response.body,
        lengthBytes: action.lengthBytes,
        totalBytes: action.totalBytes,
      });
    case 'whole':
      return receiveWhole(deps, attempt, { response, action });
    case 'complete':
      return { kind: 'whole' };
    case 'ask-again':
      await part.distrust();
      return action;
    case 'fail':
      return { kind: 'fail', reason: action.reason, isRetryable: false };
    case 'expired':
    case 'retry':
      return action;
  }
}

async function receiveWhole(
  deps: DownloadDependencies,
  attempt: Attempt,
  {
    response,
    action,
  }: { readonly response: LinkResponse; readonly action: Extract<ResponseAction, { kind: 'whole' }> },
): Promise<AttemptEnd> {
  const { part, job } = attempt;
  const { coding, lengthBytes, validator } = action;
  if (coding !== undefined && !isKnownCoding(coding)) {
    return { kind: 'fail', reason: `the host sent an unknown coding "${coding}"`, isRetryable: false };
  }
  const totalBytes = coding === undefined ? lengthBytes : undefined;
  if (totalBytes !== undefined && totalBytes > job.limits.maxSizeBytes) return tooLarge(job);
  if (totalBytes !== undefined) await requireSpace(dirname(part.paths.part), totalBytes);
  const reason =
    action.reason ?? (part.sizeBytes() > 0 ? 'the host gave nothing to recognise the version by' : undefined);
  if (reason !== undefined) deps.emit({ kind: 'download-restarted', taskId: job.taskId, reason });
  await part.startOver({ validator, totalBytes });
  started(deps, attempt, totalBytes);
  const body = coding === undefined ? response.body : decodeBody(response.body, { coding, lengthBytes });
  return receive(deps, attempt, { body, lengthBytes: totalBytes, totalBytes });
}

interface Incoming {
  readonly body: AsyncIterable<Uint8Array>;
  readonly lengthBytes?: number | undefined;
  readonly totalBytes?: number | undefined;
}

async function receive(
  deps: DownloadDependencies,
  { part, job }: Attempt,
  incoming: Incoming,
): Promise<AttemptEnd> {
  const { totalBytes } = incoming;
  const report = createByteReporter(deps, { taskId: job.taskId, totalBytes });
  const end = await readBody({
    ...incoming,
    offsetBytes: part.sizeBytes(),
    limits: job.limits,
    clock: deps.clock,
    signal: job.signal,
    write: (chunk) => {
      const wait = part.write(chunk);
      report(part.sizeBytes());
      return wait;
    },
  });
  // What can't be written must end the download here, not look like trouble of the network.
  await part.flush();
  if (end.kind === 'ended') {
    report(part.sizeBytes(), true);
    return totalBytes === undefined || part.sizeBytes() === totalBytes ? { kind: 'whole' } : { kind: 'more' };
  }
  if (end.kind === 'too-large') {
    await part.discard();
    return tooLarge(job);
  }
  if (end.isSuspect) await part.distrust();
  return end.failure === undefined
    ? { kind: 'retry', reason: end.reason, isSlow: end.isSlow }
    : endOfFailure(end.failure);
}

function started(deps: DownloadDependencies, { part, job }: Attempt, totalBytes: number | undefined): void {
  deps.emit({ kind: 'download-started', taskId: job.taskId, totalBytes, resumedFromBytes: part.sizeBytes() });
}

function endOfFailure(failure: LinkFailure): AttemptEnd {
  const { message: reason, isTransient, reason: obstacle } = failure;
  return isTransient ? { kind: 'retry', reason } : { kind: 'fail', reason, isRetryable: false, obstacle };
}

function tooLarge({ limits }: LinkJob): AttemptEnd {
  return {
    kind: 'fail',
    reason: `the file is larger than ${formatBytes(limits.maxSizeBytes)}, the largest size allowed`,
    isRetryable: false,
    obstacle: 'too-large',
  };
}
