import type { MediaFacts } from '../config/output-pattern.ts';
import { type EvolinkError, SIGNAL_EXITS, type StoppedError } from '../errors.ts';
import type { TaskResult } from '../task/events.ts';
import { describeStopped, resolveCharged, type StopFacts } from './errors.ts';

/** What `JSON.stringify` leaves bare: DEL and C1, format characters (bidi, zero width, tags), U+2028 and U+2029. */
const BARE_CONTROLS = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * One JSON document, on one line unless indented, without the final newline. No control or invisible character stands bare in it: they
 * are escaped, so that the data stay the same. `##[` is escaped too, as GitHub's runner obeys it anywhere in a line.
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

export const SCHEMA_VERSION = 1;

/** The `--json` document of a success. Every key is always there; what is not known is null. */
export function toResultDocument(result: TaskResult) {
  return {
    schema_version: SCHEMA_VERSION,
    ok: true,
    local_id: result.localId ?? null,
    task_id: result.taskId ?? null,
    state: result.state,
    operation: result.operation ?? null,
    model: result.model ?? null,
    path: result.path ?? null,
    size_bytes: result.sizeBytes ?? null,
    sha256: result.sha256 ?? null,
    media: toMediaDocument(result.media),
    credits: {
      estimated: result.estimatedCredits ?? null,
      reserved: result.reservedCredits ?? null,
      used: result.usedCredits ?? null,
    },
    link_expires_at: toIsoTime(result.linkExpiresAtMs),
    warnings: [...result.warnings],
  };
}

/** The `--json` document of a failure. `code` is the name in the table of exit codes. */
export function toErrorDocument(error: EvolinkError) {
  const { facts } = error;
  return {
    schema_version: SCHEMA_VERSION,
    ok: false,
    error: {
      code: error.kind,
      exit: error.exit,
      message: error.message,
      hint: facts.hint ?? null,
      details: [...(facts.details ?? [])],
      retryable: error.isRetryable,
      charged: resolveCharged({ kind: error.kind, ...facts }),
      task_id: facts.taskId ?? null,
      local_id: facts.localId ?? null,
      request_id: facts.requestId ?? null,
      http_status: facts.httpStatus ?? null,
      service_code: facts.serviceCode ?? null,
      resume: facts.resume === undefined ? null : [...facts.resume],
    },
  };
}

/** The same shape for a run that a signal stopped; `code` is `signal`. */
export function toStoppedDocument(error: StoppedError, facts: StopFacts) {
  return {
    schema_version: SCHEMA_VERSION,
    ok: false,
    error: {
      code: 'signal',
      exit: SIGNAL_EXITS[error.signal],
      message: error.message,
      hint: describeStopped(facts),
      details: [],
      retryable: true,
      charged: resolveCharged(facts),
      task_id: facts.taskId ?? null,
      local_id: facts.localId ?? null,
      request_id: null,
      http_status: null,
      service_code: null,
      resume: facts.resume === undefined ? null : [...facts.resume],
    },
  };
}

export function toMediaDocument(media: MediaFacts | undefined) {
  if (media === undefined) return null;
  return {
    duration_seconds: media.durationSeconds,
    width_px: media.widthPx ?? null,
    height_px: media.heightPx ?? null,
    has_audio: media.hasAudio,
  };
}

/** The furthest moment that a `Date` can hold (ECMA-262); beyond it `toISOString` throws. */
const LAST_MOMENT_MS = 8.64e15;

/** ISO 8601 in UTC, or null for a moment that is unknown or makes no sense. */
export function toIsoTime(atMs: number | undefined): string | null {
  const isMoment = atMs !== undefined && Math.abs(atMs) <= LAST_MOMENT_MS;
  return isMoment ? new Date(atMs).toISOString() : null;
}
