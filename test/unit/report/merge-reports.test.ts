import { describe, expect, it } from 'vitest';
import { mergeReports } from '../../../src/report/merge.ts';
import { failedJob, sampleError, sampleJob, sampleRun } from '../../helpers/sample-run-report.ts';

const FIRST = '2026-01-01T00:00:00.000Z';
const LAST = '2026-12-01T00:00:00.000Z';
const jobs = ['a', 'b', 'c', 'd'].map((name, index) => sampleJob({ name, line: 10 * (index + 1) }));

const credits = (used: number, estimated: number | null = null) => ({ used, estimated, reserved: null });

function shard(index: number, names: string, changes = {}) {
  return sampleRun(
    jobs.filter(({ name }) => names.includes(name)),
    { shard: { index, count: 2 }, credits: credits(10 * index, 5), ...changes },
  );
}

describe('mergeReports', () => {
  it('puts shards together in the order of the files, whatever the order of the reports', () => {
    const merged = mergeReports([shard(2, 'bd'), shard(1, 'ac', { started_at: FIRST, ended_at: LAST })]);
    expect(merged.jobs.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
    expect(merged).toMatchObject({
      totals: { planned: 4, saved: 4 },
      credits: { used: 30, estimated: 10, reserved: null },
      shard: null,
      balance: null,
      started_at: FIRST,
      ended_at: LAST,
      warnings: [],
      tool_version: '1.2.3',
      files: ['clips.yaml'],
    });
  });

  it('lets the later run tell of a job, and sums what both spent', () => {
    const first = sampleRun([failedJob({ name: 'a' })], { ended_at: FIRST, credits: credits(5) });
    const again = sampleRun([sampleJob({ name: 'a' })], { ended_at: LAST, credits: credits(7) });
    for (const merged of [mergeReports([first, again]), mergeReports([again, first])]) {
      expect(merged.jobs).toMatchObject([{ name: 'a', state: 'saved' }]);
      expect(merged).toMatchObject({ totals: { saved: 1, failed: 0 }, credits: { used: 12 } });
    }
  });

  it('counts a report that is given twice once', () => {
    expect(mergeReports([shard(1, 'a'), shard(1, 'a'), shard(2, 'b')]).credits.used).toBe(30);
  });

  it('keeps what a single report knows', () => {
    const run = sampleRun([sampleJob({ name: 'b' }), sampleJob({ name: 'a' })]);
    expect(mergeReports([run])).toEqual(run);
  });

  it.each([
    ['stopped', [true, false], true],
    ['sandbox', [false, true], true],
    ['dry_run', [true, false], false],
  ] as const)('joins %s', (key, [one, two], joined) => {
    const merged = mergeReports([shard(1, 'a', { [key]: one }), shard(2, 'b', { [key]: two })]);
    expect(merged[key]).toBe(joined);
  });

  it('keeps a refusal until the same part runs again', () => {
    const part = { index: 1, count: 1 };
    const first = sampleRun([], {
      error: sampleError({ message: 'too dear' }),
      shard: part,
      files: ['a.yaml'],
    });
    const later = { ...sampleRun([sampleJob()]), shard: part, files: ['a.yaml'], ended_at: LAST };
    expect(mergeReports([first, { ...later, files: ['other.yaml'] }]).error?.message).toBe('too dear');
    expect(mergeReports([later, first]).error).toBeNull();
  });
});
