import type { JobReport } from '../report/run-report.ts';
import { createJobMatcher } from '../run/select.ts';
import type { RunInput } from './run-jobs.ts';
import type { RunOptions } from './run-options.ts';

/** More names than this make no line that a person reads. */
const MAX_NAMED = 10;
/** On unless `--no-…` says otherwise. */
const ON_BY_DEFAULT: readonly string[] = ['color', 'progress'];
/** They stand behind `=`, as they would else take the next word, or leave it. */
const OPTIONAL_VALUES: readonly string[] = ['force', 'init'];
const GLOB_SIGNS = /[\\*?[\]{}()!+@|]/g;

export interface Continuation {
  /** What a shell is given to make what is left: the line as it was, with all that chooses jobs and limits money. */
  readonly words: readonly string[];
  /** What the line does not do. */
  readonly note?: string | undefined;
}

/**
 * The command that makes what a run has left. `--force` is a wish for once: repeated as it was it would buy again what is
 * made, so only the jobs that are still to be made again are named. Pure.
 */
export function continueCommand({ files, options }: RunInput, reports: readonly JobReport[]): Continuation {
  if (options.force === undefined) return { words: toWords(files, options) };
  const left = reports.filter(
    ({ action, state }) => action === 'forced' && (state === 'skipped' || state === 'failed'),
  );
  const { force: _force, ...others } = options;
  if (left.length === 0) return { words: toWords(files, others) };
  const globs = left.map(({ name }) => name.replaceAll(GLOB_SIGNS, '\\$&'));
  const isMeant = createJobMatcher(globs);
  const isExact = reports.filter(isMeant).length === left.length;
  if (isExact && left.length <= MAX_NAMED) return { words: toWords(files, { ...others, force: globs }) };
  return {
    words: toWords(files, others),
    note: `${left.length} clips that --force makes again are left, and this command leaves them as they are: --force begins anew and buys all again, --force=NAME only one`,
  };
}

function toWords(files: readonly string[], options: RunOptions): readonly string[] {
  const names = files.map((file) => (file.startsWith('-') ? `./${file}` : file));
  return ['evolink', 'run', ...names, ...Object.entries(options).flatMap(toFlag)];
}

function toFlag([key, value]: readonly [string, unknown]): readonly string[] {
  const name = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  if (Array.isArray(value)) return value.flatMap((one: unknown) => toFlag([key, one]));
  if (value === undefined || (value === true && ON_BY_DEFAULT.includes(key))) return [];
  if (typeof value === 'boolean') return [`--${value ? '' : 'no-'}${name}`];
  return OPTIONAL_VALUES.includes(key) ? [`--${name}=${value}`] : [`--${name}`, String(value)];
}
