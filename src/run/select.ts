import { createHash } from 'node:crypto';
import picomatch from 'picomatch';
import { EvolinkError } from '../errors.ts';
import { quoteCommand } from '../platform/text.ts';
import { MAX_SHARDS } from '../report/states.ts';
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
  for (const glob of only ?? []) requireMatch(jobs, '--only', glob);
  for (const glob of skip ?? []) requireMatch(jobs, '--skip', glob);
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

/**
 * What the engines that start machines set, from their own documentation: index, what the first machine is called, and
 * count, which some do not say: `auto/20` does.
 */
const ENGINES: readonly (readonly [name: string, index: string, first: 0 | 1, count: string])[] = [
  ['GitLab', 'CI_NODE_INDEX', 1, 'CI_NODE_TOTAL'],
  ['Bitbucket', 'BITBUCKET_PARALLEL_STEP', 0, 'BITBUCKET_PARALLEL_STEP_COUNT'],
  ['CircleCI', 'CIRCLE_NODE_INDEX', 0, 'CIRCLE_NODE_TOTAL'],
  ['Buildkite', 'BUILDKITE_PARALLEL_JOB', 0, 'BUILDKITE_PARALLEL_JOB_COUNT'],
  ['AWS Batch', 'AWS_BATCH_JOB_ARRAY_INDEX', 0, 'AWS_BATCH_JOB_ARRAY_SIZE'],
  ['Kubernetes', 'JOB_COMPLETION_INDEX', 0, ''],
];

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads `--shard i/n`, and `auto` or `auto/n` by what the engine has set that started this machine.
 * @param files those of the command, for its hint
 * @throws EvolinkError `usage`
 */
export function parseShard(text: string, env: Environment, files: readonly string[] = []): Shard {
  const [, auto, named, index, total] = /^(?:(auto)(?:\/(\d+))?|(\d+)\/(\d+))$/.exec(text.trim()) ?? [];
  const typed = { index: Number(index), count: Number(total) };
  const shard = auto === undefined ? typed : autoShard(env, named);
  const isWhole = shard !== undefined && Number.isInteger(shard.index) && shard.index >= 1;
  if (isWhole && shard.index <= shard.count && shard.count <= MAX_SHARDS) return shard;
  const example = quoteCommand(['evolink', 'run', ...files, '--shard', '1/3']);
  if (auto === undefined)
    throw new EvolinkError('usage', `--shard "${text}": must be i/n, with i from 1 to n, or auto`, {
      hint: `${example}   (and 2/3, 3/3 on the other runners)`,
    });
  const known = [...ENGINES.map(([name, at]) => `${name} (${at})`), 'Slurm (a range of array tasks)'];
  throw new EvolinkError('usage', `--shard ${text}: no valid shard number and count in the environment`, {
    details: [`looked for ${known.join(', ')}`, 'Kubernetes sets no count; name it: --shard auto/20'],
    hint: example,
  });
}

function autoShard(env: Environment, named: string | undefined): Shard | undefined {
  for (const [, index, first, count] of ENGINES) {
    const at = wholeNumber(env[index]);
    const total = wholeNumber(named ?? env[count]);
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
