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

export interface ShardJob {
  /** Unique in the run, and the same on every machine. */
  readonly name: string;
  /** Expected time of the job; any unit. */
  readonly weight: number;
}

/** How much more than an equal share a shard may get: less makes shards more equal, more moves fewer jobs. */
const SLACK = 1.05;
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
 * Which shard each job belongs to, by name; 1-based. Rendezvous hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam
 * 2018): each job goes to the shard that its name likes best and that has room, where no shard takes more than its share
 * of all expected time and a little more. So shards are balanced, every job is in exactly one, the order of the jobs does
 * not matter, and a job that is added moves few others. Pure.
 */
export function assignShards(jobs: readonly ShardJob[], count: number): ReadonlyMap<string, number> {
  const total = jobs.reduce((sum, { weight }) => sum + weight, 0);
  const heaviest = jobs.reduce((most, { weight }) => Math.max(most, weight), 0);
  // With room for one more of the heaviest there is always a shard that can take the next job.
  const room = Math.max((total / count) * SLACK, total / count + heaviest);
  const loads = new Array<number>(count).fill(0);
  const shards = new Map<string, number>();
  for (const { name, weight } of inHashOrder(jobs)) {
    const index =
      preferences(name, count).find((shard) => (loads[shard] ?? 0) + weight <= room) ?? lightest(loads);
    loads[index] = (loads[index] ?? 0) + weight;
    shards.set(name, index + 1);
  }
  return shards;
}

function inHashOrder(jobs: readonly ShardJob[]): readonly ShardJob[] {
  return jobs
    .map((job) => ({ job, rank: hash(job.name) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : Number(a.rank > b.rank)))
    .map(({ job }) => job);
}

/** The shards in the order in which a name likes them. */
function preferences(name: string, count: number): readonly number[] {
  return Array.from({ length: count }, (_, shard) => ({ shard, score: hash(`${shard + 1}\n${name}`) }))
    .sort((a, b) => (a.score < b.score ? 1 : -1))
    .map(({ shard }) => shard);
}

function lightest(loads: readonly number[]): number {
  return loads.indexOf(Math.min(...loads));
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
