import type { SandboxTask } from './sandbox-task.ts';

/** Seconds that a 4 s clip in 480p was seen to take, by tier. */
const BASE_SECONDS: Readonly<Record<string, number>> = { mini: 109, fast: 113, standard: 156 };
const QUALITY_FACTOR: Readonly<Record<string, number>> = {
  '480p': 1,
  '720p': 1.03,
  '1080p': 1.08,
  '4k': 1.15,
};
const SEARCH_SECONDS = 8;
const SHORTEST_SECONDS = 109;
const LONGEST_SECONDS = 180;
/** Share of the life that a task spends as `pending`. */
const PENDING_SHARE = 0.06;

export interface LifeQuestion {
  readonly tier: string;
  readonly quality: string;
  readonly durationSeconds: number;
  readonly hasWebSearch: boolean;
  /** 0 to 1, the chance of the day. */
  readonly chance: number;
}

/** Seconds that the real service would need for such a task: 109 to 180. */
export function realisticSeconds(question: LifeQuestion): number {
  const base = BASE_SECONDS[question.tier] ?? LONGEST_SECONDS;
  const length = 1 + 0.01 * (question.durationSeconds - 4);
  const seconds =
    base * length * (QUALITY_FACTOR[question.quality] ?? 1) + (question.hasWebSearch ? SEARCH_SECONDS : 0);
  const jittered = seconds * (0.98 + 0.04 * question.chance);
  return Math.min(LONGEST_SECONDS, Math.max(SHORTEST_SECONDS, jittered));
}

/** When the task is due to end, ms since the epoch; never for one that is stuck. */
export function endsAtMs(task: SandboxTask): number {
  return task.fate.kind === 'stuck' ? Number.POSITIVE_INFINITY : task.createdAtMs + task.lifeMs;
}

/** Status word and progress (0 to 100) of a task at a time. */
export function lifeAt(task: SandboxTask, nowMs: number): { status: string; progress: number } {
  if (task.end !== undefined)
    return { status: task.end.status, progress: task.end.status === 'completed' ? 100 : 0 };
  const share = task.lifeMs === 0 ? 1 : Math.max(0, (nowMs - task.createdAtMs) / task.lifeMs);
  if (task.fate.kind === 'stuck' && task.fate.word !== 'processing')
    return { status: task.fate.word, progress: 0 };
  if (share < PENDING_SHARE) return { status: 'pending', progress: 0 };
  return { status: 'processing', progress: Math.min(99, Math.max(1, Math.floor(share * 100))) };
}
