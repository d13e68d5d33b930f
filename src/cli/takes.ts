import { isAbsolute, resolve } from 'node:path';
import { toSlug } from '../config/output.ts';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { isFolder } from '../platform/folders.ts';
import type { JobEntry } from '../run/expand.ts';
import { MAX_TAKES } from '../run/job-file.ts';
import type { FlagValues } from './flags.ts';
import type { FormOptions } from './form.ts';
import type { OutputOptions } from './place-clips.ts';
import { type RequestOptions, readRequest, type TypedRequest } from './request-flags.ts';
import { runJobs } from './run-jobs.ts';
import { flagWords, type Takes } from './run-options.ts';

interface TakesInput extends TypedRequest {
  readonly options: TakesOptions;
}
type TakesOptions = FormOptions & RequestOptions & OutputOptions & FlagValues<'count' | 'wait' | 'new'>;

/**
 * `--count N`: N clips of one request, as the service has no seed. They run as the jobs of a file do, so that the same
 * command again resumes the takes that are there and submits only the missing ones. Returns the exit code.
 */
export function runTakes(context: Context, input: TakesInput): Promise<number> {
  const { operation, prompt, options } = input;
  const { count = 1, overwrite, ...others } = options;
  return runJobs(context, {
    files: [],
    options: { ...others, ...(overwrite === true && { force: true }) },
    readTakes: async () => {
      refuse(options, count);
      return readTakes(context, input, count);
    },
    // Without `--overwrite`: what is made by now is not made again.
    words: [
      'evolink',
      operation,
      ...(prompt === undefined ? [] : [prompt]),
      ...flagWords({ count, ...others }),
    ],
  });
}

/** @throws EvolinkError `usage` */
function refuse({ output, wait, new: isNew }: TakesOptions, count: number): void {
  const wrong = (message: string): EvolinkError => new EvolinkError('usage', message, { charged: 'no' });
  if (count < 2 || count > MAX_TAKES)
    throw wrong(`--count "${count}": must be a whole number from 2 to ${MAX_TAKES}`);
  if (output === '-') throw wrong('-o - is for one clip, and --count makes several');
  if (wait === false) throw wrong('--count waits for its clips; leave out --no-wait');
  if (isNew === true)
    throw wrong('--count makes the missing takes only; leave out --new, or name another -o');
}

async function readTakes(context: Context, input: TakesInput, count: number): Promise<Takes> {
  const { options } = input;
  const { entry, flags, problems, warnings } = await readRequest(context, input);
  const prompt = flags.prompt?.value ?? entry.value.prompt;
  const name = toSlug(typeof prompt === 'string' ? prompt : '') || input.operation;
  const output = options.output === undefined ? entry.output : fromFolder(options.output, context.cwd);
  const base = output === undefined ? undefined : resolve(entry.baseFolder, output);
  const isPlace =
    output === undefined || /[\\/]$/.test(output) || (base !== undefined && (await isFolder(base)));
  const jobs = Array.from({ length: count }, (_, index): JobEntry => {
    const take = index + 1;
    return {
      ...entry,
      ...{ name: `${name}/${take}`, group: name, label: `${name}-${take}`, index: take, take },
      output: isPlace ? output : numbered(output, take),
    };
  });
  return { jobs, problems, warnings, flags };
}

/** What a person types counts from where it is typed, also beside a job file of another folder. */
function fromFolder(output: string, cwd: string): string {
  const isPlain = /^[\w.{]/.test(output) && !isAbsolute(output);
  return isPlain ? `${resolve(cwd, output)}${/[\\/]$/.test(output) ? '/' : ''}` : output;
}

const NUMBERED = /\{\s*(?:index|job)\s*\}/;

/** `boat.mp4` becomes `boat-1.mp4`; a pattern that tells takes apart by itself stays. */
function numbered(output: string, take: number): string {
  if (NUMBERED.test(output)) return output;
  const stem = output.replace(/\.mp4$/i, '');
  return `${stem}-${take}${output.slice(stem.length)}`;
}
