import picomatch from 'picomatch';
import { EvolinkError } from '../errors.ts';
import { nearest } from '../request/nearest.ts';

interface Named {
  readonly name: string;
  readonly group: string;
}

export interface Selection {
  /** Globs; absent = all. */
  readonly only?: readonly string[] | undefined;
  readonly skip?: readonly string[] | undefined;
}

/** Says whether a job is meant by one of the globs: by its name, or by its key in the file. `*` matches a slash too. */
export function createJobMatcher(globs: readonly string[]): (job: Named) => boolean {
  const matchers = globs.map((glob) => picomatch(glob, { bash: true, dot: true, nonegate: true }));
  return ({ name, group }) => matchers.some((isMatch) => isMatch(name) || isMatch(group));
}

/**
 * The jobs that `--only` and `--skip` leave, in their order.
 * @throws EvolinkError `usage` for a glob that means no job: a misspelling would else do nothing, or everything
 */
export function selectJobs<T extends Named>(jobs: readonly T[], { only, skip }: Selection): readonly T[] {
  for (const [flag, globs] of [
    ['--only', only],
    ['--skip', skip],
  ] as const) {
    for (const glob of globs ?? []) requireMatch(jobs, flag, glob);
  }
  const isWanted = only === undefined ? () => true : createJobMatcher(only);
  const isSkipped = createJobMatcher(skip ?? []);
  return jobs.filter((job) => isWanted(job) && !isSkipped(job));
}

/** @throws EvolinkError `usage` */
export function requireMatch(jobs: readonly Named[], flag: string, glob: string): void {
  if (jobs.some(createJobMatcher([glob]))) return;
  const names = [...new Set(jobs.flatMap(({ name, group }) => [group, name]))];
  const suggestion = nearest(glob, names);
  const shown = names.slice(0, 10).join(', ');
  throw new EvolinkError('usage', `${flag} "${glob}" means no job`, {
    hint: suggestion === undefined ? undefined : `did you mean ${flag} "${suggestion}"?`,
    details: [`jobs: ${shown}${names.length > 10 ? `, and ${names.length - 10} more` : ''}`],
    charged: 'no',
  });
}
