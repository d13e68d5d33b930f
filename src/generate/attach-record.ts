import type { OutputPlan } from '../download/types.ts';
import { EvolinkError } from '../errors.ts';
import { placedIdentity } from '../journal/identity.ts';
import type { RecordState, TaskRecord } from '../journal/record.ts';
import { type ContinueOptions, continueRecord } from './continue-record.ts';
import type { GenerateDependencies } from './dependencies.ts';
import type { TaskResult } from './events.ts';
import { placeRecord } from './place-record.ts';
import { savedResult } from './resume.ts';

/** What the present command wants of a clip. */
export interface WantedClip {
  readonly output: OutputPlan;
  readonly hasSidecar: boolean;
}

/** What can be continued without being sent. */
const OPEN_STATES: readonly RecordState[] = ['sent', 'unknown', 'accepted', 'completed'];

/**
 * Continues one record in the place of a command, whatever place it was made for. The caller holds the record's lock. Where
 * it has ended meanwhile, the clip that was saved here is the answer; else nothing is sent.
 * @param identity what a request of the command itself would have
 * @throws EvolinkError `locked` where it has ended otherwise, and as `continueRecord`
 */
export async function attachRecord(
  deps: GenerateDependencies,
  command: WantedClip & ContinueOptions,
  { localId, identity }: Pick<TaskRecord, 'localId' | 'identity'>,
): Promise<TaskResult> {
  const record = await deps.journal.find(localId);
  const isHere = record !== undefined && placedIdentity(record, deps.service) === identity;
  if (record?.state === 'saved' && isHere) return savedResult(record);
  if (record === undefined || !OPEN_STATES.includes(record.state)) {
    throw new EvolinkError('locked', 'another process has ended this request meanwhile; nothing was sent', {
      hint: 'run the command again',
      charged: 'no',
    });
  }
  const placed = await moveHere(deps, record, command);
  announceAttached(deps, placed);
  return continueRecord(deps, placed, command);
}

/** The clip of a record goes where the command says, with a sidecar if it wants one. The caller holds the record's lock. */
export async function moveHere(
  deps: Pick<GenerateDependencies, 'journal'>,
  record: TaskRecord,
  { output, hasSidecar }: WantedClip,
): Promise<TaskRecord> {
  const placed = await placeRecord(deps, record, output);
  return placed.hasSidecar || !hasSidecar ? placed : deps.journal.update(placed.localId, { hasSidecar });
}

/** Says that an open request is continued. */
export function announceAttached(
  { emit }: Pick<GenerateDependencies, 'emit'>,
  { localId, taskId, state }: TaskRecord,
): void {
  emit({ kind: 'attached', localId, taskId, state });
}
