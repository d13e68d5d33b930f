import type { OutputPlan } from '../download/types.ts';
import { requestIdentity } from '../journal/identity.ts';
import { newLocalId } from '../journal/new-local-id.ts';
import type { TaskRecord } from '../journal/record.ts';
import type { GenerateDependencies } from './dependencies.ts';

export interface Adoption {
  readonly taskId: string;
  readonly output: OutputPlan;
  readonly hasSidecar: boolean;
  /** An earlier, closed record of the same task, whose request and credits are still known. */
  readonly earlier?: TaskRecord | undefined;
}

/**
 * Makes a record for a task that is known by its id alone (made on another machine, or saved before): it is `accepted`,
 * whatever the service says of it next.
 * @throws EvolinkError `local-io`
 */
export async function adoptTask(
  deps: Pick<GenerateDependencies, 'journal' | 'clock' | 'api' | 'service'>,
  { taskId, output, hasSidecar, earlier }: Adoption,
): Promise<TaskRecord> {
  const nowMs = deps.clock.now();
  const record: TaskRecord = {
    schemaVersion: 1,
    localId: newLocalId(nowMs, deps.clock.random),
    state: 'accepted',
    identity: requestIdentity(taskId, output, deps.service),
    fingerprint: earlier?.fingerprint ?? '',
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    apiBaseUrl: deps.api.baseUrl,
    operation: earlier?.operation,
    body: earlier?.body,
    output,
    hasSidecar,
    estimatedCredits: earlier?.estimatedCredits,
    reservedCredits: earlier?.reservedCredits,
    taskId,
    timeline: [],
  };
  await deps.journal.create(record);
  return record;
}
