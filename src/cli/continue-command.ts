import { isTrouble } from '../report/facts.ts';
import type { JobReport } from '../report/run-report.ts';
import { createJobMatcher } from '../run/select.ts';
import type { NextCommand } from '../ui/summary.ts';
import type { FlagValues } from './flags.ts';

/** More names than this make no line that a person reads. */
const MAX_NAMED = 10;
const GLOB_SIGNS = /[\\*?[\]{}()!+@|]/g;

/**
 * The command that makes what a run has left: the line as it was, with all that chooses jobs and limits money. `--force` is
 * a wish for once: repeated as it was it would buy again what is made, so only the jobs that are still to be made again are
 * named. Pure.
 * @param files job files, as they were typed
 */
export function continueCommand(
  files: readonly string[],
  { force, ...options }: FlagValues,
  reports: readonly JobReport[],
): NextCommand {
  const names = files.map((file) => (file.startsWith('-') ? `./${file}` : file));
  const toWords = (flags: FlagValues) => ['evolink', 'run', ...names, ...flagWords(flags)];
  const words = toWords(options);
  const isLeft = ({ state }: JobReport): boolean => state === 'not_sent' || isTrouble({ state });
  const left = reports.filter((job) => isLeft(job) && job.reason === '--force');
  if (force !== true || left.length === 0) return { words };
  const only = left.map(({ name }) => name.replaceAll(GLOB_SIGNS, '\\$&'));
  const isExact = reports.filter(createJobMatcher(only)).length === left.length;
  const isAll = reports.filter(isLeft).length === left.length;
  if (isExact && isAll && left.length <= MAX_NAMED)
    return { words: toWords({ ...options, skip: undefined, only, force }) };
  return {
    words,
    note: `${left.length} clips that --force makes again are left, and this command leaves them as they are; to make one of them again: --force --only NAME`,
  };
}

/** On unless `--no-…` says otherwise. */
const ON_BY_DEFAULT: readonly string[] = ['color', 'progress'];

/** Flags as they are typed. */
export function flagWords(options: FlagValues): readonly string[] {
  return Object.entries(options).flatMap(toFlag);
}

function toFlag([key, value]: readonly [string, unknown]): readonly string[] {
  const name = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  if (Array.isArray(value)) return value.flatMap((one: unknown) => toFlag([key, one]));
  if (value === undefined || (value === true && ON_BY_DEFAULT.includes(key))) return [];
  return typeof value === 'boolean' ? [`--${value ? '' : 'no-'}${name}`] : [`--${name}`, String(value)];
}
