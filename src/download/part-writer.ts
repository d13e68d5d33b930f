import { type PartHandle, writeAllAt } from './part-handle.ts';

/** Two of them are all the memory that a download takes for its bytes, however large the file. */
const BUFFER_BYTES = 1024 ** 2;
/** An idle disk is given no less than this at once: a write for each chunk of the network would cost more than its bytes. */
const LEAST_WRITE_BYTES = 256 * 1024;

/** Bytes on their way to a file: gathered in one buffer while the other is being written. */
export interface PartWriter {
  /** What was taken, the bytes still on their way included; after a failure, what the file has of it. */
  acceptedBytes(): number;
  /** What the system has taken. */
  writtenBytes(): number;
  /**
   * Takes a chunk, which may be used again at once. Where both buffers are full there is a promise to wait for.
   * @throws what an earlier write failed with
   */
  push(chunk: Uint8Array): Promise<void> | undefined;
  /** Resolves when all that was taken is written. @throws as `push` */
  flush(): Promise<void>;
}

/** A writer that goes on at the offset. Errors are the system's own, or `ShortWriteError`; none is ever forgotten. */
export function createPartWriter(handle: PartHandle, offsetBytes: number): PartWriter {
  let filling = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  let spare = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  let filledBytes = 0;
  let acceptedBytes = offsetBytes;
  let writtenBytes = offsetBytes;
  let underWay: Promise<void> | undefined;
  let failure: { readonly error: unknown } | undefined;

  const throwFailure = () => {
    if (failure !== undefined) throw failure.error;
  };
  const noteWritten = (bytes: number) => {
    writtenBytes += bytes;
  };
  const fail = (error: unknown) => {
    failure = { error };
    acceptedBytes = writtenBytes;
    filledBytes = 0;
  };
  /** Only while no other write is under way: it would still need the spare buffer. */
  const startWrite = () => {
    const bytes = filling.subarray(0, filledBytes);
    [filling, spare] = [spare, filling];
    filledBytes = 0;
    underWay = writeAllAt(handle, bytes, { positionBytes: writtenBytes, onWritten: noteWritten })
      .catch(fail)
      .finally(() => {
        underWay = undefined;
      });
  };
  /** Takes what fits, and returns the rest. */
  const take = (chunk: Uint8Array): Uint8Array => {
    const taken = chunk.subarray(0, BUFFER_BYTES - filledBytes);
    filling.set(taken, filledBytes);
    filledBytes += taken.byteLength;
    acceptedBytes += taken.byteLength;
    return chunk.subarray(taken.byteLength);
  };
  const pushSlowly = async (chunk: Uint8Array) => {
    for (let rest = take(chunk); rest.byteLength > 0; rest = take(rest)) {
      await underWay;
      throwFailure();
      startWrite();
    }
  };

  return {
    acceptedBytes: () => acceptedBytes,
    writtenBytes: () => writtenBytes,
    push: (chunk) => {
      throwFailure();
      if (chunk.byteLength > BUFFER_BYTES - filledBytes) return pushSlowly(chunk);
      take(chunk);
      if (underWay === undefined && filledBytes >= LEAST_WRITE_BYTES) startWrite();
      return undefined;
    },
    flush: async () => {
      while (underWay !== undefined || filledBytes > 0) {
        if (underWay === undefined) startWrite();
        await underWay;
      }
      throwFailure();
    },
  };
}
