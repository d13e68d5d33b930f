import { expect, it } from 'vitest';
import { formatAnnotations } from '../../../src/report/github.ts';
import { failedJob, hostileRun, sampleJob, sampleRun } from '../../helpers/sample-run-report.ts';

const PLACE = ['/repo/media', '/repo'] as const;

const linesOf = (...given: Parameters<typeof formatAnnotations>) =>
  formatAnnotations(...given)
    .trimEnd()
    .split('\n');

it('points at the line of the job file, from the top of the repository, where it is in one', () => {
  const failed = sampleRun([failedJob({ name: 'a,b:c' })]);
  expect(formatAnnotations(failed, ...PLACE)).toBe(
    '::error file=media/clips.yaml,line=12,col=3,title=a%2Cb%3Ac%3A failed::the service refused the content (content_policy_violation)%0Athe prompt names a person%0Anext: change the prompt, then run it again%0Anothing was charged\n',
  );
  const asNamed = /^::error file=clips\.yaml,/;
  expect(formatAnnotations(failed, '/elsewhere', '/repo')).toMatch(asNamed);
  expect(formatAnnotations(failed, '/repo/media')).toMatch(asNamed);
});

it('shows warnings of jobs and of the run, and nothing where all is well', () => {
  const run = sampleRun([sampleJob({ warnings: ['50% shorter'] })], { warnings: ['old prices'] });
  expect(linesOf(run, ...PLACE)).toEqual([
    '::warning title=evolink::old prices',
    '::warning file=media/clips.yaml,line=4,col=3,title=hero[16%3A9]::50%25 shorter',
  ]);
  expect(formatAnnotations(sampleRun([sampleJob()]), ...PLACE)).toBe('');
});

it('tells in the tenth of those that GitHub would drop', () => {
  const lines = linesOf(sampleRun(Array.from({ length: 30 }, () => failedJob())), ...PLACE);
  expect(lines).toHaveLength(10);
  expect(lines[9]).toBe('::error title=evolink::21 more errors: see the job summary and the reports');
});

it('writes one command a line, none of them foreign, whatever the texts are', () => {
  // As the runner reads it (actions/runner, `ActionCommand.cs`).
  for (const job of hostileRun().jobs)
    for (const line of linesOf(sampleRun([job], { warnings: job.warnings }), ...PLACE)) {
      expect(line).toMatch(/^::(error|warning) ((^|,)?(file|line|col|title)=[^,:]*)+::/);
      expect(line).not.toMatch(/##\w*\[|(?!\n)\p{Cc}|\p{Bidi_Control}/u);
    }
});
