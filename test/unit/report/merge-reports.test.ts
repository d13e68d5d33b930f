import { expect, it } from 'vitest';
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

it('puts shards together in the order of the files, whatever the order of the reports', () => {
  const merged = mergeReports([shard(2, 'bd'), shard(1, 'ac', { started_at: FIRST, ended_at: LAST })]);
  expect(merged.jobs.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
  const totals = { planned: 4, saved: 4 };
  const times = { started_at: FIRST, ended_at: LAST };
  const known = { shard: null, balance: null, warnings: [], tool_version: '1.2.3', files: ['clips.yaml'] };
  expect(merged).toMatchObject({ totals, credits: credits(30, 10), ...times, ...known });
});

it('lets the later run tell of a job, and sums what both spent', () => {
  const first = sampleRun([failedJob({ name: 'a' })], { ended_at: FIRST, credits: credits(5) });
  const again = sampleRun([sampleJob({ name: 'a' })], { ended_at: LAST, credits: credits(7) });
  for (const merged of [mergeReports([first, again]), mergeReports([again, first])]) {
    expect(merged.jobs).toMatchObject([{ name: 'a', state: 'saved' }]);
    expect(merged).toMatchObject({ totals: { saved: 1, failed: 0 }, credits: { used: 12 } });
  }
});

it('keeps what a single report knows, also where it is given twice', () => {
  const run = sampleRun([sampleJob({ name: 'b' }), sampleJob({ name: 'a' })]);
  for (const reports of [[run], [run, run]]) expect(mergeReports(reports)).toEqual(run);
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
  const place = { shard: part, files: ['a.yaml'] };
  const first = sampleRun([], { error: sampleError({ message: 'too dear' }), ...place });
  const later = sampleRun([sampleJob()], { ...place, ended_at: LAST });
  expect(mergeReports([first, { ...later, files: ['other.yaml'] }]).error?.message).toBe('too dear');
  expect(mergeReports([later, first]).error).toBeNull();
});
