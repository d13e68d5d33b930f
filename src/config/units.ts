const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

/** Longer waits do not fit a timer (2^31 - 1 ms). */
export const MAX_DURATION_MS = 7 * 86_400_000;

/**
 * Reads `30m`, `1h30m`, `45s`, `1.5h`, `500ms` or `0` as milliseconds; units from large to small, each once. Undefined
 * for anything else: a number without a unit, a negative one, more than 7 days.
 */
export function parseDurationMs(text: string): number | undefined {
  const compact = text.trim().toLowerCase();
  if (compact === '0') return 0;
  if (compact.length > 40 || !/^(?:\d+(?:\.\d+)?(?:ms|[smhd])\s*)+$/.test(compact)) return undefined;
  let totalMs = 0;
  let lastUnitMs = Number.POSITIVE_INFINITY;
  for (const [, amount, unit = ''] of compact.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) {
    const unitMs = MS_PER_UNIT[unit] ?? 0;
    if (unitMs >= lastUnitMs) return undefined;
    lastUnitMs = unitMs;
    totalMs += Number(amount) * unitMs;
  }
  return totalMs <= MAX_DURATION_MS ? Math.round(totalMs) : undefined;
}

/** Milliseconds in the form that `parseDurationMs` reads: `1h30m`, `45s`, `0`. */
export function formatDurationMs(durationMs: number): string {
  let restMs = durationMs;
  let text = '';
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const unitMs = MS_PER_UNIT[unit] ?? 1;
    const count = Math.floor(restMs / unitMs);
    restMs -= count * unitMs;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === '' ? '0' : text;
}

/**
 * Reads `4GiB`, `500 MB`, `10kB` or plain bytes (`0`, `1048576`). `kB`, `MB`, … count in thousands and `KiB`, `MiB`, …
 * in 1024 (IEC 80000-13), in any case. Undefined for anything else.
 */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,9})?)\s*([kmgt]?i?b)?$/.exec(text.trim().toLowerCase());
  if (match === null) return undefined;
  const unitBytes = BYTES_PER_UNIT[match[2] ?? 'b'];
  if (unitBytes === undefined) return undefined;
  const sizeBytes = Math.round(Number(match[1]) * unitBytes);
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined;
}

/** Bytes in the form that `parseSizeBytes` reads: `4GiB` where it comes out even, `1500` where it does not. */
export function formatSizeBytes(sizeBytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const unitBytes = BYTES_PER_UNIT[unit.toLowerCase()] ?? 1;
    if (sizeBytes >= unitBytes && sizeBytes % unitBytes === 0) return `${sizeBytes / unitBytes}${unit}`;
  }
  return String(sizeBytes);
}
