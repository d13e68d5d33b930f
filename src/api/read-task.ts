import type { CleanText } from './clean-text.ts';
import { fieldOf, isRecord, toNumber, toText, toTimeMs } from './json-value.ts';
import { toTaskState } from './task-state.ts';
import type { TaskSnapshot } from './types.ts';

/** More links than this are a fault, not an answer. */
export const MAX_LINKS = 64;
const MAX_LINK_LENGTH = 8_192;

/** The parts of an id are letters, digits, `_`, `.` and `-`; it never reaches a path or a URL in any other form. */
export function isTaskId(value: unknown): value is string {
  return (
    typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(value) && !value.includes('..')
  );
}

/**
 * Reads a task object, tolerant: unknown fields are ignored, whatever is missing or of a wrong type is absent. Also
 * inside `{code, data: {…}}`. `undefined` where there is no usable id (or none at all and no `expectedId`), or more than
 * 64 links. Never throws.
 */
export function readTask(value: unknown, clean: CleanText, expectedId?: string): TaskSnapshot | undefined {
  const task = unwrap(value);
  if (!isRecord(task)) return undefined;
  const id =
    fieldOf(task, 'id') ?? fieldOf(task, 'task_id') ?? (looksLikeTask(task) ? expectedId : undefined);
  const links = readLinks(task);
  if (!isTaskId(id) || links.length > MAX_LINKS) return undefined;
  const status = clean(toText(fieldOf(task, 'status')) ?? 'unknown', { maxLength: 60 });
  const info = fieldOf(task, 'task_info');
  const model = toText(fieldOf(task, 'model'));
  return {
    id,
    model: model && clean(model, { maxLength: 128 }),
    status,
    ...toTaskState(status),
    progressPercent: clampPercent(toNumber(fieldOf(task, 'progress'))),
    estimatedSeconds: positive(toNumber(fieldOf(info, 'estimated_time'))),
    videoSeconds: positive(toNumber(fieldOf(info, 'video_duration'))),
    createdAtMs: toTimeMs(fieldOf(task, 'created') ?? fieldOf(task, 'created_at')),
    links,
    ...readCredits(task),
    error: readTaskError(fieldOf(task, 'error'), clean),
  };
}

function unwrap(value: unknown): unknown {
  const inner = fieldOf(value, 'data');
  return fieldOf(value, 'id') === undefined && looksLikeTask(inner) ? inner : value;
}

function looksLikeTask(value: unknown): boolean {
  return isRecord(value) && (fieldOf(value, 'status') !== undefined || isTaskId(fieldOf(value, 'id')));
}

function readLinks(task: unknown): readonly string[] {
  const listed = linksOf(fieldOf(task, 'results'));
  return listed.length > 0 ? listed : linksOf(fieldOf(task, 'result_data'));
}

/** One link or many: as text, or as objects that name it `url` or `video_url`. In order, each once. */
function linksOf(value: unknown): readonly string[] {
  const entries: readonly unknown[] = Array.isArray(value) ? value : [value];
  const links = new Set<string>();
  for (const entry of entries) {
    const link = typeof entry === 'string' ? entry : (fieldOf(entry, 'video_url') ?? fieldOf(entry, 'url'));
    if (typeof link === 'string' && link.length <= MAX_LINK_LENGTH && isWebUrl(link.trim()))
      links.add(link.trim());
    if (links.size > MAX_LINKS) break;
  }
  return [...links];
}

function isWebUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

function readCredits(task: unknown) {
  const usage = fieldOf(task, 'usage');
  const used = fieldOf(usage, 'credits_used') ?? fieldOf(fieldOf(usage, 'cost'), 'credits');
  return {
    reservedCredits: notNegative(toNumber(fieldOf(usage, 'credits_reserved'))),
    usedCredits: notNegative(toNumber(used ?? fieldOf(fieldOf(task, 'billing'), 'credits_used'))),
  };
}

function readTaskError(value: unknown, clean: CleanText): TaskSnapshot['error'] {
  if (typeof value === 'string' && value.trim() !== '')
    return { code: 'unknown_error', message: clean(value, { multiline: true }) };
  if (!isRecord(value)) return undefined;
  const code = toText(fieldOf(value, 'code')) ?? toText(fieldOf(value, 'type'));
  const message = toText(fieldOf(value, 'message')) ?? toText(fieldOf(value, 'msg'));
  if (code === undefined && message === undefined) return undefined;
  return {
    code: clean(code ?? 'unknown_error', { maxLength: 80 }),
    message: clean(message ?? 'the service gave no reason', { multiline: true }),
  };
}

function clampPercent(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(100, Math.max(0, value));
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

function notNegative(value: number | undefined): number | undefined {
  return value !== undefined && value >= 0 ? value : undefined;
}
