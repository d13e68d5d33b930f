import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseAgeMs } from '../config/keys.ts';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { quoteCommand } from '../platform/text.ts';
import { unknownFields } from '../request/draft.ts';
import { continueId } from '../task/failures.ts';
import { isUncertain, type TaskRecord } from '../task/record.ts';
import { formatCredits, formatLocalTime } from '../ui/format.ts';
import { formatTable } from '../ui/table.ts';
import { describeState, formatTasks, HISTORY_COLUMNS, toTaskDocument } from '../ui/tasks.ts';
import { loadTheme } from '../ui/theme.ts';
import type { FlagValues } from './flags.ts';
import { confirm } from './forget.ts';
import type { FormOptions } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import type { GenerateOptions } from './generate.ts';
import { openClip } from './player.ts';
import { recordRow } from './records.ts';

type HistoryOptions = FormOptions & FlagValues<'limit' | 'since' | 'failed' | 'erase' | 'before' | 'yes'>;

const DEFAULT_LIMIT = 20;
const FAILED: readonly string[] = ['failed', 'rejected', 'expired'];

/** `evolink history`: tasks that have ended, newest first; or the erasing of what they say. */
export function runHistory(context: Context, options: HistoryOptions): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    if (options.erase === true) return erase(context, frame, options);
    const { io, reporter, session } = frame;
    const { limit = DEFAULT_LIMIT, since, failed } = options;
    if (limit < 1) throw new EvolinkError('usage', `--limit "${limit}": must be at least 1`);
    const now = context.clock.now();
    const sinceMs = since === undefined ? 0 : now - parseAgeMs('--since', since);
    const records: TaskRecord[] = [];
    for (const record of session.journal.readEnded()) {
      if (records.length >= limit || record.createdAtMs < sinceMs) break;
      if (failed !== true || FAILED.includes(record.state)) records.push(record);
    }
    const rows = records.map(recordRow);
    if (rows.length === 0) reporter.note(describeNone(options));
    const columns = io.stdout.isTty ? io.stdout.columns() : undefined;
    const theme = await loadTheme(io.stdout, io.isUnicode);
    const table = formatTasks(rows, HISTORY_COLUMNS, { now, columns, theme });
    await reporter.print('history', { tasks: rows.map(toTaskDocument) }, table);
    return 0;
  });
}

/** `evolink show`: one task, with its request and the command that makes it again. */
export function runShow(
  context: Context,
  { id, options }: { readonly id: string; readonly options: FormOptions },
): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const record = await requireTask(context, frame, id);
    const row = recordRow(record);
    const isOtherKey = await hasOtherKey(frame, record);
    const again = ['evolink', 'again', row.id];
    const fields = {
      id: row.id,
      state: describeState(row),
      submitted: formatLocalTime(row.createdAtMs),
      credits: row.credits === undefined ? undefined : formatCredits(row.credits),
      clip: row.path && `${row.path}${row.isMissing ? ' (gone)' : ''}`,
      error: row.error,
      key: isOtherKey ? 'another than the one in use now' : undefined,
      ...record.body,
      again: isSettled(record) ? quoteCommand(frame.session.commands.inArguments(again)) : undefined,
    };
    const lines = Object.entries(fields).flatMap(([name, value]) =>
      value === undefined || value === ''
        ? []
        : [[name, typeof value === 'string' ? value : JSON.stringify(value)]],
    );
    const card = formatTable([{ header: 'FIELD' }, { header: 'VALUE' }], lines);
    const request = record.body ? { ...record.body } : null;
    const document = { task: toTaskDocument(row), other_key: isOtherKey, request };
    await frame.reporter.print('show', document, `${card}\n`);
    return 0;
  });
}

/** By id, part of an id, `last`, or the path of a saved clip. */
async function requireTask({ cwd }: Context, { session }: Frame, id: string): Promise<TaskRecord> {
  const known = await session.journal.find(id);
  if (known !== undefined) return known;
  const wanted = realPath(resolve(cwd, id));
  for (const record of session.journal.readEnded())
    if (record.saved?.some((clip) => realPath(clip.path) === wanted) === true) return record;
  throw new EvolinkError('usage', `no task on this machine matches "${id}"`, {
    hint: 'evolink history',
  });
}

function describeNone({ since, failed }: HistoryOptions): string {
  const what = failed === true ? 'no task has failed or expired' : 'no task has ended';
  return `${what}${since === undefined ? ' yet' : ` in the last ${since}`}`;
}

function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

type AgainOptions = GenerateOptions & FlagValues<'yes'>;

/** `evolink again`: the request of a task, with the changes that the flags make, as a new task. */
export async function runAgain(
  context: Context,
  { id, options }: { readonly id: string; readonly options: AgainOptions },
): Promise<number> {
  let record: TaskRecord | undefined;
  const exit = await runInFrame(context, { form: options }, async (frame) => {
    record = await requireTask(context, frame, id);
    requireSettled(record);
    return 0;
  });
  const { operation, body } = record ?? {};
  if (exit !== 0 || operation === undefined || body === undefined) return exit;
  const { runGenerate } = await import('./generate.ts');
  return runGenerate(context, {
    operation,
    prompt: undefined,
    options: { ...toFlags(body, options), ...options, new: true },
    confirm: async (frame, { credits }) => {
      const isOther = record !== undefined && (await hasOtherKey(frame, record));
      const other = isOther ? ', with another key than the first time' : '';
      return confirm(
        context,
        { frame, options },
        {
          finding: `this submits the request of ${record ? continueId(record) : id} again, as a new task${other}`,
          warning: `it costs about ${credits === undefined ? 'an unknown number of' : formatCredits(credits)} credits`,
          verb: 'submit',
        },
      );
    },
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

function isSettled(record: TaskRecord): boolean {
  const isOpen = record.state === 'intent' || record.state === 'accepted' || isUncertain(record);
  return !isOpen && record.body !== undefined && record.body.prompt !== '' && record.operation !== undefined;
}

/** @throws EvolinkError `unknown` or `pending` where the first request is not settled; `usage` where it is not known */
function requireSettled(record: TaskRecord): void {
  if (isSettled(record)) return;
  const { state, localId } = record;
  const id = continueId(record);
  const facts = { hint: quoteCommand(['evolink', 'resume', id]), localId };
  if (state === 'intent' || isUncertain(record))
    throw new EvolinkError('unknown', `can't tell yet whether the request of ${id} was accepted`, facts);
  if (state === 'accepted') throw new EvolinkError('pending', `task ${id} is still running`, facts);
  throw new EvolinkError('usage', `the request of ${id} is not known here`);
}

/** A request as the flags that ask for it; what is typed takes their place. */
function toFlags(body: NonNullable<TaskRecord['body']>, typed: AgainOptions): GenerateOptions {
  const isPromptTyped = typed.prompt !== undefined || typed.promptFile !== undefined;
  const isFramed = typed.first !== undefined || typed.last !== undefined;
  const flags = {
    prompt: isPromptTyped ? undefined : body.prompt,
    model: typed.tier === undefined ? body.model : undefined,
    duration: body.duration === undefined ? undefined : String(body.duration),
    quality: body.quality,
    aspectRatio: body.aspect_ratio,
    mute: body.generate_audio === undefined ? undefined : !body.generate_audio,
    contentFilter: body.content_filter,
    webSearch: body.model_params?.web_search,
    callbackUrl: body.callback_url,
    draft: body.draft,
    outputFormat: body.output_format,
    sourceTaskId: body.source_task_id,
    set: unknownFields(body).map(([key, value]) => `${key}=${JSON.stringify(value)}`),
    image: isFramed ? undefined : body.image_urls,
    video: body.video_urls,
    audio: body.audio_urls,
  };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

/** `evolink open`: shows a saved clip in the system's player, once it is known to be a video. */
export function runOpen(
  context: Context,
  { id, options }: { readonly id: string; readonly options: FormOptions },
): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const { path } = recordRow(await requireTask(context, frame, id));
    if (path === undefined)
      throw new EvolinkError('usage', `"${id}" has no saved clip`, { hint: 'evolink download --all' });
    await openClip(path, context);
    await frame.reporter.print('open', { path }, '');
    return 0;
  });
}

async function erase(context: Context, frame: Frame, options: HistoryOptions): Promise<number> {
  const { before } = options;
  if (before === undefined)
    throw new EvolinkError('usage', '--erase needs --before: the age from which tasks are erased', {
      hint: 'evolink history --erase --before 90d',
    });
  const ageMs = parseAgeMs('--before', before);
  await confirm(
    context,
    { frame, options },
    {
      finding: `this erases prompts and paths of tasks that ended more than ${before} ago; credits and counts stay`,
      warning: 'erased prompts are gone for good',
      verb: 'erase',
    },
  );
  const { erased, busy } = await frame.session.journal.erase(ageMs);
  const kept = busy === 0 ? '' : `; ${busy} in use by another process were kept, run it again later`;
  frame.reporter.note(`erased ${erased === 1 ? '1 record' : `${erased} records`}${kept}`);
  await frame.reporter.print('erase', { erased }, '');
  return 0;
}
