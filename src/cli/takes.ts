import { isAbsolute, resolve } from 'node:path';
import { toSlug } from '../config/output.ts';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { isFolder } from '../platform/folders.ts';
import type { JobEntry } from '../run/expand.ts';
import { MAX_TAKES } from '../run/job-file.ts';
import type { FlagValues } from './flags.ts';
import type { Frame } from './frame.ts';
import { readRequest, type TypedRequest } from './request-flags.ts';
import { flagWords, runPlan } from './run-jobs.ts';

/**
 * `--count N`: N clips of one request, as the service has no seed. They run as the jobs of a file do, so that the same
 * command again resumes the takes that are there and submits only the missing ones. Returns the exit code.
 */
export async function runTakes(frame: Frame, input: TypedRequest): Promise<number> {
  const { operation, prompt, options } = input;
  const { count = 1, overwrite, ...others } = options;
  refuse(options, count);
  const command = input.command ?? [operation, ...(prompt === undefined ? [] : [prompt])];
  return runPlan(frame, {
    files: [],
    confirmPlan: input.confirmPlan,
    options: { ...others, force: overwrite },
    takes: await readTakes(frame.context, input, count),
    // Without `--overwrite`: what is made by now is not made again.
    words: ['evolink', ...command, ...flagWords({ count, ...others })],
  });
}

/** @throws EvolinkError `usage` */
function refuse({ output, wait, new: isNew }: FlagValues, count: number): void {
  const wrong = (message: string): EvolinkError => new EvolinkError('usage', message, { charged: 'no' });
  if (count < 2 || count > MAX_TAKES)
    throw wrong(`--count "${count}": must be a whole number from 2 to ${MAX_TAKES}`);
  if (output === '-') throw wrong('-o - is for one clip, and --count makes several');
  if (wait === false) throw wrong('--count waits for its clips; leave out --no-wait');
  if (isNew === true)
    throw wrong('--count makes the missing takes only; leave out --new, or name another -o');
}

async function readTakes(context: Context, input: TypedRequest, count: number) {
  const { output: typed } = input.options;
  const { entry, ...reading } = await readRequest(context, input);
  const { prompt } = entry.value;
  const name = toSlug(typeof prompt === 'string' ? prompt : '') || input.operation;
  const output = typed === undefined ? entry.output : fromFolder(typed, context.cwd);
  const isPlace =
    output === undefined || /[\\/]$/.test(output) || isFolder(resolve(entry.baseFolder, output));
  const jobs = Array.from({ length: count }, (_, index): JobEntry => {
    const take = index + 1;
    return {
      ...entry,
      name: `${name}/${take}`,
      group: name,
      label: `${name}-${take}`,
      index: take,
      take,
      output: isPlace ? output : numbered(output, take),
    };
  });
  return { ...reading, jobs };
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
