import { resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { isFile } from '../platform/folders.ts';
import { readTextFile } from '../platform/read-file.ts';
import { quoteCommand } from '../platform/text.ts';
import { coerceDuration, readExtra } from '../request/draft.ts';
import { NAMED_FIELDS, type RequestDraft } from '../request/fields.ts';
import type { Operation, Problem, Sourced } from '../request/models.ts';
import { redactAddress } from '../request/public-url.ts';
import type { JobEntry, SingleJobReading } from '../run/expand.ts';
import { absoluteMedia } from '../run/resolve-job.ts';
import { type FlagValues, flagsBy } from './flags.ts';
import { isUrl, mediaCommand, mediaFlag } from './media-words.ts';

type MediaFlag = 'image' | 'video' | 'audio' | 'first' | 'last';

/** The flags of a generating command that say what is asked for. */
export type RequestOptions = FlagValues<
  | ('prompt' | 'promptFile' | 'file' | 'job' | 'tier' | 'model' | 'duration' | 'quality' | 'aspectRatio')
  | ('mute' | 'contentFilter' | 'webSearch' | 'callbackUrl' | 'draft' | 'outputFormat' | 'sourceTaskId')
  | ('set' | 'priceCredits' | MediaFlag)
>;

export interface TypedRequest {
  readonly operation: Operation;
  /** The argument of the command. */
  readonly prompt: string | undefined;
  readonly options: RequestOptions;
}

/** What is asked for: a job, of a file or one that is empty, and the flags over it. */
export async function readRequest(context: Context, { operation, prompt: argument, options }: TypedRequest) {
  const { cwd } = context;
  const prompt = await readPrompt(context, operation, { argument, options });
  const file = await readFile(context, options);
  const { extra, problems } = readExtra(options.set ?? []);
  return {
    entry: { ...(file.job ?? typedJob(operation, cwd)), problems: file.problems },
    flags: { ...draftFromFlags(operation, { options, prompt, folder: cwd }), extra },
    problems: [...frameProblems(options), ...problems],
    warnings: file.warnings,
  };
}

async function readFile({ cwd }: Context, { file, job }: RequestOptions): Promise<SingleJobReading> {
  if (file !== undefined)
    return (await import('../run/expand.ts')).readSingleJob(file, { cwd, jobName: job });
  const message = 'needs the file that has the job: -f job.yaml';
  return { problems: job === undefined ? [] : [{ source: '--job', value: job, message }], warnings: [] };
}

/** A job that flags alone describe. */
function typedJob(operation: Operation, baseFolder: string): JobEntry {
  return {
    ...{ name: operation, group: operation, label: operation, index: 1, isNumbered: false },
    ...{ file: '', line: 1, column: 1, baseFolder, variables: {}, value: {}, problems: [] },
    locate: ([key = operation]) => ({ source: String(key) }),
  };
}

function frameProblems({ first, last }: RequestOptions): readonly Problem[] {
  if (last === undefined || first !== undefined) return [];
  return [{ source: '--last', value: last, message: 'needs a first frame as well: --first' }];
}

/** What the flags of one generating command ask for. Nothing is checked here but how the text of a flag is read. */
function draftFromFlags(operation: Operation, { options, prompt, folder }: FlagSources): RequestDraft {
  const typed = flagsBy('field', options);
  const read = (key: string, { value }: Sourced<unknown>): unknown => {
    // `--mute` is the only flag that says no.
    if (key === 'generate_audio') return value !== true;
    return key === 'duration' ? coerceDuration(String(value)) : value;
  };
  const settings = NAMED_FIELDS.flatMap(({ key, name }): [string, Sourced<unknown>][] => {
    const at = typed[key];
    return at === undefined ? [] : [[name, { ...at, value: read(key, at) }]];
  });
  const one = (value: string, source: string): Sourced<string> => ({
    value: absoluteMedia(value, folder),
    source,
  });
  const list = (values: readonly string[] | undefined, flag: string) =>
    values?.map((value, index) => one(value, values.length === 1 ? flag : `${flag} (number ${index + 1})`));
  const { first, last, image, video, audio } = options;
  const frames = [
    ...(first === undefined ? [] : [one(first, '--first')]),
    ...(last === undefined ? [] : [one(last, '--last')]),
  ];
  return {
    ...Object.fromEntries(settings),
    ...{ operation, prompt },
    images: frames.length > 0 ? frames : list(image, '--image'),
    videos: list(video, '--video'),
    audios: list(audio, '--audio'),
  };
}

interface FlagSources {
  readonly options: RequestOptions;
  readonly prompt: Sourced<string> | undefined;
  /** Local media count from here. */
  readonly folder: string;
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
  given: { readonly argument: string | undefined; readonly options: RequestOptions },
): Promise<Sourced<string> | undefined> {
  const { prompt, promptFile } = given.options;
  const sources = [
    { source: 'prompt', value: given.argument },
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
    throw new EvolinkError('usage', 'the prompt "help" was probably meant as the command', {
      hint: `evolink help ${operation} (${insist})`,
      charged: 'no',
    });
  // One word that ends like a file of media is one also where the path is wrong.
  const isMedia = isUrl(prompt) || (mediaFlag(prompt) !== undefined && !/\s/.test(prompt));
  if (!isMedia && !isFile(resolve(context.cwd, prompt))) return;
  const meant = isMedia
    ? mediaCommand(operation, prompt)
    : quoteCommand(['evolink', operation, '--prompt-file', prompt]);
  const what = isUrl(prompt) ? `"${redactAddress(prompt)}" is a URL` : `"${prompt}" is the name of a file`;
  throw new EvolinkError('usage', `the prompt ${what}`, {
    hint: `${meant} (${insist})`,
    charged: 'no',
  });
}
