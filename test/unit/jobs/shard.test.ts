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
  it('reads i/n', () => expect(parseShard(' 2/5 ')).toEqual({ index: 2, count: 5 }));

  it.each(['0/5', '6/5', '1', '1/0', '1/1001', 'a/b', '-1/2', '1/2/3'])('refuses %s', (text) => {
    expect(() => parseShard(text)).toThrow(EvolinkError);
  });
});
