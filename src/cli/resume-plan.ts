import { findRequest } from '../generate/find-tasks.ts';
import type { Decision } from '../generate/resume.ts';
import type { TaskRecord } from '../journal/record.ts';
import { toJsonText } from '../ui/json-text.ts';
import type { Frame } from './command-frame.ts';
import type { Context } from './context.ts';
import type { Form } from './form.ts';
import { openRecords } from './open-records.ts';
import { commandAtService } from './other-services.ts';

/** What `resume` does with a record in each state. */
const NEXT_STEPS: Readonly<Record<TaskRecord['state'], string>> = {
  intent: 'close it: it was never sent',
  sent: 'look for its task in the task list, then wait and save',
  unknown: 'look for its task in the task list, then wait and save',
  accepted: 'wait and save',
  completed: 'save',
  saved: 'nothing: it is saved',
  rejected: 'nothing: it was refused',
  failed: 'nothing: it failed',
  expired: 'nothing: its result is gone',
};

/** `evolink resume --dry-run`: what would be done. Needs no key, contacts nobody. */
export async function writeResumePlan(
  context: Context,
  {
    frame,
    ids,
    form,
    decision,
  }: {
    readonly frame: Frame;
    readonly ids: readonly string[];
    readonly form: Form;
    readonly decision: Decision | undefined;
  },
): Promise<number> {
  const rows =
    ids.length === 0
      ? (await openRecords(frame)).map((record) => toRow(record, frame))
      : await Promise.all(ids.map((id) => namedRow(frame, id, decision)));
  if (form !== 'human') {
    const tasks = rows.map(({ id, state, step }) => ({ id, state, next_step: step }));
    await context.io.stdout.write(`${toJsonText({ schema_version: 1, ok: true, dry_run: true, tasks })}\n`);
    return 0;
  }
  const lines = rows.map(({ id, state, step }) => `${id}  ${state}: ${step}\n`);
  await context.io.stdout.write(lines.length === 0 ? '' : lines.join(''));
  await context.io.stderr.write(
    lines.length === 0 ? 'nothing is unfinished\n' : 'dry run: nothing was done\n',
  );
  return 0;
}

interface PlanRow {
  readonly id: string;
  readonly state: string;
  readonly step: string;
}

function toRow(record: TaskRecord, { session }: Frame, decision?: Decision): PlanRow {
  const { state } = record;
  const isUncertain = state === 'sent' || state === 'unknown';
  const step = session.isOwn(record)
    ? ((isUncertain ? decidedStep(decision) : undefined) ?? NEXT_STEPS[state])
    : `nothing: it belongs to another service; continue it with: ${commandAtService(record, 'resume')}`;
  return { id: record.taskId ?? record.localId, state, step };
}

function decidedStep(decision: Decision | undefined): string | undefined {
  if (decision === undefined) return undefined;
  return decision.kind === 'claim'
    ? `take ${decision.taskId} as its task, then wait and save`
    : 'look for its task in the task list, send it again where there is none, then wait and save';
}

async function namedRow(frame: Frame, id: string, decision: Decision | undefined): Promise<PlanRow> {
  const record =
    decision === undefined ? await frame.session.journal.find(id) : await findRequest(frame.session, id);
  return record === undefined
    ? { id, state: 'not known here', step: 'ask the service for it, wait and save' }
    : toRow(record, frame, decision);
}
