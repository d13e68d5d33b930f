/** A power cut or a kill costs at most an eighth of what is here, but a small file is not synced for every few bytes. */
const LEAST_STEP_BYTES = 1024 ** 2;
const MOST_STEP_BYTES = 16 * 1024 ** 2;

/** Makes a growing file durable step by step, while the bytes go on coming. */
export interface Checkpoints {
  /** So many bytes are on the disk for certain, and on record. */
  syncedBytes(): number;
  /** Starts a step where one is due and none is under way. @throws what an earlier one failed with */
  consider(): void;
  /** A step with all that is written. @throws what it, or an earlier one, failed with */
  finish(): Promise<void>;
  /** Resolves when no step is under way. @throws what one failed with */
  settle(): Promise<void>;
}

export interface CheckpointsOptions {
  readonly syncedBytes: number;
  /** What the system has taken by now. */
  readonly writtenBytes: () => number;
  readonly datasync: () => Promise<void>;
  /** Puts on record that so many bytes are durable. */
  readonly note: (syncedBytes: number) => Promise<void>;
}

/** Steps in the background, one at a time; after one that failed there is no other. */
export function createCheckpoints(options: CheckpointsOptions): Checkpoints {
  let syncedBytes = options.syncedBytes;
  let underWay: Promise<void> | undefined;
  let failure: { readonly error: unknown } | undefined;

  const throwFailure = () => {
    if (failure !== undefined) throw failure.error;
  };
  const step = async () => {
    const bytes = options.writtenBytes();
    await options.datasync();
    await options.note(bytes);
    syncedBytes = bytes;
  };
  const settle = async () => {
    await underWay;
    throwFailure();
  };

  return {
    syncedBytes: () => syncedBytes,
    consider: () => {
      throwFailure();
      const dueBytes = Math.min(MOST_STEP_BYTES, Math.max(LEAST_STEP_BYTES, syncedBytes / 8));
      if (underWay !== undefined || options.writtenBytes() - syncedBytes < dueBytes) return;
      underWay = step()
        .catch((error: unknown) => {
          failure = { error };
        })
        .finally(() => {
          underWay = undefined;
        });
    },
    finish: async () => {
      await settle();
      await step();
    },
    settle,
  };
}
