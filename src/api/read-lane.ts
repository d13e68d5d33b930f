/** As much as a fast connection has ready; of a slow one's only the pages that it fills take memory. */
const BUFFER_BYTES = 1024 ** 2;
/** A buffer with less room than this is full: TLS gives 16 KiB at a time, so it takes many of those. */
const LEAST_ROOM_BYTES = 256 * 1024;
/** Buffers that hold bytes; with more the connection waits. Besides them one is ready for what still comes. */
const MOST_IN_USE = 2;

/** What is read of a connection on its way to who asked for it, in a few buffers that are used again. */
export interface ReadLane {
  /** Room for the next read. */
  nextRoom(): Uint8Array;
  /**
   * Takes what was read into the last room.
   * @param skippedBytes at its start, which belong to something else
   * @returns false where nothing more should be read until there is room
   */
  push(readBytes: number, skippedBytes: number): boolean;
  /** So many bytes, and what came with the last of them; a chunk is valid until the next is asked for. */
  read(lengthBytes: number): AsyncGenerator<Uint8Array>;
}

interface ReadBuffer {
  readonly bytes: Uint8Array;
  filledBytes: number;
  takenBytes: number;
}

/** @param signal ends the waiting for bytes; those that are here are still given out */
export function createReadLane(signal: AbortSignal, onRoom: () => void): ReadLane {
  const free: Uint8Array[] = [];
  /** Oldest first. The connection fills one of its own, which is here as long as it holds bytes. */
  const inUse: ReadBuffer[] = [];
  let filling = makeBuffer();
  let isWaiting = false;
  let wake: (() => void) | undefined;
  signal.addEventListener('abort', () => wake?.(), { once: true });

  function makeBuffer(): ReadBuffer {
    const bytes = free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    return { bytes, filledBytes: 0, takenBytes: 0 };
  }
  const take = async (): Promise<Uint8Array> => {
    for (;;) {
      const oldest = inUse.find(({ takenBytes, filledBytes }) => takenBytes < filledBytes);
      if (oldest !== undefined) {
        const chunk = oldest.bytes.subarray(oldest.takenBytes, oldest.filledBytes);
        oldest.takenBytes = oldest.filledBytes;
        return chunk;
      }
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  /** Every chunk that was given out has been used. */
  const release = () => {
    for (let [oldest] = inUse; oldest !== undefined && isUsed(oldest); [oldest] = inUse) {
      inUse.shift();
      if (oldest !== filling) keep(oldest);
    }
    if (!isWaiting || inUse.length > MOST_IN_USE) return;
    isWaiting = false;
    onRoom();
  };
  const keep = ({ bytes }: ReadBuffer) => {
    if (free.length <= MOST_IN_USE) free.push(bytes);
  };

  return {
    // Always room that nobody reads, even where a connection goes on though it was told to wait.
    nextRoom() {
      if (BUFFER_BYTES - filling.filledBytes < LEAST_ROOM_BYTES) {
        if (!inUse.includes(filling)) keep(filling);
        filling = makeBuffer();
      }
      return filling.bytes.subarray(filling.filledBytes);
    },
    push(readBytes, skippedBytes) {
      if (readBytes > skippedBytes && !inUse.includes(filling)) inUse.push(filling);
      if (skippedBytes > 0) filling.takenBytes = filling.filledBytes + skippedBytes;
      filling.filledBytes += readBytes;
      wake?.();
      isWaiting = inUse.length > MOST_IN_USE;
      return !isWaiting;
    },
    async *read(lengthBytes) {
      for (let leftBytes = lengthBytes; leftBytes > 0; ) {
        const chunk = await take();
        leftBytes -= chunk.byteLength;
        yield chunk;
        release();
      }
    },
  };
}

function isUsed({ takenBytes, filledBytes }: ReadBuffer): boolean {
  return takenBytes === filledBytes;
}
