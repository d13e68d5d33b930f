import { roundCredits } from './price-list.ts';
import type { SandboxTask } from './sandbox-task.ts';
import { lifeAt } from './task-life.ts';

/** Result links of a completed task, in order. */
export type LinksOf = (task: SandboxTask) => readonly string[];

export interface TaskObject {
  readonly id: string;
  readonly status: string;
  readonly [field: string]: unknown;
}

/** The task object of the API at a time. */
export function toTaskObject(task: SandboxTask, nowMs: number, linksOf: LinksOf): TaskObject {
  const { status, progress } = lifeAt(task, nowMs);
  return {
    created: Math.floor(task.createdAtMs / 1000),
    id: task.id,
    model: task.model,
    object: 'video.generation.task',
    progress,
    status,
    task_info: {
      can_cancel: task.end === undefined,
      estimated_time: Math.ceil(task.lifeMs / 1000),
      video_duration: task.spec.durationSeconds,
    },
    type: 'video',
    usage: {
      billing_rule: 'per_second',
      credits_reserved: task.reservedCredits,
      user_group: 'default',
      ...(task.end === undefined ? {} : { credits_used: task.end.chargedCredits }),
    },
    ...endFields(task, linksOf),
  };
}

function endFields(task: SandboxTask, linksOf: LinksOf): Record<string, unknown> {
  if (task.end === undefined) return {};
  if (task.end.status === 'completed') {
    const links = linksOf(task);
    const billing = { charge_status: 'charged', refund_status: 'none' };
    if (task.isResultDataOnly) return { billing, results: [], result_data: { video_url: links[0] } };
    return { billing, results: links };
  }
  const billing = { charge_status: 'released', refund_status: 'refunded' };
  const { error } = task.end;
  return error === undefined ? { billing } : { billing, error: { ...error, type: 'task_error' } };
}

/** The row of `GET /v1/tasks`; no links. */
export function toListedTask(task: SandboxTask, nowMs: number): Record<string, unknown> {
  const { status, progress } = lifeAt(task, nowMs);
  return {
    id: task.id,
    model: task.model,
    type: 'video',
    status,
    progress,
    created_at: Math.floor(task.createdAtMs / 1000),
  };
}

/** Credits that ended tasks cost, and that running ones hold. */
export function sumCredits(tasks: readonly SandboxTask[]): { used: number; held: number } {
  let used = 0;
  let held = 0;
  for (const task of tasks) {
    if (task.end === undefined) held += task.reservedCredits;
    else used += task.end.chargedCredits;
  }
  return { used: roundCredits(used), held: roundCredits(held) };
}
