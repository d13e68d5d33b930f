import { backoffDelayMs } from '../platform/backoff.ts';
import type { Clock } from '../platform/clock.ts';
import type { DownloadEvent, LinkJob } from './types.ts';

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
