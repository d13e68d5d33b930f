import { isAbsolute, resolve } from 'node:path';
import { toSlug } from '../config/output.ts';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { isFolder } from '../platform/folders.ts';
import type { JobEntry } from '../run/expand.ts';
import { MAX_TAKES } from '../run/job-file.ts';
import { type Frame, runInFrame } from './frame.ts';
import { readRequest, type TypedRequest } from './generate.ts';
import { flagWords, runPlan } from './run-jobs.ts';

/**
 * `--count N`: N clips of one request, as the service has no seed. They run as the jobs of a file do, so that the same
 * command again resumes the takes that are there and submits only the missing ones. Returns the exit code.
 */
export function runTakes(context: Context, input: TypedRequest): Promise<number> {
  return runInFrame(context, { form: input.options, isRun: true }, (frame) => makeTakes(frame, input));
}

/** The same in a frame that is there already. */
export async function makeTakes(frame: Frame, input: TypedRequest): Promise<number> {
  const { operation, prompt, options, confirmPlan } = input;
  const { count = 1, overwrite, ...others } = options;
  const wrong = [
    (count < 2 || count > MAX_TAKES) && `--count "${count}": must be a whole number from 2 to ${MAX_TAKES}`,
    options.output === '-' && '-o - is for one clip, and --count makes several',
    options.wait === false && '--count waits for its clips; leave out --no-wait',
    options.new && '--count makes the missing takes only; leave out --new, or name another -o',
  ].find(Boolean);
  if (wrong) throw new EvolinkError('usage', wrong, { charged: 'no' });
  const { entry, ...reading } = await readRequest(frame.context, input);
  const { cwd } = frame.context;
  const name = toSlug(typeof entry.value.prompt === 'string' ? entry.value.prompt : '') || operation;
  const output = options.output === undefined ? entry.output : fromFolder(options.output, cwd);
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
  const { command = prompt === undefined ? [operation] : [operation, prompt] } = input;
  return runPlan(frame, {
    files: [],
    confirmPlan,
    options: { ...others, force: overwrite },
    takes: { ...reading, jobs },
    // Without `--overwrite`: what is made by now is not made again.
    words: ['evolink', ...command, ...flagWords({ count, ...others })],
  });
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
