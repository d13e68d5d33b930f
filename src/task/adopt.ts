import type { TaskSnapshot } from '../api/answers.ts';
import type { OutputPlan } from '../config/output.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { GenerateDependencies } from './events.ts';
import { unreadable } from './failures.ts';
import { newLocalId, RECORD_VERSION, requestIdentity, type TaskRecord } from './record.ts';
import { readPatiently } from './wait.ts';

type Dependencies = Pick<GenerateDependencies, 'api' | 'journal' | 'clock' | 'service' | 'keyHash'>;

/** What all records begin with. */
export function newRecord({ api, clock, keyHash }: Dependencies, identity: string) {
  const nowMs = clock.now();
  return {
    schemaVersion: RECORD_VERSION,
    localId: newLocalId(nowMs, clock.random),
    state: 'intent',
    identity,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    apiBaseUrl: api.baseUrl,
    keyHash,
    timeline: [],
  } as const;
}

/**
 * Makes a record for a task that is known by its id alone (made on another machine, or saved before): it is `accepted`,
 * whatever the service says of it next.
 * @param earlier a closed record of the same task, whose request and credits are still known
 * @throws EvolinkError `local-io`
 */
export async function adoptTask(
  deps: Dependencies,
  taskId: string,
  place: Pick<TaskRecord, 'output' | 'hasSidecar'>,
  earlier?: TaskRecord,
): Promise<TaskRecord> {
  const { operation, body, estimatedCredits, reservedCredits, fingerprint = '' } = earlier ?? {};
  const { output, hasSidecar } = place;
  const known = { operation, body, estimatedCredits, reservedCredits, fingerprint, taskId };
  const record = newRecord(deps, requestIdentity({ fingerprint: taskId, output }, deps.service));
  const adopted: TaskRecord = { ...record, ...known, state: 'accepted', output, hasSidecar };
  await deps.journal.create(adopted);
  return adopted;
}

export interface FindOptions {
  /** Where the clip goes, by what an earlier record of the task says. */
  readonly placeClip: (known?: TaskRecord) => Promise<OutputPlan>;
  readonly hasSidecar: boolean;
  /** Saved tasks are saved once more. */
  readonly isAgain: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The record of an id: one that the journal knows, or a new one for a bare task id of the service (made on another
 * machine, or forgotten here); then also what the service said of it, so that nobody has to ask again.
 * @throws EvolinkError `usage` for an id that is neither
 */
export async function findTask(
  deps: Dependencies,
  id: string,
  { placeClip, hasSidecar, isAgain, signal }: FindOptions,
): Promise<{ readonly record: TaskRecord; readonly reading?: TaskSnapshot | undefined }> {
  const earlier = await deps.journal.find(id);
  // A record that is closed can't be continued; its task may still be there to be saved again.
  const isOver =
    earlier?.state === 'failed' || earlier?.state === 'expired' || (earlier?.state === 'saved' && isAgain);
  if (earlier !== undefined && !(isOver && earlier.taskId !== undefined)) return { record: earlier };
  const taskId = earlier?.taskId ?? requireTaskId(id);
  // Read before a record is made: a wrong id makes none.
  const reading =
    earlier === undefined
      ? await readPatiently(deps, taskId, signal).catch((error: unknown) => {
          throw isEvolinkError(error) ? unreadable(error, taskId) : error;
        })
      : undefined;
  const output = await placeClip(earlier);
  return { record: await adoptTask(deps, taskId, { output, hasSidecar }, earlier), reading };
}

/** @throws EvolinkError `usage` for what is no task id of the service */
export function requireTaskId(id: string): string {
  if (!/^task-[A-Za-z0-9_-]{4,}$/.test(id)) throw unknownId(id);
  return id;
}

/**
 * The record that a decision is about: one that the journal knows, as it is.
 * @throws EvolinkError `usage` for any other id
 */
export async function findRequest(
  { journal }: Pick<Dependencies, 'journal'>,
  id: string,
): Promise<TaskRecord> {
  const known = await journal.find(id);
  if (known === undefined) throw unknownId(id);
  return known;
}

function unknownId(id: string): EvolinkError {
  return new EvolinkError('usage', `"${id}" is neither a task id nor the id of a request on this machine`, {
    hint: 'task ids look like task-unified-1774857405-abc123; to list yours: evolink status',
    charged: 'no',
  });
}
