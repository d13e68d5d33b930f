import type { Clock } from '../platform/clock.ts';
import { createSpeedWatch } from './speed-watch.ts';
import type { DownloadLimits } from './types.ts';

export interface BodyTiming {
  readonly limits: DownloadLimits;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The waits for one body, judged for idleness and speed: one timer and one listener for all of them. */
export interface BodyWaits {
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
export function createBodyWaits({ limits, clock, signal }: BodyTiming): BodyWaits {
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
