import { resolve } from 'node:path';
import { draftFromSettings } from '../config/load.ts';
import { EvolinkError, inputError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { isFile } from '../platform/folders.ts';
import { readTextFile } from '../platform/read-file.ts';
import { quoteCommand } from '../platform/text.ts';
import { bodyAsJob, coerceDuration, readExtra } from '../request/draft.ts';
import { NAMED_FIELDS, type RequestDraft, type WireBody } from '../request/fields.ts';
import type { Operation, Sourced } from '../request/models.ts';
import { redactAddress } from '../request/public-url.ts';
import type { JobEntry } from '../run/expand.ts';
import { absoluteMedia } from '../run/job.ts';
import type { ConfirmPlan } from './confirm.ts';
import { FIELD_FLAGS, type FlagValues, typedOf } from './flags.ts';
import { isUrl, mediaCommand, mediaFlag } from './media-words.ts';
import type { Session } from './session.ts';

export interface TypedRequest {
  readonly operation: Operation;
  /** The argument of the command. */
  readonly prompt?: string | undefined;
  readonly options: FlagValues;
  /** The request of an earlier task, in place of a file. */
  readonly body?: WireBody | undefined;
  /** The command that is typed, where it is another than that of the operation. */
  readonly command?: readonly string[];
  /** Default: shows the plan and asks nothing. */
  readonly confirmPlan?: ConfirmPlan;
}

/** What is asked for: a job, of a file, of an earlier task or one that is empty, and the flags over it. */
export async function readRequest(context: Context, { operation, prompt, options, body }: TypedRequest) {
  const { cwd } = context;
  const { file: path, job, first, last } = options;
  const { extra, problems } = readExtra(options.set ?? []);
  if (path === undefined && job !== undefined)
    problems.push({ source: '--job', value: job, message: 'needs the file that has the job: -f job.yaml' });
  if (last !== undefined && first === undefined)
    problems.push({ source: '--last', value: last, message: 'needs a first frame as well: --first' });
  const draft = draftFromFlags(options, cwd);
  const flags = { ...draft, operation, extra, prompt: await readPrompt(context, operation, prompt, options) };
  const typed: JobEntry = {
    name: operation,
    group: operation,
    label: operation,
    index: 1,
    isNumbered: false,
    file: '',
    line: 1,
    column: 1,
    baseFolder: cwd,
    variables: {},
    problems: [],
    value: body === undefined ? {} : bodyAsJob(body),
    locate: ([key = operation]) => ({ source: String(key) }),
  };
  if (path === undefined) return { entry: typed, flags, problems, warnings: [] };
  const file = await (await import('../run/expand.ts')).readSingleJob(path, { cwd, jobName: job });
  const entry = { ...(file.job ?? typed), problems: file.problems };
  return { entry, flags, problems, warnings: file.warnings };
}

/** What the flags ask for. Nothing is checked here but how the text of a flag is read; local media count from the folder. */
function draftFromFlags(options: FlagValues, folder: string): Omit<RequestDraft, 'operation'> {
  const typed = typedOf(FIELD_FLAGS, options);
  const settings = NAMED_FIELDS.flatMap(({ key, name }): [string, Sourced<unknown>][] => {
    const at = typed[key];
    if (at === undefined) return [];
    const text = key === 'duration' ? coerceDuration(String(at.value)) : at.value;
    // `--mute` is the only flag that says no.
    return [[name, { ...at, value: key === 'generate_audio' ? at.value !== true : text }]];
  });
  const list = (flag: string, values: readonly string[] = []) =>
    values.map((value, index) => ({
      value: absoluteMedia(value, folder),
      source: values.length === 1 ? flag : `${flag} (number ${index + 1})`,
    }));
  const frames = (['first', 'last'] as const).flatMap((name) =>
    list(`--${name}`, options[name] === undefined ? [] : [options[name]]),
  );
  const images = frames.length > 0 ? frames : list('--image', options.image);
  const lists = { images, videos: list('--video', options.video), audios: list('--audio', options.audio) };
  const given = Object.entries(lists).filter(([, values]) => values.length > 0);
  return Object.fromEntries([...settings, ...given]);
}

/** What every price and check of a request goes by. */
export function pricingOf({ settings, isLoopbackApi }: Session, { priceCredits }: FlagValues) {
  return {
    settingsOf: (operation: Operation) => draftFromSettings(operation, settings),
    allowLoopback: isLoopbackApi,
    prices: settings.prices.value,
    priceCredits,
  };
}

const MAX_PROMPT_BYTES = 1024 * 1024;

/**
 * The prompt from the one place that names it: argument, `--prompt`, `--prompt-file`, or standard input as `-`.
 * A final line break of a file or of standard input is no part of it.
 * @throws EvolinkError `usage` when several places name one, or the file can't be read
 */
async function readPrompt(
  context: Context,
  operation: Operation,
  argument: string | undefined,
  { prompt, promptFile }: FlagValues,
): Promise<Sourced<string> | undefined> {
  const sources = [
    { source: 'prompt', value: argument },
    { source: '--prompt', value: prompt },
    { source: '--prompt-file', value: promptFile },
  ].flatMap(({ source, value }) => (value === undefined ? [] : [{ source, value }]));
  const [only, ...others] = sources;
  if (only === undefined) return undefined;
  if (others.length > 0) {
    const names = sources.map(({ source }) => (source === 'prompt' ? 'the argument' : source)).join(' and ');
    throw new EvolinkError('usage', `the prompt is given more than once: by ${names}`, {
      hint: 'give it exactly once; quote it if it has several words: evolink t2v "a paper boat on a lake"',
    });
  }
  if (only.value === '-') {
    const { stdin, stderr } = context.io;
    if (stdin.isTty) await stderr.write('reading the prompt from standard input; end with Ctrl-D\n');
    return { source: 'standard input', value: chomp(await stdin.readText(context.signals.signal)) };
  }
  if (only.source === 'prompt') refuseOtherMeaning(context, operation, only.value);
  if (only.source !== '--prompt-file') return only;
  const options = { label: 'prompt file', maxBytes: MAX_PROMPT_BYTES, allowsShellPipe: true };
  const { text } = await readTextFile(resolve(context.cwd, only.value), options);
  return { source: `--prompt-file ${only.value}`, value: chomp(text) };
}

function chomp(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/**
 * A bare `help`, a URL and the name of a file that is there were hardly meant as a prompt, and a clip of them costs money.
 * @throws EvolinkError `usage`, with what was probably meant
 */
function refuseOtherMeaning(context: Context, operation: Operation, prompt: string): void {
  const insist = `to use it as the prompt: ${quoteCommand(['evolink', operation, '-p', prompt])}`;
  if (prompt.trim() === 'help')
    throw inputError(
      'the prompt "help" was probably meant as the command',
      `evolink help ${operation} (${insist})`,
    );
  // One word that ends like a file of media is one also where the path is wrong.
  const isMedia = isUrl(prompt) || (mediaFlag(prompt) !== undefined && !/\s/.test(prompt));
  if (!isMedia && !isFile(resolve(context.cwd, prompt))) return;
  const meant = isMedia
    ? mediaCommand(operation, prompt)
    : quoteCommand(['evolink', operation, '--prompt-file', prompt]);
  const what = isUrl(prompt) ? `"${redactAddress(prompt)}" is a URL` : `"${prompt}" is the name of a file`;
  throw inputError(`the prompt ${what}`, `${meant} (${insist})`);
}
