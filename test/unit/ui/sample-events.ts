import type { TaskEvent, TaskResult } from '../../../src/task/events.ts';

export const TASK = 'task-unified-1757169743-7cvnl5zw';
const task = { taskId: TASK };
const ids = { localId: '01J', ...task };
const EXPIRES = { linkExpiresAtMs: Date.UTC(2026, 10, 22, 9, 15, 2) };
const FILE = { path: '/clips/개구리.mp4', sizeBytes: 8_388_608, sha256: 'ab12' };
const PLAN = {
  model: 'seedance-2.0-text-to-video',
  durationSeconds: 5,
  quality: '720p',
  aspectRatio: '16:9',
};

const progress = (status: string, progressPercent: number, elapsedMs: number, remainingMs: number) =>
  ({ kind: 'progress', ...task, status, progressPercent, elapsedMs, remainingMs }) as const;
export const QUEUED = progress('pending', 0, 2000, 163_000);
export const WORKING = progress('processing', 45, 65_000, 80_000);
export const DOWNLOAD = {
  kind: 'download-started',
  ...task,
  totalBytes: 8_388_608,
  resumedFromBytes: 0,
} as const;
export const BYTES = { kind: 'bytes', ...task, receivedBytes: 4_194_304, totalBytes: 8_388_608 } as const;

/** One task from the plan to the file, every kind of event once. */
export const EVENTS: readonly TaskEvent[] = [
  {
    kind: 'planned',
    operation: 't2v',
    ...PLAN,
    estimatedCredits: 67.5,
    costOrigin: 'list prices of 2026-10-10',
    priceListDate: '2026-10-10',
  },
  { kind: 'warning', code: 'prompt-length', message: '프롬프트가 깁니다' },
  { kind: 'attached', ...ids, state: 'accepted' },
  { kind: 'submitting', localId: '01J' },
  { kind: 'submit-retry', reason: 'connection refused', delayMs: 1500 },
  { kind: 'accepted', ...ids, reservedCredits: 70, estimatedCredits: 67.5, estimatedSeconds: 165 },
  QUEUED,
  WORKING,
  { kind: 'poll-trouble', ...task, reason: 'HTTP 503', retryInMs: 8000 },
  { kind: 'completed', ...task, elapsedMs: 156_000, usedCredits: 67.5, ...EXPIRES },
  DOWNLOAD,
  BYTES,
  { kind: 'download-retry', ...task, reason: 'connection reset', delayMs: 500 },
  { kind: 'download-restarted', ...task, reason: 'the file changed' },
  { kind: 'saved', ...task, ...FILE },
];

export const RESULT: TaskResult = {
  local_id: '01J',
  task_id: TASK,
  state: 'saved',
  operation: 't2v',
  model: null,
  path: FILE.path,
  paths: [FILE.path],
  size_bytes: FILE.sizeBytes,
  sha256: FILE.sha256,
  media: { duration_seconds: 5.04, width_px: 1280, height_px: 720, has_audio: true },
  credits: { estimated: 67.5, reserved: 70, used: 70 },
  link_expires_at: '2026-11-22T09:15:02.000Z',
  warnings: ['프롬프트가 깁니다', 'frame rate differs'],
};
