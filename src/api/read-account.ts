import type { CleanText } from './clean-text.ts';
import { fieldOf, isRecord, toNumber, toText, toTimeMs } from './json-value.ts';
import { isTaskId, readTask } from './read-task.ts';
import type { Credits, ListedTask, TaskPage, TaskSnapshot } from './types.ts';

/** The service gives at most 50; more than this is a fault. */
const MAX_LISTED = 500;

/** Reads `GET /v1/tasks`; entries without a usable id are left out. `undefined` where there is no list. Never throws. */
export function readTaskPage(
  value: unknown,
  clean: CleanText,
  asked: { readonly page: number; readonly pageSize: number },
): TaskPage | undefined {
  const entries = fieldOf(value, 'data');
  if (!Array.isArray(entries) || entries.length > MAX_LISTED) return undefined;
  return {
    tasks: entries.map((entry) => readListedTask(entry, clean)).filter((task) => task !== undefined),
    page: toNumber(fieldOf(value, 'page')) ?? asked.page,
    pageSize: toNumber(fieldOf(value, 'page_size')) ?? asked.pageSize,
    total: toNumber(fieldOf(value, 'total')),
  };
}

function readListedTask(value: unknown, clean: CleanText): ListedTask | undefined {
  const id = fieldOf(value, 'id') ?? fieldOf(value, 'task_id');
  if (!isTaskId(id)) return undefined;
  const model = toText(fieldOf(value, 'model'));
  return {
    id,
    model: model && clean(model, { maxLength: 128 }),
    status: clean(toText(fieldOf(value, 'status')) ?? 'unknown', { maxLength: 60 }),
    createdAtMs: toTimeMs(fieldOf(value, 'created_at') ?? fieldOf(value, 'created')),
  };
}

/** Reads `POST /v1/tasks/batch`; unreadable entries are left out. `undefined` where there is no list. Never throws. */
export function readTaskBatch(value: unknown, clean: CleanText): readonly TaskSnapshot[] | undefined {
  const entries = fieldOf(value, 'data');
  if (!Array.isArray(entries) || entries.length > MAX_LISTED) return undefined;
  return entries.map((entry) => readTask(entry, clean)).filter((task) => task !== undefined);
}

/** Reads `GET /v1/credits`. `undefined` where the answer holds neither user nor token. Never throws. */
export function readCredits(value: unknown): Credits | undefined {
  const data = fieldOf(value, 'data');
  const user = fieldOf(data, 'user');
  const token = fieldOf(data, 'token');
  if (!isRecord(user) && !isRecord(token)) return undefined;
  const userRemaining = toNumber(fieldOf(user, 'remaining_credits'));
  const tokenRemaining = toNumber(fieldOf(token, 'remaining_credits'));
  const isTokenUnlimited = fieldOf(token, 'unlimited_credits') === true;
  const bounds = [userRemaining, isTokenUnlimited ? undefined : tokenRemaining].filter(
    (bound) => bound !== undefined,
  );
  return {
    userRemaining,
    userUsed: toNumber(fieldOf(user, 'used_credits')),
    tokenRemaining,
    isTokenUnlimited,
    spendable: bounds.length === 0 ? undefined : Math.min(...bounds),
  };
}
