import type { Context } from '../platform/context.ts';
import { isTrouble } from '../report/facts.ts';
import type { JobReport } from '../report/run-report.ts';
import type { RequestDraft } from '../request/fields.ts';
import type { JobFilesReading } from '../run/expand.ts';
import { createJobMatcher, type Shard } from '../run/select.ts';
import type { NextCommand } from '../ui/summary.ts';
import type { FlagValues } from './flags.ts';
import type { FormOptions } from './form.ts';
import type { Frame } from './frame.ts';

/** The flags of `evolink run`. */
export type RunOptions = FormOptions &
  FlagValues<
    | (
        | 'only'
        | 'skip'
        | 'shard'
        | 'force'
        | 'maxJobs'
        | 'dryRun'
        | 'maxCredits'
        | 'priceCredits'
        | 'allowPartial'
        | 'yes'
      )
    | ('retryFailed' | 'concurrency' | 'timeout' | 'keepGoing' | 'failFast' | 'report' | 'checkUrls' | 'init')
  >;

/** Several clips of one typed request, which run as the jobs of a file do. */
export interface Takes extends JobFilesReading {
  /** What the command line says, which wins over a job of a file. */
  readonly flags: RequestDraft;
}

export interface RunInput {
  readonly files: readonly string[];
  readonly options: RunOptions;
  /** In place of job files. */
  readonly readTakes?: () => Promise<Takes>;
  /** The command line of takes; absent for `evolink run`. */
  readonly words?: readonly string[];
}

/** What the steps of one run share. */
export interface Run extends RunInput {
  readonly context: Context;
  readonly frame: Frame;
  readonly shard: Shard | undefined;
  readonly takes?: Takes | undefined;
  readonly startedAtMs: number;
}

/** More names than this make no line that a person reads. */
const MAX_NAMED = 10;
/** On unless `--no-…` says otherwise. */
const ON_BY_DEFAULT: readonly string[] = ['color', 'progress'];
/** They stand behind `=`, as they would else take the next word, or leave it. */
const OPTIONAL_VALUES: readonly string[] = ['init'];
const GLOB_SIGNS = /[\\*?[\]{}()!+@|]/g;

/**
 * The command that makes what a run has left: the line as it was, with all that chooses jobs and limits money. `--force` is
 * a wish for once: repeated as it was it would buy again what is made, so only the jobs that are still to be made again are
 * named. Pure.
 */
export function continueCommand(
  { files, options, words }: Pick<RunInput, 'files' | 'options' | 'words'>,
  reports: readonly JobReport[],
): NextCommand {
  if (words !== undefined) return { words };
  const { force, ...others } = options;
  if (force !== true) return { words: toWords(files, others) };
  const isLeft = ({ state }: JobReport): boolean => state === 'not_sent' || isTrouble({ state });
  const left = reports.filter((job) => isLeft(job) && job.reason === '--force');
  if (left.length === 0) return { words: toWords(files, others) };
  const only = left.map(({ name }) => name.replaceAll(GLOB_SIGNS, '\\$&'));
  const isExact = reports.filter(createJobMatcher(only)).length === left.length;
  const isAll = reports.filter(isLeft).length === left.length;
  if (isExact && isAll && left.length <= MAX_NAMED) {
    const { skip: _skip, ...rest } = others;
    return { words: toWords(files, { ...rest, only, force: true }) };
  }
  return {
    words: toWords(files, others),
    note: `${left.length} clips that --force makes again are left, and this command leaves them as they are; to make one of them again: --force --only NAME`,
  };
}

function toWords(files: readonly string[], options: RunOptions): readonly string[] {
  const names = files.map((file) => (file.startsWith('-') ? `./${file}` : file));
  return ['evolink', 'run', ...names, ...flagWords(options)];
}

/** Flags as they are typed. */
export function flagWords(options: object): readonly string[] {
  return Object.entries(options).flatMap(toFlag);
}

function toFlag([key, value]: readonly [string, unknown]): readonly string[] {
  const name = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  if (Array.isArray(value)) return value.flatMap((one: unknown) => toFlag([key, one]));
  if (value === undefined || (value === true && ON_BY_DEFAULT.includes(key))) return [];
  if (typeof value === 'boolean') return [`--${value ? '' : 'no-'}${name}`];
  return OPTIONAL_VALUES.includes(key) ? [`--${name}=${value}`] : [`--${name}`, String(value)];
}
