import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseAgeMs } from '../config/keys.ts';
import { verifyVideo } from '../download/verify.ts';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { runCommand } from '../platform/process.ts';
import { quoteCommand } from '../platform/text.ts';
import { recordWord, stateWord } from '../report/states.ts';
import type { TaskRecord } from '../task/record.ts';
import { endedTask, fill } from '../ui/documents.ts';
import { formatCredits, formatLocalTime } from '../ui/format.ts';
import { formatTable, isTooNarrow } from '../ui/table.ts';
import type { FlagValues } from './flags.ts';
import { confirm } from './forget.ts';
import type { FormOptions } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import type { GenerateOptions } from './generate.ts';

type HistoryOptions = FormOptions & FlagValues<'limit' | 'since' | 'failed' | 'erase' | 'before' | 'yes'>;

const DEFAULT_LIMIT = 20;
const SMALLEST_PROMPT_COLUMN = 16;
const COLUMNS = ['TIME', 'STATE', 'CREDITS', 'CLIP', 'ID', 'PATH', 'PROMPT'].map((header) => ({ header }));

/** `evolink history`: tasks that have ended, newest first; or the erasing of what they say. */
export function runHistory(context: Context, options: HistoryOptions): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    if (options.erase === true) return erase(context, frame, options);
    const { limit = DEFAULT_LIMIT, since, failed } = options;
    const sinceMs = since === undefined ? 0 : context.clock.now() - parseAgeMs('--since', since);
    const records: TaskRecord[] = [];
    for (const record of frame.session.journal.readEnded()) {
      if (records.length >= limit || record.createdAtMs < sinceMs) break;
      if (failed !== true || ['failed', 'rejected', 'expired'].includes(record.state)) records.push(record);
    }
    const tasks = records.map(describe);
    if (tasks.length === 0) frame.reporter.note('no task has ended yet');
    const width = context.io.stdout.isTty ? context.io.stdout.columns() : undefined;
    await frame.reporter.print(
      'history',
      { tasks: tasks.map((task) => fill(endedTask.shape, task)) },
      formatTasks(tasks, width),
    );
    return 0;
  });
}

type Task = ReturnType<typeof describe>;

function describe(record: TaskRecord) {
  const { body, saved, createdAtMs, localId } = record;
  const path = saved?.at(-1)?.path;
  return {
    id: record.taskId ?? localId,
    localId,
    state: recordWord(record.state),
    createdAtMs,
    operation: record.operation,
    model: body?.model,
    duration: body?.duration,
    quality: body?.quality,
    aspectRatio: body?.aspect_ratio,
    credits: record.usedCredits ?? record.reservedCredits,
    path,
    isMissing: path !== undefined && !existsSync(path),
    prompt: body?.prompt,
    error: record.error?.message,
  };
}

function toCells({ id, state, createdAtMs, credits, path, isMissing, prompt, ...task }: Task): string[] {
  const length = task.duration === undefined ? undefined : `${task.duration} s`;
  return [
    formatLocalTime(createdAtMs),
    stateWord(state),
    credits === undefined ? '' : formatCredits(credits),
    [length, task.quality, task.aspectRatio].filter((part) => part !== undefined).join(' '),
    id,
    `${path ?? ''}${isMissing ? ' (gone)' : ''}`,
    task.error ?? prompt ?? '',
  ];
}

/** A table, or a block a task where the screen is too narrow for it. */
function formatTasks(tasks: readonly Task[], width: number | undefined): string {
  if (tasks.length === 0) return '';
  const rows = tasks.map(toCells);
  if (!isTooNarrow(COLUMNS, rows, { width, smallest: SMALLEST_PROMPT_COLUMN }))
    return `${formatTable(COLUMNS, rows, { width })}\n`;
  return rows
    .map(([time, state, credits, clip, id, path, prompt]) => {
      const facts = [time, state, credits === '' ? '' : `${credits} credits`, clip];
      const lines = [facts.filter((fact) => fact !== '').join('  '), id, path, prompt];
      return formatTable(
        [{ header: '' }],
        lines.filter((line) => line !== '').map((line) => [`${line}`]),
        { width },
      )
        .split('\n')
        .slice(1)
        .map((line, index) => `${index === 0 ? '' : '  '}${line}\n`)
        .join('');
    })
    .join('');
}

/** `evolink show`: one task, with its request. */
export function runShow(
  context: Context,
  { id, options }: { readonly id: string; readonly options: FormOptions },
): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const record = await requireTask(context, frame, id);
    const task = describe(record);
    const rows = Object.entries({
      id: task.id,
      state: stateWord(task.state),
      submitted: formatLocalTime(task.createdAtMs),
      credits: task.credits === undefined ? '' : formatCredits(task.credits),
      clip: `${task.path ?? ''}${task.isMissing ? ' (gone)' : ''}`,
      error: task.error ?? '',
      ...record.body,
    }).filter(([, value]) => value !== '' && value !== undefined);
    const card = formatTable(
      [{ header: 'FIELD' }, { header: 'VALUE' }],
      rows.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
    );
    await frame.reporter.print(
      'show',
      { task: fill(endedTask.shape, task), request: record.body ? { ...record.body } : null },
      `${card}\n`,
    );
    return 0;
  });
}

/** By id, part of an id, `last`, or the path of a saved clip. */
async function requireTask(context: Context, { session }: Frame, id: string): Promise<TaskRecord> {
  const record = (await session.journal.find(id)) ?? findByClip(context, session.journal.readEnded(), id);
  if (record !== undefined) return record;
  throw new EvolinkError('usage', `no record here has the id or the clip "${id}"`, {
    hint: 'evolink history',
  });
}

function findByClip(context: Context, records: Iterable<TaskRecord>, path: string): TaskRecord | undefined {
  const wanted = realPath(resolve(context.cwd, path));
  for (const record of records)
    if (record.saved?.some((clip) => realPath(clip.path) === wanted) === true) return record;
  return undefined;
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
    checkSettled(record);
    return 0;
  });
  const { operation, body } = record ?? {};
  if (exit !== 0 || operation === undefined || body === undefined) return exit;
  const { runGenerate } = await import('./generate.ts');
  return runGenerate(context, {
    operation,
    prompt: undefined,
    options: { ...toFlags(body, options), ...options, new: true },
    confirm: (frame, { credits }) =>
      confirm(
        context,
        { frame, options },
        {
          finding: `this submits the request of ${id} once more, as a new task`,
          warning: `it costs about ${credits === undefined ? 'an unknown number of' : formatCredits(credits)} credits`,
          verb: 'submit',
        },
      ),
  });
}

/** @throws EvolinkError `unknown` or `timeout` where the first request is not settled; `usage` where it is not known */
function checkSettled({ state, body, operation, ...record }: TaskRecord): void {
  const id = record.taskId ?? record.localId;
  const facts = { hint: quoteCommand(['evolink', 'resume', id]), localId: record.localId };
  if (['intent', 'sent', 'unknown'].includes(state))
    throw new EvolinkError('unknown', `can't tell yet whether the request of ${id} was accepted`, facts);
  if (state === 'accepted') throw new EvolinkError('pending', `task ${id} is still running`, facts);
  if (body === undefined || operation === undefined || body.prompt === '')
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
    image: isFramed ? undefined : body.image_urls,
    video: body.video_urls,
    audio: body.audio_urls,
  };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

/** How each system opens a file; never through a shell. */
const PLAYERS: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'open', win32: 'explorer.exe' };

/** `evolink open`: shows a saved clip in the system's player, once it is known to be a video. */
export function runOpen(
  context: Context,
  { id, options }: { readonly id: string; readonly options: FormOptions },
): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const { path } = describe(await requireTask(context, frame, id));
    if (path === undefined)
      throw new EvolinkError('usage', `"${id}" has no saved clip`, { hint: 'evolink download --all' });
    const verdict = await verifyVideo(path);
    if ('doubt' in verdict)
      throw new EvolinkError('local-io', `"${path}" is not opened as a video: ${verdict.doubt}`);
    const { platform } = context;
    const player = PLAYERS[platform] ?? 'xdg-open';
    const { exitCode } = await runCommand([player, path]);
    // The explorer says 1 whatever happens.
    if (exitCode !== 0 && platform !== 'win32')
      throw new EvolinkError('local-io', `${player} could not open "${path}" (exit ${exitCode})`);
    await frame.reporter.print('open', { path }, '');
    return 0;
  });
}

async function erase(context: Context, frame: Frame, options: HistoryOptions): Promise<number> {
  if (options.before === undefined)
    throw new EvolinkError('usage', 'missing --before: how old a task must be', {
      hint: 'evolink history --erase --before 90d',
    });
  const ageMs = parseAgeMs('--before', options.before);
  await confirm(
    context,
    { frame, options },
    {
      finding: `prompts and paths of tasks that ended more than ${options.before} ago are erased; credits and counts stay`,
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
