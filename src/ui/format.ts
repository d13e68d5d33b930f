import { sanitizeServerText } from '../platform/text.ts';

const MINUTE_MS = 60_000;

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

/** `$0.99`. */
export function formatUsd(usd: number): string {
  return `$${usd.toFixed(2)}`;
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
  const minutes = Math.floor(Math.abs(atMs - nowMs) / MINUTE_MS);
  if (minutes === 0) return 'now';
  // 24 h is how the life of a link is spoken of: days only from the second on.
  const isDays = minutes >= 48 * 60;
  const [value, size, big, small] = isDays ? [minutes / 60, 24, 'd', 'h'] : [minutes, 60, 'h', 'min'];
  const parts = [[Math.floor(value / size), big] as const, [Math.floor(value % size), small] as const];
  const span = parts.flatMap(([count, unit]) => (count === 0 ? [] : [`${count} ${unit}`])).join(' ');
  return atMs > nowMs ? `in ${span}` : `${span} ago`;
}

/** Smaller differences come from rounding, not from prices. */
const SMALLEST_DIFFERENCE = 0.005;

/**
 * What a task cost, and how that differs from what was estimated: `70 credits charged (75 reserved), 2.5 more than the
 * estimate of 67.5`. Absent when the service named no figure.
 */
export function formatCreditsSpent({
  estimatedCredits: estimate,
  reservedCredits: reserved,
  usedCredits: used,
}: {
  readonly [K in 'estimatedCredits' | 'reservedCredits' | 'usedCredits']?: number | undefined;
}): string | undefined {
  const actual = used ?? reserved;
  if (actual === undefined) return undefined;
  const isApart = used !== undefined && reserved !== undefined && reserved !== used;
  const difference = estimate === undefined ? 0 : actual - estimate;
  return [
    `${formatCredits(actual)} credits ${used === undefined ? 'reserved' : 'charged'}`,
    isApart ? ` (${formatCredits(reserved)} reserved)` : '',
    estimate === undefined || Math.abs(difference) < SMALLEST_DIFFERENCE
      ? ''
      : `, ${formatCredits(Math.abs(difference))} ${difference > 0 ? 'more' : 'less'} than the estimate of ${formatCredits(estimate)}`,
  ].join('');
}

/** `image 1 (first frame) = style.png, 1600×1200`. */
export function formatMedia(media: {
  readonly name: string;
  readonly role?: string | null | undefined;
  readonly label: string;
  readonly facts?: string | null | undefined;
}): string {
  const role = media.role ? ` (${media.role})` : '';
  return `${media.name}${role} = ${sanitizeServerText(media.label)}${media.facts ? `, ${media.facts}` : ''}`;
}

/**
 * One JSON document, on one line unless indented, without the final newline. No control or invisible character stands
 * bare in it: they are escaped, so that the data stay the same. `##[` is escaped too, as GitHub's runner obeys it
 * anywhere in a line.
 */
export function toJsonText(document: unknown, indent?: number): string {
  const json = JSON.stringify(document, null, indent);
  // Most is plain, and then the class of all such characters need not be compiled.
  return (/[^\n -~]/.test(json) ? escapeBare(json) : json).replace(/#(?=#\w*\[)/g, '\\u0023');
}

/** What `JSON.stringify` leaves bare: DEL and C1, format characters (bidi, zero width, tags), U+2028 and U+2029. */
function escapeBare(json: string): string {
  return json.replace(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (text) =>
    Array.from({ length: text.length }, (_, at) => escapeUnit(text.charCodeAt(at))).join(''),
  );
}

function escapeUnit(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`;
}

/** The furthest moment that a `Date` can hold (ECMA-262); beyond it `toISOString` throws. */
const LAST_MOMENT_MS = 8.64e15;

/** ISO 8601 in UTC, or null for a moment that is unknown or makes no sense. */
export function toIsoTime(atMs: unknown): string | null {
  const isMoment = typeof atMs === 'number' && Math.abs(atMs) <= LAST_MOMENT_MS;
  return isMoment ? new Date(atMs).toISOString() : null;
}
