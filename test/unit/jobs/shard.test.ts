import { describe, expect, it } from 'vitest';
import { EvolinkError } from '../../../src/errors.ts';
import { parseShard, shardOf } from '../../../src/run/select.ts';

describe('shardOf', () => {
  it('is the same everywhere, for ever', () => {
    expect(['hero', 'hero/9:16', 'product/개구리'].map((name) => shardOf(name, 5))).toEqual([1, 1, 3]);
  });

  it('moves only the jobs that go to a shard that is added', () => {
    const names = Array.from({ length: 2_000 }, (_, index) => `job/${index}`);
    const moved = names.filter((name) => shardOf(name, 5) !== shardOf(name, 4));
    expect(moved.every((name) => shardOf(name, 5) === 5)).toBe(true);
    expect(moved.length).toBeGreaterThan(300);
    expect(moved.length).toBeLessThan(500);
  });
});

describe('parseShard', () => {
  it('reads i/n', () => expect(parseShard(' 2/5 ', {})).toEqual({ index: 2, count: 5 }));

  it.each(['0/5', '6/5', '1', '1/0', '1/1001', 'a/b', '-1/2', '1/2/3'])('refuses %s', (text) => {
    expect(() => parseShard(text, {})).toThrow(EvolinkError);
  });
});

describe('--shard auto', () => {
  const slurm = (id: string, max: string) => {
    const parts = { ID: id, MIN: '1', MAX: max, STEP: '2', COUNT: '4' };
    return Object.fromEntries(
      Object.entries(parts).map(([key, value]) => [`SLURM_ARRAY_TASK_${key}`, value]),
    );
  };
  it.each([
    ['auto', { CI_NODE_INDEX: '1', CI_NODE_TOTAL: '4' }, 1],
    ['auto', { BITBUCKET_PARALLEL_STEP: '0', BITBUCKET_PARALLEL_STEP_COUNT: '4' }, 1],
    ['auto', { CIRCLE_NODE_INDEX: '3', CIRCLE_NODE_TOTAL: '4' }, 4],
    ['auto', { BUILDKITE_PARALLEL_JOB: '2', BUILDKITE_PARALLEL_JOB_COUNT: '4' }, 3],
    ['auto', { AWS_BATCH_JOB_ARRAY_INDEX: '0', AWS_BATCH_JOB_ARRAY_SIZE: '4' }, 1],
    ['auto/4', { JOB_COMPLETION_INDEX: '3' }, 4],
    ['auto', slurm('7', '7'), 4],
  ])('%s %o', (text, env, index) => expect(parseShard(text, env)).toEqual({ index, count: 4 }));
  it.each([
    ['nothing is set', {}],
    ['the count is missing', { JOB_COMPLETION_INDEX: '3' }],
    ['a list of tasks', slurm('9', '9')],
    ['a task between two steps', slurm('4', '7')],
    ['a machine beyond the count', { CI_NODE_INDEX: '5', CI_NODE_TOTAL: '4' }],
    ['no number', { CI_NODE_INDEX: 'one', CI_NODE_TOTAL: '4' }],
  ])('is refused where %s', (_why, env) => {
    expect(() => parseShard('auto', env)).toThrow(/no valid shard number and count/);
  });
});
