import type { IncomingMessage } from 'node:http';
import { type Answer, jsonAnswer } from './answer.ts';
import { ApiProblem } from './api-problem.ts';
import { roundCredits } from './price-list.ts';
import { readJsonBody } from './read-json-body.ts';
import type { SandboxContext } from './sandbox-context.ts';
import { lifeAt } from './task-life.ts';
import { sumCredits, type TaskObject, toListedTask, toTaskObject } from './task-view.ts';

const MAX_AT_ONCE = 50;
const ID_FORM = /^task-[A-Za-z0-9-]{1,120}$/;

/**
 * `GET /v1/tasks/{id}`.
 * @throws ApiProblem 400 `invalid_task_id`, 404 `task_not_found`
 */
export async function pollEndpoint(taskId: string, context: SandboxContext): Promise<Answer> {
  if (!ID_FORM.test(taskId))
    throw new ApiProblem(400, 'invalid_task_id', `Invalid task ID: ${taskId.slice(0, 80)}`);
  const task = await context.tasks.read(taskId);
  if (task === undefined) throw new ApiProblem(404, 'task_not_found', `Task not found: ${taskId}`);
  return jsonAnswer(200, spoil(toTaskObject(task, context.clock.now(), context.linksOf), context));
}

/** The two faults that change what a reading says of a task. */
function spoil(task: TaskObject, { faults }: SandboxContext): TaskObject {
  const word = faults.takeKind('poll', 'word')?.options.word;
  if (word !== undefined) return { ...task, status: word, results: undefined };
  const isEmptied = task.status === 'completed' && faults.takeKind('poll', 'empty-results') !== undefined;
  return isEmptied ? { ...task, results: [], result_data: undefined } : task;
}

/**
 * `GET /v1/tasks?status&type&model&page&page_size`, newest first, at most 50 a page, without links.
 * @throws ApiProblem 400 for a page that is no number, 404 where this server has no list
 */
export function listEndpoint(query: URLSearchParams, context: SandboxContext): Answer {
  if (!context.rules.hasTaskList) throw new ApiProblem(404, 'not_found', 'Invalid URL (GET /v1/tasks)');
  const page = wholeNumber(query, 'page', 1);
  const pageSize = Math.min(MAX_AT_ONCE, wholeNumber(query, 'page_size', 20));
  const nowMs = context.clock.now();
  const { status, type, model } = Object.fromEntries(query);
  const found = context.tasks.all().filter((task) => {
    const { status: shown } = lifeAt(task, nowMs);
    const isStatus =
      status === undefined || shown === status || (status === 'processing' && shown === 'pending');
    return (
      isStatus && (type === undefined || type === 'video') && (model === undefined || model === task.model)
    );
  });
  const data = found.slice((page - 1) * pageSize, page * pageSize).map((task) => toListedTask(task, nowMs));
  return jsonAnswer(200, { object: 'list', total: found.length, page, page_size: pageSize, data });
}

function wholeNumber(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name);
  if (text === null) return fallback;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new ApiProblem(400, 'invalid_parameter', `${name} must be a positive integer`, name);
  return Number(text);
}

/**
 * `POST /v1/tasks/batch {"task_ids": […]}`: unknown ids are missing from the answer.
 * @throws ApiProblem 400
 */
export async function batchEndpoint(request: IncomingMessage, context: SandboxContext): Promise<Answer> {
  const { task_ids: ids } = await readJsonBody(request);
  if (!isTextList(ids) || ids.length === 0 || ids.length > MAX_AT_ONCE) {
    throw new ApiProblem(400, 'invalid_parameter', `task_ids must hold 1 to ${MAX_AT_ONCE} ids`, 'task_ids');
  }
  const read = await Promise.all(ids.map((id) => (ID_FORM.test(id) ? context.tasks.read(id) : undefined)));
  const known = read.filter((task) => task !== undefined);
  const data = known.map((task) => toTaskObject(task, context.clock.now(), context.linksOf));
  return jsonAnswer(200, { code: 200, data });
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

/** `GET /v1/credits`. The key has no limit of its own, so the number beside it means nothing, as at the service. */
export function creditsEndpoint({ rules, tasks }: SandboxContext): Answer {
  const { used, held } = sumCredits(tasks.all());
  const user = { remaining_credits: roundCredits(rules.startingCredits - used - held), used_credits: used };
  const token = { remaining_credits: 0, used_credits: used, unlimited_credits: true };
  return jsonAnswer(200, { success: true, message: '', data: { user, token } });
}
