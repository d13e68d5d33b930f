import type { Clock } from '../platform/clock.ts';
import { createSpeedWatch, type SpeedWatch } from './speed-watch.ts';
import { type DownloadLimits, LinkFailure } from './types.ts';

export interface BodyJob {
  readonly body: AsyncIterable<Uint8Array>;
  /** The length of this body; absent when the host did not say. */
  readonly lengthBytes?: number | undefined;
  /** Bytes that lie before this body: they count towards the largest size. */
  readonly offsetBytes: number;
  readonly limits: DownloadLimits;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Takes the bytes; its errors end the reading and pass through. */
  readonly write: (chunk: Uint8Array) => Promise<void>;
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
  const iterator = job.body[Symbol.asyncIterator]();
  const watch = createSpeedWatch(limits);
  let receivedBytes = 0;
  for (;;) {
    const next = await nextChunk(iterator, watch, job);
    if (next.kind === 'broken')
      return broken(next.reason, { ...next, isSuspect: lengthBytes === receivedBytes && receivedBytes > 0 });
    if (next.kind === 'done') break;
    receivedBytes += next.chunk.byteLength;
    if (lengthBytes !== undefined && receivedBytes > lengthBytes) {
      return broken('the host sent more bytes than it had announced', { isSuspect: true });
    }
    if (job.offsetBytes + receivedBytes > limits.maxSizeBytes) return { kind: 'too-large' };
    await job.write(next.chunk);
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

type NextChunk =
  | { readonly kind: 'chunk'; readonly chunk: Uint8Array }
  | { readonly kind: 'done' }
  | {
      readonly kind: 'broken';
      readonly reason: string;
      readonly isSlow: boolean;
      readonly failure?: LinkFailure | undefined;
    };

async function nextChunk(
  iterator: AsyncIterator<Uint8Array>,
  watch: SpeedWatch,
  job: BodyJob,
): Promise<NextChunk> {
  let pending: Promise<IteratorResult<Uint8Array>> | undefined;
  for (;;) {
    // What has come is written even if it came too slowly (the next connection goes on behind it): so judged before a wait.
    const verdict = watch.verdict();
    if (verdict !== undefined) return { kind: 'broken', reason: verdict, isSlow: true };
    pending ??= startRead(iterator);
    const startMs = job.clock.monotonicMs();
    const result = await waitFor(pending, watch.nextLookMs(), job).catch(toFailure);
    if (result instanceof LinkFailure)
      return { kind: 'broken', reason: result.message, isSlow: false, failure: result };
    if (result !== 'look' && result.done === true) return { kind: 'done' };
    const chunk = result === 'look' ? undefined : result.value;
    watch.note(job.clock.monotonicMs() - startMs, chunk?.byteLength ?? 0);
    if (chunk !== undefined) return { kind: 'chunk', chunk };
  }
}

/** A read may be left behind when the wait for it is broken off; its end is of no interest then. */
function startRead(iterator: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  const pending = iterator.next();
  pending.catch(() => undefined);
  return pending;
}

/** The result of a promise, or `look` after the delay. Rejects at once when aborted. */
function waitFor<T>(
  pending: Promise<T>,
  delayMs: number | undefined,
  { clock, signal }: BodyJob,
): Promise<T | 'look'> {
  return new Promise((resolve, reject) => {
    const cancel =
      delayMs === undefined ? () => undefined : clock.after(delayMs, () => settle(() => resolve('look')));
    const abort = () => settle(() => reject(signal.reason));
    const settle = (end: () => void) => {
      cancel();
      signal.removeEventListener('abort', abort);
      end();
    };
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    pending.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}

function toFailure(error: unknown): LinkFailure {
  if (error instanceof LinkFailure) return error;
  throw error;
}
