import { createHash } from 'node:crypto';
import picomatch from 'picomatch';
import { EvolinkError } from '../errors.ts';
import { nearest } from '../request/problems.ts';

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

/** `--shard 2/5`: index from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

const MAX_SHARDS = 1000;

/**
 * Reads `--shard i/n`.
 * @throws EvolinkError `usage`
 */
export function parseShard(text: string): Shard {
  const [, index = '', count = ''] = /^(\d{1,4})\/(\d{1,4})$/.exec(text.trim()) ?? [];
  const shard = { index: Number(index), count: Number(count) };
  if (shard.index >= 1 && shard.index <= shard.count && shard.count <= MAX_SHARDS) return shard;
  throw new EvolinkError('usage', `--shard "${text}": must be i/n, with i from 1 to n`, {
    hint: 'evolink run jobs.yaml --shard 1/3   (and 2/3, 3/3 on the other runners)',
    charged: 'no',
  });
}

/**
 * The shard of a job, from 1: the one for which the hash of shard and name is highest (rendezvous hashing, Thaler and
 * Ravishankar 1998). It follows from the name and the number of shards alone, so no other job moves it. Pure.
 */
export function shardOf(name: string, count: number): number {
  let best = { shard: 1, score: '' };
  for (let shard = 1; shard <= count; shard += 1) {
    const score = createHash('sha256').update(`${shard}\n${name}`).digest('hex');
    if (score > best.score) best = { shard, score };
  }
  return best.shard;
}
