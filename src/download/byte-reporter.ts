import type { Clock } from '../platform/clock.ts';
import type { DownloadEvent } from './types.ts';

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
