import { isFolder } from '../download/is-folder.ts';
import { planOutput } from '../download/plan-output.ts';
import type { OutputPlan } from '../download/types.ts';
import { EvolinkError } from '../errors.ts';
import type { Journal, TaskRecord } from '../journal/record.ts';
import { adoptTask } from './adopt-task.ts';
import type { GenerateDependencies } from './dependencies.ts';

/** What a task id of the service looks like; anything else that no record knows is a mistake. */
const TASK_ID = /^task-[A-Za-z0-9_-]{4,}$/;

export interface FindOptions {
  /** From `-o`; absent = where the record says, else the default name in the working directory. */
  readonly output?: OutputPlan | undefined;
  readonly workingFolder: string;
  readonly hasSidecar: boolean;
  /** Saved tasks are saved once more. */
  readonly isAgain: boolean;
}

type Dependencies = Pick<GenerateDependencies, 'api' | 'journal' | 'clock'>;

/**
 * The record of an id: one that the journal knows, or a new one for a bare task id of the service (made on another
 * machine, or forgotten here).
 * @throws EvolinkError `usage` for an id that is neither
 */
export async function findTask(deps: Dependencies, id: string, options: FindOptions): Promise<TaskRecord> {
  const known = await deps.journal.find(id);
  if (known !== undefined && !needsAnother(known, options)) return withOutput(deps.journal, known, options);
  const taskId = known?.taskId ?? id;
  if (!TASK_ID.test(taskId)) throw unknownId(id);
  const output = options.output ?? known?.output ?? (await defaultOutput(options.workingFolder));
  return adoptTask(deps, { taskId, output, hasSidecar: options.hasSidecar, earlier: known });
}

/** A record that is closed can't be continued; its task may still be there to be saved again. */
function needsAnother({ state, taskId }: TaskRecord, { isAgain }: FindOptions): boolean {
  if (taskId === undefined) return false;
  return state === 'failed' || state === 'expired' || (state === 'saved' && isAgain);
}

async function withOutput(
  journal: Journal,
  record: TaskRecord,
  { output }: FindOptions,
): Promise<TaskRecord> {
  if (output === undefined || record.state === 'saved') return record;
  return journal.update(record.localId, { output });
}

async function defaultOutput(workingFolder: string): Promise<OutputPlan> {
  return planOutput({ cwd: workingFolder, onExisting: 'refuse', isFolder });
}

function unknownId(id: string): EvolinkError {
  return new EvolinkError(
    'usage',
    `"${id}" is neither a task id nor the id of a request that is known here`,
    {
      hint: 'task ids look like task-unified-1774857405-abc123; list what is known: evolink status',
      charged: 'no',
    },
  );
}
