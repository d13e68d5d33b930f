import { describe, expect, it } from 'vitest';
import { formatAnnotations, formatStepOutputs } from '../../../src/report/github.ts';
import { failedJob, hostileRun, sampleJob, sampleRun } from '../../helpers/sample-run-report.ts';

const place = { cwd: '/repo/media', workspace: '/repo' };

/** Reads a command as the runner does (actions/runner, `ActionCommand.cs`). */
function readCommand(line: string) {
  const [, command = '', properties = '', data = ''] = /^::(\w+) (.*?)::(.*)$/s.exec(line) ?? [];
  const unescapeText = (text: string): string =>
    text
      .replace('%0D', '\r')
      .replaceAll('%0A', '\n')
      .replaceAll('%3A', ':')
      .replaceAll('%2C', ',')
      .replaceAll('%25', '%');
  const pairs = properties.split(',').map((pair) => pair.split('='));
  return {
    command,
    data: unescapeText(data),
    properties: Object.fromEntries(pairs.map(([key, ...value]) => [key, unescapeText(value.join('='))])),
  };
}

describe('formatAnnotations', () => {
  it('points at the line of the job file, from the top of the repository', () => {
    expect(formatAnnotations(sampleRun([failedJob({ name: 'a,b:c' })]), place)).toBe(
      '::error file=media/clips.yaml,line=12,col=3,title=a%2Cb%3Ac%3A failed::the service refused the content (content_policy_violation)%0Athe prompt names a person%0Anext: change the prompt, then run it again%0Anothing was charged\n',
    );
  });

  it('says nothing where all is well', () => {
    expect(formatAnnotations(sampleRun([sampleJob()]), place)).toBe('');
  });

  it.each([
    ['outside of the workspace', { cwd: '/elsewhere', workspace: '/repo' }, 'clips.yaml'],
    ['without a workspace', { cwd: '/repo/media' }, 'clips.yaml'],
  ])('names the file as given %s', (_name, options, file) => {
    expect(readCommand(formatAnnotations(sampleRun([failedJob()]), options)).properties.file).toBe(file);
  });

  it('shows warnings of jobs and of the run', () => {
    const run = sampleRun([sampleJob({ warnings: ['50% shorter'] })], { warnings: ['old prices'] });
    const lines = formatAnnotations(run, place).trimEnd().split('\n');
    expect(lines).toEqual([
      '::warning title=evolink::old prices',
      '::warning file=media/clips.yaml,line=4,col=3,title=hero[16%3A9]::50%25 shorter',
    ]);
  });

  it('tells in the tenth of those that GitHub would drop', () => {
    const lines = formatAnnotations(sampleRun(Array.from({ length: 30 }, () => failedJob())), place)
      .trimEnd()
      .split('\n');
    expect(lines).toHaveLength(10);
    expect(lines[9]).toBe('::error title=evolink::21 more errors: see the job summary and the reports');
  });

  it('writes one command a line, none of them foreign, whatever the texts are', () => {
    for (const job of hostileRun().jobs)
      for (const line of formatAnnotations(sampleRun([job], { warnings: job.warnings }), place)
        .trimEnd()
        .split('\n')) {
        expect(line).toMatch(/^::(error|warning) /);
        expect(line).not.toMatch(/##\w*\[|(?!\n)\p{Cc}|\p{Bidi_Control}/u);
        for (const key of Object.keys(readCommand(line).properties))
          expect(['file', 'line', 'col', 'title']).toContain(key);
      }
  });
});

describe('formatStepOutputs', () => {
  it('writes counts, credits and files', () => {
    const run = sampleRun([sampleJob(), failedJob()]);
    const text = formatStepOutputs(run, { reportFiles: ['a.html', 'b=c<<d.xml'], delimiter: 'D' });
    expect(text).toBe(
      'saved<<D\n1\nD\nup-to-date<<D\n0\nD\nsubmitted<<D\n0\nD\nfailed<<D\n1\nD\nskipped<<D\n0\nD\ncredits<<D\n67.5\nD\nreports<<D\na.html\nb=c<<d.xml\nD\n',
    );
  });
});
