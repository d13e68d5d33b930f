import { sanitizeServerText } from '../platform/text.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A span: `5s`, `1m 05s`, `2h 03m`. Never negative, whole seconds, rounded down. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1000));
  const two = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h ${two(Math.floor((seconds % 3600) / 60))}m`;
}

/** The length of a clip in seconds: `5 s`, `5.04 s`. */
export function formatSeconds(seconds: number): string {
  return `${Number(seconds.toFixed(2))} s`;
}

/** Credits as a plain number with at most four digits after the point: `67.5`, `1032.75`, `0.04`. */
export function formatCredits(credits: number): string {
  // Adding 0 turns -0 into 0.
  return String(Number(credits.toFixed(4)) + 0);
}

/** `45%`, within 0 to 100, rounded down: 100% only when it is whole. */
export function formatPercent(percent: number): string {
  return `${Math.floor(Math.min(100, Math.max(0, percent)))}%`;
}

/** `1 clip`, `2 clips`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Local wall time, `2026-11-22 10:03`. */
export function formatLocalTime(atMs: number): string {
  const date = new Date(atMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** The distance from now: `in 23 h 10 min`, `5 min ago`, `now` (less than a minute either way). */
export function formatRelative(atMs: number, nowMs: number): string {
  const span = formatSpan(Math.abs(atMs - nowMs));
  if (span === undefined) return 'now';
  return atMs > nowMs ? `in ${span}` : `${span} ago`;
}

function formatSpan(spanMs: number): string | undefined {
  const minutes = Math.floor((spanMs % HOUR_MS) / MINUTE_MS);
  const hours = Math.floor((spanMs % DAY_MS) / HOUR_MS);
  const days = Math.floor(spanMs / DAY_MS);
  if (spanMs < MINUTE_MS) return undefined;
  if (spanMs < HOUR_MS) return `${minutes} min`;
  // 24 h is how the life of a link is spoken of: days only from the second on.
  if (spanMs < 2 * DAY_MS)
    return minutes === 0 ? `${hours + days * 24} h` : `${hours + days * 24} h ${minutes} min`;
  return hours === 0 ? `${days} d` : `${days} d ${hours} h`;
}

interface CreditFigures {
  readonly estimatedCredits?: number | undefined;
  readonly reservedCredits?: number | undefined;
  readonly usedCredits?: number | undefined;
}

/** Smaller differences come from rounding, not from prices. */
const SMALLEST_DIFFERENCE = 0.005;

/**
 * What a task cost, and how that differs from what was estimated: `70 credits charged (75 reserved), 2.5 more than the
 * estimate of 67.5`. Absent when the service named no figure.
 */
export function formatCreditsSpent(figures: CreditFigures): string | undefined {
  const { estimatedCredits, reservedCredits, usedCredits } = figures;
  const actual = usedCredits ?? reservedCredits;
  if (actual === undefined) return undefined;
  const verb = usedCredits === undefined ? 'reserved' : 'charged';
  const isReservedApart =
    usedCredits !== undefined && reservedCredits !== undefined && reservedCredits !== usedCredits;
  const reserved = isReservedApart ? ` (${formatCredits(reservedCredits)} reserved)` : '';
  return `${formatCredits(actual)} credits ${verb}${reserved}${describeDifference(actual, estimatedCredits)}`;
}

function describeDifference(actual: number, estimate: number | undefined): string {
  if (estimate === undefined || Math.abs(actual - estimate) < SMALLEST_DIFFERENCE) return '';
  const direction = actual > estimate ? 'more' : 'less';
  const difference = formatCredits(Math.abs(actual - estimate));
  return `, ${difference} ${direction} than the estimate of ${formatCredits(estimate)}`;
}

/** `image 1 (first frame) = style.png, 1600×1200`. */
export function formatMedia({
  name,
  role,
  label,
  facts,
}: {
  readonly name: string;
  readonly role?: string | undefined;
  readonly label: string;
  readonly facts?: string | undefined;
}): string {
  const place = role === undefined ? name : `${name} (${role})`;
  const known = facts === undefined ? '' : `, ${facts}`;
  return `${place} = ${sanitizeServerText(label)}${known}`;
}

/** What `JSON.stringify` leaves bare: DEL and C1, format characters (bidi, zero width, tags), U+2028 and U+2029. */
const BARE_CONTROLS = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * One JSON document, on one line unless indented, without the final newline. No control or invisible character stands
 * bare in it: they are escaped, so that the data stay the same. `##[` is escaped too, as GitHub's runner obeys it
 * anywhere in a line.
 */
export function toJsonText(document: unknown, indent?: number): string {
  return JSON.stringify(document, null, indent)
    .replace(BARE_CONTROLS, escapeUnits)
    .replace(/#(?=#\w*\[)/g, '\\u0023');
}

function escapeUnits(text: string): string {
  return text
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}

/** The furthest moment that a `Date` can hold (ECMA-262); beyond it `toISOString` throws. */
const LAST_MOMENT_MS = 8.64e15;

/** ISO 8601 in UTC, or null for a moment that is unknown or makes no sense. */
export function toIsoTime(atMs: unknown): string | null {
  const isMoment = typeof atMs === 'number' && Math.abs(atMs) <= LAST_MOMENT_MS;
  return isMoment ? new Date(atMs).toISOString() : null;
}
