import { resolve } from 'node:path';
import { parseAgeMs } from '../config/keys.ts';
import { EvolinkError, inputError } from '../errors.ts';
import { realFolder } from '../platform/folders.ts';
import { quoteCommand } from '../platform/text.ts';
import { continueId } from '../task/failures.ts';
import { isUncertain, type TaskRecord } from '../task/record.ts';
import { formatCount, formatCredits, formatLocalTime } from '../ui/format.ts';
import { formatTable, wrapToWidth } from '../ui/table.ts';
import { describePath, describeState, type TaskRow } from '../ui/tasks.ts';
import type { Invocation } from './flags.ts';
import { confirm, type Frame, runInFrame } from './frame.ts';
import { openClip } from './media.ts';
import { printTasks, toTaskRow } from './records.ts';

const DEFAULT_LIMIT = 20;
const FAILED: readonly string[] = ['failed', 'rejected', 'expired'];

/** `evolink history`: tasks that have ended, newest first; or the erasing of what they say. */
export function runHistory({ context, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    if (options.erase === true) return erase(frame);
    const { reporter, session } = frame;
    const { limit = DEFAULT_LIMIT, since, failed } = options;
    if (limit < 1) throw new EvolinkError('usage', `--limit "${limit}": must be at least 1`);
    const sinceMs = since === undefined ? 0 : context.clock.now() - parseAgeMs('--since', since);
    const rows: TaskRow[] = [];
    for (const record of session.journal.readEnded()) {
      if (rows.length >= limit || record.createdAtMs < sinceMs) break;
      if (failed !== true || FAILED.includes(record.state)) rows.push(toTaskRow(record));
    }
    const none = failed === true ? 'no task has failed or expired' : 'no task has ended';
    if (rows.length === 0) reporter.note(`${none}${since === undefined ? ' yet' : ` in the last ${since}`}`);
    await printTasks(frame, 'history', rows);
    return 0;
  });
}

/** `evolink show`: one task, with its request and the command that makes it again. */
export function runShow({ context, args: [id = ''], options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const record = await requireTask(frame, id);
    const task = toTaskRow(record);
    const other_key = await hasOtherKey(frame, record);
    const again = ['evolink', 'again', task.id];
    const fields = {
      id: task.id,
      state: describeState(task),
      submitted: formatLocalTime(record.createdAtMs),
      credits: task.credits === null ? null : formatCredits(task.credits),
      clip: describePath(task),
      error: task.error,
      key: other_key ? 'another than the one in use now' : null,
      ...record.body,
      again: obstacleToAgain(record) ? null : quoteCommand(frame.session.commands.inArguments(again)),
    };
    const rows = Object.entries(fields)
      .filter(([, value]) => (value ?? '') !== '')
      .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
    const { isTty, columns } = context.io.stdout;
    const table = formatTable(['FIELD', 'VALUE'], rows);
    // All else is for copying.
    const card = isTty
      ? table.replace(/^(prompt|error) .*$/gm, (line) => wrapToWidth(line, columns()))
      : table;
    await frame.reporter.print('show', { task, other_key, request: record.body ?? null }, card);
    return 0;
  });
}

/** By id, part of an id, `last`, or the path of a saved clip. */
async function requireTask({ context, session }: Frame, id: string): Promise<TaskRecord> {
  const known = await session.journal.find(id);
  if (known !== undefined) return known;
  const wanted = realFolder(resolve(context.cwd, id));
  for (const record of session.journal.readEnded())
    if (record.saved?.some(({ path }) => realFolder(path) === wanted) === true) return record;
  throw inputError(`no task on this machine matches "${id}"`, 'evolink history');
}

/** `evolink again`: the request of a task, with the changes that the flags make, as a new task. */
export function runAgain({ context, args: [id = ''], options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options, isRun: options.count !== undefined }, async (frame) => {
    const record = await requireTask(frame, id);
    const obstacle = obstacleToAgain(record);
    if (obstacle !== undefined) throw obstacle;
    const { operation = 't2v', body } = record;
    const isOtherKey = await hasOtherKey(frame, record);
    const make =
      options.count === undefined
        ? (await import('./generate.ts')).generateClip
        : (await import('./takes.ts')).makeTakes;
    return make(frame, {
      operation,
      body,
      command: ['again', continueId(record)],
      // Takes are new by their names.
      options: options.count === undefined ? { ...options, new: true } : options,
      confirmPlan: async ({ toSend, mostCredits, unknownCount }, announce) => {
        if (toSend === 0) return announce();
        const what = toSend === 1 ? 'a new task' : `${toSend} new tasks`;
        const other = isOtherKey ? ', with another key than the first time' : '';
        return confirm(frame, {
          finding: `this submits the request of ${continueId(record)} again, as ${what}${other}`,
          warning: `it costs about ${unknownCount > 0 ? 'an unknown number of' : formatCredits(mostCredits)} credits`,
          verb: 'submit',
          announce,
        });
      },
    });
  });
}

/** Whether the key that is in use now is another than that of a request. Runs no command and needs no key. */
async function hasOtherKey({ session }: Frame, { keyHash }: TaskRecord): Promise<boolean> {
  const { isSandbox, keyPlace, connect } = session;
  if (isSandbox || keyHash === undefined || keyPlace === undefined || keyPlace.isCommand === true)
    return false;
  const current = await connect().catch(() => undefined);
  return current !== undefined && current.keyHash !== keyHash;
}

/** Why the request of a task can't be made again: the first one is not settled, or it is not known here. */
function obstacleToAgain(record: TaskRecord): EvolinkError | undefined {
  const { state, localId, operation, body } = record;
  const id = continueId(record);
  const facts = { hint: quoteCommand(['evolink', 'resume', id]), localId };
  if (state === 'intent' || isUncertain(record))
    return new EvolinkError('unknown', `can't tell yet whether the request of ${id} was accepted`, facts);
  if (state === 'accepted') return new EvolinkError('pending', `task ${id} is still running`, facts);
  if (operation !== undefined && body?.prompt) return undefined;
  return new EvolinkError('usage', `the request of ${id} is not known here`);
}

/** `evolink open`: shows a saved clip in the system's player, once it is known to be a video. */
export function runOpen({ context, args: [id = ''], options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const path = (await requireTask(frame, id)).saved?.at(-1)?.path;
    if (path === undefined) throw inputError(`"${id}" has no saved clip`, 'evolink download --all');
    await openClip(path, context);
    await frame.reporter.print('open', { path }, '');
    return 0;
  });
}

async function erase(frame: Frame): Promise<number> {
  const { before } = frame.options;
  if (before === undefined)
    throw inputError(
      '--erase needs --before: the age from which tasks are erased',
      'evolink history --erase --before 90d',
    );
  const ageMs = parseAgeMs('--before', before);
  await confirm(frame, {
    finding: `this erases prompts and paths of tasks that ended more than ${before} ago; credits and counts stay`,
    warning: 'erased prompts are gone for good',
    verb: 'erase',
  });
  const { erased, busy } = await frame.session.journal.erase(ageMs);
  const kept = busy === 0 ? '' : `; ${busy} in use by another process were kept, run it again later`;
  frame.reporter.note(`erased ${formatCount(erased, 'record')}${kept}`);
  await frame.reporter.print('erase', { erased }, '');
  return 0;
}
