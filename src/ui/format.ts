import { sanitizeServerText } from '../platform/text.ts';
import type { TaskResult } from '../task/events.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** As two units, of which one is left out at zero: `1 min 5 s`, `2 h`; empty below the small one. Rounded down. */
function formatSpan(spanMs: number, big: readonly [ms: number, unit: string], small: typeof big): string {
  const counts = [
    [Math.floor(spanMs / big[0]), big[1]],
    [Math.floor((spanMs % big[0]) / small[0]), small[1]],
  ] as const;
  return counts.flatMap(([count, unit]) => (count === 0 ? [] : `${count} ${unit}`)).join(' ');
}

/** A span: `5 s`, `1 min 5 s`, `2 h 3 min`. Never negative. */
export function formatDuration(durationMs: number): string {
  return durationMs < HOUR_MS
    ? formatSpan(Math.max(0, durationMs), [MINUTE_MS, 'min'], [SECOND_MS, 's']) || '0 s'
    : formatSpan(durationMs, [HOUR_MS, 'h'], [MINUTE_MS, 'min']);
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
  const spanMs = Math.abs(atMs - nowMs);
  if (spanMs < MINUTE_MS) return 'now';
  // 24 h is how the life of a link is spoken of: days only from the second on.
  const span =
    spanMs < 48 * HOUR_MS
      ? formatSpan(spanMs, [HOUR_MS, 'h'], [MINUTE_MS, 'min'])
      : formatSpan(spanMs, [24 * HOUR_MS, 'd'], [HOUR_MS, 'h']);
  return atMs > nowMs ? `in ${span}` : `${span} ago`;
}

/** Smaller differences come from rounding, not from prices. */
const SMALLEST_DIFFERENCE = 0.005;

/**
 * What a task cost, and how that differs from what was estimated: `70 credits charged (75 reserved), 2.5 more than the
 * estimate of 67.5`. Absent when the service named no figure.
 */
export function formatCreditsSpent({ estimated, reserved, used }: TaskResult['credits']): string | undefined {
  const actual = used ?? reserved;
  if (actual === null) return undefined;
  const isApart = used !== null && reserved !== null && reserved !== used;
  const difference = estimated === null ? 0 : actual - estimated;
  return [
    `${formatCredits(actual)} credits ${used === null ? 'reserved' : 'charged'}`,
    isApart ? ` (${formatCredits(reserved)} reserved)` : '',
    estimated === null || Math.abs(difference) < SMALLEST_DIFFERENCE
      ? ''
      : `, ${formatCredits(Math.abs(difference))} ${difference > 0 ? 'more' : 'less'} than the estimate of ${formatCredits(estimated)}`,
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
