import { expect, it } from 'vitest';
import type { FlagValues } from '../../../src/cli/flags.ts';
import { continueCommand, flagWords } from '../../../src/cli/run-jobs.ts';
import { quoteCommand } from '../../../src/platform/text.ts';
import type { JobReport } from '../../../src/report/run-report.ts';
import { sampleJob } from '../../helpers/sample-run-report.ts';

const files = ['r.yaml'];
const asLine = (options: FlagValues, reports: readonly JobReport[] = []): string =>
  quoteCommand(continueCommand(files, options, reports).words);
const again = (name: string, state: JobReport['state']): JobReport =>
  sampleJob({ name, group: 'p', action: 'changed', reason: '--force', state });

it('keeps all that chooses jobs, limits money and places reports', () => {
  const chosen: FlagValues = {
    only: ['p/a', 'x *'],
    skip: ['q'],
    shard: '1/4',
    maxJobs: 20,
    checkUrls: false,
  };
  const money: FlagValues = { maxCredits: 6.5, allowPartial: true, yes: true, retryFailed: 2 };
  const work: FlagValues = { concurrency: 3, timeout: '5m', failFast: true, report: ['a.json', 'b.xml'] };
  expect(asLine({ color: true, progress: true, ...chosen, ...money, ...work })).toBe(
    "evolink run r.yaml --only p/a --only 'x *' --skip q --shard 1/4 --max-jobs 20 --no-check-urls --max-credits 6.5 --allow-partial --yes --retry-failed 2 --concurrency 3 --timeout 5m --fail-fast --report a.json --report b.xml",
  );
});

it('writes each flag as the parser takes it, and none that was not typed', () => {
  const typed: FlagValues = { generateAudio: true, wait: true, contentFilter: false, skipExisting: true };
  expect(flagWords(typed)).toEqual(['--mute', '--no-content-filter', '--skip-existing']);
  expect(flagWords({ generateAudio: false, wait: false, color: false })).toEqual([
    '--no-mute',
    '--no-wait',
    '--no-color',
  ]);
});

it('names only the jobs that are still to be made again', () => {
  const reports = [again('p/a', 'saved'), again('p/[b]', 'not_sent'), again('p/c', 'failed')];
  expect(asLine({ force: true, maxCredits: 6 }, [...reports, again('p/d', 'running')])).toBe(
    "evolink run r.yaml --max-credits 6 --only 'p/\\[b\\]' --only p/c --force",
  );
  expect(asLine({ force: true }, [again('p/a', 'running')])).toBe('evolink run r.yaml');
});

it('never repeats a --force that would buy again, and says so', () => {
  const many = Array.from({ length: 11 }, (_each, index) => again(`p/${index}`, 'not_sent'));
  const { words, note } = continueCommand(files, { force: true }, many);
  expect(words).toEqual(['evolink', 'run', 'r.yaml']);
  expect(note).toMatch(/^11 clips .* --force --only NAME/);
  const duplicate = [again('p', 'not_sent'), again('p/a', 'saved')];
  expect(continueCommand(files, { force: true }, duplicate).words).toEqual(words);
});
