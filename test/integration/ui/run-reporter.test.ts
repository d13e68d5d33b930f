import { describe, expect, it } from 'vitest';
import type { JobReport, RunReport } from '../../../src/jobs/run-report.ts';
import { sumTotals } from '../../../src/jobs/run-totals.ts';
import { createRunReporter, toRunDocument } from '../../../src/ui/run-reporter.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { createFakeTerminal } from '../../helpers/fake-terminal.ts';
import { createMemoryIo } from '../../helpers/memory-io.ts';

function job(name: string, change: Partial<JobReport> = {}): JobReport {
  return {
    name,
    group: name,
    file: 'jobs.yaml',
    line: 1,
    column: 1,
    variables: {},
    state: 'planned',
    action: 'new',
    outputPath: `/out/${name}.mp4`,
    credits: { estimated: 5 },
    warnings: [],
    ...change,
  };
}

function report(jobs: readonly JobReport[]): RunReport {
  return {
    schemaVersion: 1,
    toolVersion: '1.0.0',
    isDryRun: false,
    isSandbox: false,
    isStopped: false,
    files: ['jobs.yaml'],
    startedAtMs: 0,
    endedAtMs: 0,
    totals: sumTotals(jobs),
    credits: { estimated: 5 * jobs.length },
    billedSeconds: 4 * jobs.length,
    balance: 1000,
    jobs,
    warnings: [],
  };
}

const base = { form: 'human', verbosity: 'normal', hasProgress: true, isCi: false, folder: '/' } as const;

describe('the reporter of a run', () => {
  it('shows ten bars and one for all on a terminal, however many run', async () => {
    const terminal = createFakeTerminal({ columns: 80, rows: 40 });
    const io = createMemoryIo({ stderr: { isTty: true, raw: terminal.stream, columns: 80 } });
    const reporter = await createRunReporter({ ...base, io, clock: createFakeClock() });
    const jobs = Array.from({ length: 64 }, (_, index) => job(`job-${index}`));
    reporter.event({ kind: 'run-planned', report: report(jobs), toRun: 10_000 });
    for (const { name } of jobs) reporter.event({ kind: 'job-started', job: name, expectedSeconds: 100 });
    await new Promise((resolve) => setTimeout(resolve, 400));
    const shown = (await terminal.screen()).filter((line) => line.trim() !== '');
    expect(shown.filter((line) => line.startsWith('job-'))).toHaveLength(10);
    expect(shown.join('\n')).toContain('0 of 10000 jobs, 64 running (and 54 more running)');
    reporter.close();
    expect((await terminal.screen()).join('\n')).not.toContain('job-3');
  });

  it.each([0, 1, 100, 101, 250])('writes %i jobs as one line that is the whole document', async (count) => {
    const jobs = Array.from({ length: count }, (_, index) =>
      job(`job-${index}`, { state: 'saved', prompt: '"]}\u202e##[error]' }),
    );
    for (const form of ['json', 'events'] as const) {
      const io = createMemoryIo();
      const reporter = await createRunReporter({ ...base, form, io, clock: createFakeClock() });
      await reporter.end(report(jobs));
      const text = io.stdout.text();
      expect(text.indexOf('\n')).toBe(text.length - 1);
      expect(text).not.toMatch(/##\[|\u202e/);
      const { event, time, ...document } = JSON.parse(text);
      expect(event).toBe(form === 'json' ? undefined : 'result');
      expect(time === undefined).toBe(form === 'json');
      expect(document).toEqual(JSON.parse(JSON.stringify(toRunDocument(report(jobs), '/'))));
    }
  });

  it('writes lines and no escape sequences elsewhere, paths to stdout', async () => {
    const io = createMemoryIo();
    const reporter = await createRunReporter({ ...base, io, clock: createFakeClock() });
    reporter.event({ kind: 'run-planned', report: report([job('a')]), toRun: 1 });
    reporter.event({ kind: 'job-started', job: 'a', expectedSeconds: 100 });
    reporter.event({
      kind: 'task',
      job: 'a',
      event: { kind: 'warning', code: 'x', message: 'look\u001b[31m out' },
    });
    reporter.event({
      kind: 'job-ended',
      report: job('a', { state: 'saved', credits: { used: 5 }, durationMs: 65_000 }),
    });
    reporter.event({
      kind: 'job-ended',
      report: job('b', {
        state: 'failed',
        error: { kind: 'task-failed', message: 'refused', details: [], retryable: false },
      }),
    });
    await reporter.end(report([job('a', { state: 'saved' }), job('b', { state: 'failed' })]));
    expect(io.stdout.text()).toBe('/out/a.mp4\n');
    expect(io.stderr.text()).not.toContain('\u001b');
    expect(io.stderr.text()).toContain(
      'plan: 1 jobs: 1 new\ncost: 1 clips, 4 s billed, about 5 credits of 1000\n',
    );
    expect(io.stderr.text()).toContain('a: saved /out/a.mp4 (5 credits, 1m 05s)');
    expect(io.stderr.text()).toContain('b: refused');
    expect(io.stderr.text()).toMatch(/done in part: 1 saved, 1 failed/);
  });

  it('puts one document on stdout with --json', async () => {
    const io = createMemoryIo();
    const reporter = await createRunReporter({ ...base, form: 'json', io, clock: createFakeClock() });
    reporter.event({ kind: 'job-ended', report: job('a', { state: 'saved' }) });
    await reporter.end(report([job('a', { state: 'saved' })]));
    expect(JSON.parse(io.stdout.text())).toMatchObject({
      ok: true,
      totals: { saved: 1 },
      jobs: [{ name: 'a' }],
    });
  });
});
