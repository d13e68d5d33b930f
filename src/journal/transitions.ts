import { EvolinkError } from '../errors.ts';
import type { RecordState } from './record.ts';

/** What each state may become. A change that keeps the state is always allowed. */
export const TRANSITIONS: Readonly<Record<RecordState, readonly RecordState[]>> = {
  // `unknown` and `accepted` need `sent` first: a record that says `intent` promises that nothing has left.
  intent: ['sent', 'rejected', 'failed'],
  // Back to `intent` only when it is certain that the service did not take it.
  sent: ['accepted', 'rejected', 'failed', 'unknown', 'intent'],
  // To `rejected` when it turns out, or a person decides, that it was not taken; to `sent` by the same key only.
  unknown: ['accepted', 'rejected', 'failed', 'sent', 'intent'],
  accepted: ['completed', 'failed', 'expired'],
  completed: ['saved', 'expired', 'failed'],
  saved: ['expired'],
  rejected: [],
  // The service may find a task again that it did not know, or give a fresh link for one whose link was gone.
  failed: ['accepted', 'completed'],
  expired: ['accepted', 'completed', 'saved'],
};

/**
 * Checks a change of state.
 * @throws EvolinkError `internal`: only a bug asks for a change that the table does not hold
 */
export function checkTransition(localId: string, from: RecordState, to: RecordState): void {
  if (from === to || TRANSITIONS[from].includes(to)) return;
  throw new EvolinkError('internal', `record ${localId} cannot go from state "${from}" to "${to}"`, {
    localId,
  });
}
