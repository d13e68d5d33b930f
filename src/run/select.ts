import { createHash } from 'node:crypto';
import picomatch from 'picomatch';
import { EvolinkError } from '../errors.ts';
import { quoteCommand } from '../platform/text.ts';
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

interface Engine {
  readonly name: string;
  readonly index: string;
  /** Absent where the engine does not say it: `auto/20` does. */
  readonly count?: string;
  /** What the first of the machines is called. */
  readonly first: 0 | 1;
}

/** What the engines that start machines set, from their own documentation. */
const ENGINES: readonly Engine[] = [
  { name: 'GitLab', index: 'CI_NODE_INDEX', count: 'CI_NODE_TOTAL', first: 1 },
  { name: 'Bitbucket', index: 'BITBUCKET_PARALLEL_STEP', count: 'BITBUCKET_PARALLEL_STEP_COUNT', first: 0 },
  { name: 'CircleCI', index: 'CIRCLE_NODE_INDEX', count: 'CIRCLE_NODE_TOTAL', first: 0 },
  { name: 'Buildkite', index: 'BUILDKITE_PARALLEL_JOB', count: 'BUILDKITE_PARALLEL_JOB_COUNT', first: 0 },
  { name: 'AWS Batch', index: 'AWS_BATCH_JOB_ARRAY_INDEX', count: 'AWS_BATCH_JOB_ARRAY_SIZE', first: 0 },
  { name: 'Kubernetes', index: 'JOB_COMPLETION_INDEX', first: 0 },
];

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads `--shard i/n`, and `auto` or `auto/n` by what the engine has set that started this machine.
 * @param files those of the command, for its hint
 * @throws EvolinkError `usage`
 */
export function parseShard(text: string, env: Environment, files: readonly string[] = []): Shard {
  const [, isAuto, count] = /^(auto)(?:\/(\d+))?$/.exec(text.trim()) ?? [];
  const shard = isAuto === undefined ? readShard(text.trim()) : autoShard(env, count);
  const { index = 0, count: total = 0 } = shard ?? {};
  if (Number.isInteger(index) && index >= 1 && index <= total && total <= MAX_SHARDS)
    return { index, count: total };
  const example = quoteCommand(['evolink', 'run', ...files, '--shard', '1/3']);
  if (isAuto === undefined)
    throw new EvolinkError('usage', `--shard "${text}": must be i/n, with i from 1 to n, or auto`, {
      hint: `${example}   (and 2/3, 3/3 on the other runners)`,
    });
  const known = [...ENGINES.map(({ name, index }) => `${name} (${index})`), 'Slurm (a range of array tasks)'];
  throw new EvolinkError('usage', `--shard ${text}: no valid shard number and count in the environment`, {
    details: [`looked for ${known.join(', ')}`, 'Kubernetes sets no count; name it: --shard auto/20'],
    hint: example,
  });
}

function readShard(text: string): Shard | undefined {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  return index === undefined ? undefined : { index: Number(index), count: Number(count) };
}

function autoShard(env: Environment, named: string | undefined): Shard | undefined {
  for (const { index, count, first } of ENGINES) {
    const at = wholeNumber(env[index]);
    const total = wholeNumber(named ?? (count === undefined ? undefined : env[count]));
    if (at !== undefined && total !== undefined) return { index: at - first + 1, count: total };
  }
  const [id, min, max, step, count] = ['ID', 'MIN', 'MAX', 'STEP', 'COUNT'].map((part) =>
    wholeNumber(env[`SLURM_ARRAY_TASK_${part}`]),
  );
  if (id === undefined || min === undefined || step === undefined || count === undefined) return undefined;
  // Of a list of numbers Slurm names no step that leads from the first to the last.
  const isRange = max === min + step * (count - 1);
  return isRange ? { index: (id - min) / step + 1, count } : undefined;
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
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
