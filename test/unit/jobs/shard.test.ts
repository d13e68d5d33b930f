import * as fc from 'fast-check';
import { assert, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignShards, parseShard } from '../../../src/run/select.ts';

const jobs = fc.uniqueArray(
  fc.record({ name: fc.string({ minLength: 1, maxLength: 12 }), weight: fc.integer({ min: 1, max: 200 }) }),
  { selector: ({ name }) => name, maxLength: 120 },
);
const hundred = Array.from({ length: 100 }, (_, index) => ({
  name: `job/${index}`,
  weight: 110 + (index % 3) * 20,
}));

describe('assignShards', () => {
  it('gives every job to exactly one shard, whatever the order', () => {
    assert(
      property(jobs, fc.integer({ min: 1, max: 9 }), (list, count) => {
        const shards = assignShards(list, count);
        expect(shards.size).toBe(list.length);
        for (const shard of shards.values()) expect(shard >= 1 && shard <= count).toBe(true);
        expect(new Map([...assignShards([...list].reverse(), count)].sort())).toEqual(
          new Map([...shards].sort()),
        );
      }),
    );
  });

  it('gives no shard much more than its share', () => {
    assert(
      property(jobs, fc.integer({ min: 1, max: 9 }), (list, count) => {
        const shards = assignShards(list, count);
        const total = list.reduce((sum, { weight }) => sum + weight, 0);
        const heaviest = Math.max(0, ...list.map(({ weight }) => weight));
        for (let shard = 1; shard <= count; shard += 1) {
          const load = list
            .filter(({ name }) => shards.get(name) === shard)
            .reduce((sum, { weight }) => sum + weight, 0);
          expect(load).toBeLessThanOrEqual(Math.max((total / count) * 1.05, total / count + heaviest) + 1e-9);
        }
      }),
    );
  });

  it('moves few jobs when one is added', () => {
    const before = assignShards(hundred, 3);
    const after = assignShards([...hundred, { name: 'new', weight: 130 }], 3);
    const moved = hundred.filter(({ name }) => before.get(name) !== after.get(name));
    expect(moved.length).toBeLessThanOrEqual(10);
  });

  it('is the same on every machine', () => {
    const counts = [1, 2, 3].map(
      (shard) => [...assignShards(hundred, 3).values()].filter((own) => own === shard).length,
    );
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(100);
    expect(Math.min(...counts)).toBeGreaterThan(25);
  });
});

describe('parseShard', () => {
  it('reads i/n', () => expect(parseShard('2/5')).toEqual({ index: 2, count: 5 }));
  it.each(['0/3', '4/3', '1', 'a/b', '1/0', '-1/3', '1/3/5', ''])('refuses %s', (text) => {
    expect(() => parseShard(text)).toThrow(/i\/n/);
  });
});
