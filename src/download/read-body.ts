import { type BodyTiming, createBodyWaits } from './body-waits.ts';
import { type DownloadLimits, LinkFailure } from './types.ts';

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
    const isSuspect = lengthBytes === receivedBytes && receivedBytes > 0;
    return broken(error.message, { isSuspect, failure: error });
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
