import type { TaskState } from './types.ts';

/** The words that the service's documents, callbacks and clients use. */
const STATES: Readonly<Record<string, TaskState>> = {
  pending: 'running',
  processing: 'running',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  canceled: 'cancelled',
};

/** Maps the service's word to a state. A word that no document names counts as running: it must not end a paid task. */
export function toTaskState(status: string): { readonly state: TaskState; readonly isKnownStatus: boolean } {
  const word = status.trim().toLowerCase();
  const state = Object.hasOwn(STATES, word) ? STATES[word] : undefined;
  return { state: state ?? 'running', isKnownStatus: state !== undefined };
}
