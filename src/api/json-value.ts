/** Guards over parsed JSON of which nothing is certain. None of them throws. */

export type JsonRecord = Readonly<Record<string, unknown>>;

/** Says whether a value is an object, arrays excluded. */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The own field of an object; `undefined` where there is no object or no such field. */
export function fieldOf(value: unknown, name: string): unknown {
  return isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** A non-empty text; numbers become text. */
export function toText(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

/** A finite number, also where it is written as text (`"45"`, `"45%"`). */
export function toNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string' || value.trim() === '' || value.length > 40) return undefined;
  const number = Number(value.trim().replace(/%$/, ''));
  return Number.isFinite(number) ? number : undefined;
}

/** A time as ms since the epoch: Unix seconds, Unix milliseconds, or an ISO date. */
export function toTimeMs(value: unknown): number | undefined {
  const number = toNumber(value);
  if (number !== undefined)
    return number > 0 && number < 8.64e15 ? (number < 1e11 ? number * 1000 : number) : undefined;
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}/.test(value)) return undefined;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : atMs;
}
