import { describe, expect, it } from 'vitest';
import { formatAnnotations } from '../../../src/report/github.ts';
import { failedJob, hostileRun, sampleJob, sampleRun } from '../../helpers/sample-run-report.ts';

const PLACE = ['/repo/media', '/repo'] as const;

describe('formatAnnotations', () => {
  it('points at the line of the job file, from the top of the repository', () => {
    expect(formatAnnotations(sampleRun([failedJob({ name: 'a,b:c' })]), ...PLACE)).toBe(
      '::error file=media/clips.yaml,line=12,col=3,title=a%2Cb%3Ac%3A failed::the service refused the content (content_policy_violation)%0Athe prompt names a person%0Anext: change the prompt, then run it again%0Anothing was charged\n',
    );
  });

  it('says nothing where all is well', () => {
    expect(formatAnnotations(sampleRun([sampleJob()]), ...PLACE)).toBe('');
  });

  it.each([
    ['/elsewhere', '/repo'],
    ['/repo/media', undefined],
  ])('names the file as given where it is in no workspace: %s, %s', (cwd, workspace) => {
    expect(formatAnnotations(sampleRun([failedJob()]), cwd, workspace)).toMatch(/^::error file=clips\.yaml,/);
  });

  it('shows warnings of jobs and of the run', () => {
    const run = sampleRun([sampleJob({ warnings: ['50% shorter'] })], { warnings: ['old prices'] });
    const lines = formatAnnotations(run, ...PLACE)
      .trimEnd()
      .split('\n');
    expect(lines).toEqual([
      '::warning title=evolink::old prices',
      '::warning file=media/clips.yaml,line=4,col=3,title=hero[16%3A9]::50%25 shorter',
    ]);
  });

  it('tells in the tenth of those that GitHub would drop', () => {
    const lines = formatAnnotations(sampleRun(Array.from({ length: 30 }, () => failedJob())), ...PLACE)
      .trimEnd()
      .split('\n');
    expect(lines).toHaveLength(10);
    expect(lines[9]).toBe('::error title=evolink::21 more errors: see the job summary and the reports');
  });

  it('writes one command a line, none of them foreign, whatever the texts are', () => {
    for (const job of hostileRun().jobs) {
      const text = formatAnnotations(sampleRun([job], { warnings: job.warnings }), ...PLACE);
      // As the runner reads it (actions/runner, `ActionCommand.cs`).
      for (const line of text.trimEnd().split('\n')) {
        expect(line).toMatch(/^::(error|warning) ((^|,)?(file|line|col|title)=[^,:]*)+::/);
        expect(line).not.toMatch(/##\w*\[|(?!\n)\p{Cc}|\p{Bidi_Control}/u);
      }
    }
  });
});
