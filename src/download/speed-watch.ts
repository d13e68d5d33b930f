import type { DownloadLimits } from './types.ts';

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
