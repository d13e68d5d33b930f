import { resolve } from 'node:path';
import { askedBySettings } from '../config/load.ts';
import { EvolinkError, inputError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { isFile } from '../platform/folders.ts';
import { readTextFile } from '../platform/read-file.ts';
import { quoteCommand } from '../platform/text.ts';
import { bodyAsJob, coerceDuration, mergeAsked, readExtra } from '../request/draft.ts';
import { isRequestKey, type WireBody } from '../request/fields.ts';
import { MEDIA_KINDS, type Operation } from '../request/models.ts';
import type { Asked, JobObject } from '../request/problems.ts';
import { redactAddress } from '../request/public-url.ts';
import { absoluteMedia } from '../request/resolve.ts';
import type { JobEntry, readSingleJob } from '../run/expand.ts';
import { FIELD_FLAGS, type FlagValues, type Typed, typedOf } from './flags.ts';
import type { ConfirmPlan } from './make-clips.ts';
import { isUrl, mediaCommand, mediaFlag } from './media.ts';
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

/** What is asked for: a job, of a file, of an earlier task or one that is empty, with the flags over it. */
export async function readRequest(context: Context, { operation, prompt, options, body }: TypedRequest) {
  const { cwd } = context;
  const { file: path, job } = options;
  const { extra, problems } = readExtra(options.set ?? []);
  if (path === undefined && job !== undefined)
    problems.push({ source: '--job', value: job, message: 'needs the file that has the job: -f job.yaml' });
  const empty: JobEntry = {
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
  const named = await readPrompt(context, operation, prompt, options);
  const file: Partial<Awaited<ReturnType<typeof readSingleJob>>> =
    path === undefined
      ? {}
      : await (await import('../run/expand.ts')).readSingleJob(path, { cwd, jobName: job });
  const under = file.job ?? empty;
  const flags = askedByFlags(options, cwd, named, extra, under);
  const asked = { ...under, ...mergeAsked(flags, under), operation, typed: flags.value };
  const entry: JobEntry = { ...asked, problems: file.problems ?? [] };
  return { entry, problems, warnings: file.warnings ?? [] };
}

/** What the flags ask for. Nothing is checked here but how the text of a flag is read; local media count from the folder. */
function askedByFlags(
  options: FlagValues,
  folder: string,
  named: Typed | undefined,
  extra: JobObject,
  under: Asked,
): Asked {
  const typed = new Map<string, Typed & { readonly media?: readonly string[] }>();
  for (const [key, { value, source }] of Object.entries(typedOf(FIELD_FLAGS, options))) {
    const text = key === 'duration' ? coerceDuration(String(value)) : value;
    // `--mute` is the only flag that says no.
    if (isRequestKey(key))
      typed.set(key, { value: key === 'generate_audio' ? value !== true : text, source });
  }
  if (named !== undefined) typed.set('prompt', named);
  for (const key of ['first', 'last'] as const) {
    const path = options[key];
    if (path !== undefined)
      typed.set(key, { value: absoluteMedia(path, folder), source: `--${key}`, media: [path] });
  }
  for (const name of MEDIA_KINDS) {
    const media = options[name] ?? [];
    const list = media.map((path) => absoluteMedia(path, folder));
    if (list.length > 0) typed.set(`${name}_urls`, { value: list, source: `--${name}`, media });
  }
  if (Object.keys(extra).length > 0)
    typed.set('extra', { value: { ...Object(under.value.extra), ...extra }, source: '--set' });
  return {
    value: Object.fromEntries([...typed].map(([key, { value }]) => [key, value])),
    locate: (keyPath) => {
      const [key = '', inner = ''] = keyPath;
      if (key === 'extra' && Object.hasOwn(extra, inner)) return { source: `--set ${inner}` };
      const { source, media } = (key === 'extra' ? undefined : typed.get(String(key))) ?? {};
      if (source === undefined) return under.locate(keyPath);
      const isOneOf = media !== undefined && media.length > 1 && inner !== '';
      return {
        source: isOneOf ? `${source} (number ${Number(inner) + 1})` : source,
        typed: media?.[Number(inner)],
      };
    },
  };
}

/** What every price and check of a request goes by. */
export function pricingOf({ settings, isLoopbackApi }: Session, { priceCredits }: FlagValues) {
  return {
    settings: askedBySettings(settings),
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
): Promise<Typed | undefined> {
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
