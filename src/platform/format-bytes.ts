const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** A size for people in IEC units: `512 B`, `1.5 MiB`. */
export function formatBytes(sizeBytes: number): string {
  let value = Math.max(0, Math.round(sizeBytes));
  let unit = 0;
  // Compared as it will be shown: 1023.96 KiB would read "1024.0 KiB".
  for (; Number(value.toFixed(1)) >= 1024 && unit < UNITS.length - 1; unit += 1) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
