import { expect, test } from 'vitest';
import { sumCredits } from '../../../src/report/facts.ts';
import type { JobReport, RunReport } from '../../../src/report/run-report.ts';
import { createReporter, type ReporterOptions } from '../../../src/ui/reporter.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { createFakeTerminal } from '../../helpers/fake-terminal.ts';
import { createMemoryIo } from '../../helpers/memory-io.ts';
import { REPORTER_OPTIONS } from '../../helpers/reporter-options.ts';
import { sampleError, sampleJob, sampleRun } from '../../helpers/sample-run-report.ts';

function credits(estimated: number | null, reserved: number | null = null, used: number | null = null) {
  return { estimated, reserved, used };
}

function job(name: string, change: Partial<JobReport> = {}): JobReport {
  const plan = {
    state: 'not_sent',
    path: `/out/${name}.mp4`,
    credits: credits(5),
    duration_ms: null,
  } as const;
  return sampleJob({ name, group: name, file: 'jobs.yaml', variables: {}, ...plan, ...change });
}

function report(jobs: readonly JobReport[], change: Partial<RunReport> = {}): RunReport {
  const sums = { credits: credits(5 * jobs.length), billed_seconds: 4 * jobs.length, balance: 1000 };
  return sampleRun(jobs, { started_at: new Date(0).toISOString(), ...sums, ...change });
}

const REJECTED = sampleError({ message: 'rejected', details: [], hint: null, charged: null });

async function setUp(options: Partial<ReporterOptions> & { io?: ReturnType<typeof createMemoryIo> } = {}) {
  const io = options.io ?? createMemoryIo();
  const reporter = await createReporter({
    ...REPORTER_OPTIONS,
    isRun: true,
    clock: createFakeClock(),
    ...options,
    io,
  });
  return { io, reporter };
}

test('ten bars and one for all on a terminal, however many run', async () => {
  const terminal = createFakeTerminal({ columns: 80, rows: 40 });
  const io = createMemoryIo({ stderr: { isTty: true, raw: terminal.stream, columns: 80 } });
  const { reporter } = await setUp({ io });
  const jobs = Array.from({ length: 64 }, (_, index) => job(`job-${index}`));
  reporter.event({ kind: 'run-planned', report: report(jobs), toRun: 10_000, fromProject: [] });
  for (const { name } of jobs) reporter.event({ kind: 'job-started', job: name, expectedSeconds: 100 });
  await expect.poll(async () => (await terminal.screen()).join('\n')).toContain('0 of 10000 jobs');
  const shown = await terminal.screen();
  expect(shown.filter((line) => line.startsWith('job-'))).toHaveLength(10);
  expect(shown.join('\n')).toContain('0 of 10000 jobs, 64 running (and 54 more running)');
  reporter.close();
  expect((await terminal.screen()).join('\n')).not.toContain('job-3');
});

test.each([0, 1, 100, 101, 250])('%i jobs are one line that is the whole document', async (count) => {
  const jobs = Array.from({ length: count }, (_, index) =>
    job(`job-${index}`, { state: 'saved', prompt: '"]}\u202e##[error]' }),
  );
  for (const form of ['json', 'events'] as const) {
    const { io, reporter } = await setUp({ form });
    await reporter.end(report(jobs));
    const text = io.stdout.text();
    expect(text.indexOf('\n')).toBe(text.length - 1);
    expect(text).not.toMatch(/##\[|\u202e/);
    const { event, time, ...document } = JSON.parse(text);
    expect([event, time === undefined]).toEqual(form === 'json' ? [undefined, true] : ['result', false]);
    expect(document).toMatchObject({ ok: true, kind: 'evolink.run-report' });
    expect(document.jobs.map(({ name }: { name: string }) => name)).toEqual(jobs.map(({ name }) => name));
  }
});

test('lines and no escape sequences elsewhere, paths to stdout', async () => {
  const { io, reporter } = await setUp();
  reporter.event({ kind: 'run-planned', report: report([job('a')]), toRun: 1, fromProject: [] });
  reporter.event({ kind: 'job-started', job: 'a', expectedSeconds: 100 });
  const warning = { kind: 'warning', code: 'x', message: 'look\u001b[31m out' } as const;
  reporter.event({ kind: 'task', job: 'a', event: warning });
  const saved = job('a', { state: 'saved', credits: credits(5, null, 5), duration_ms: 65_000 });
  const failed = job('b', { state: 'failed', error: REJECTED });
  for (const each of [saved, failed]) reporter.event({ kind: 'job-ended', report: each });
  await reporter.end(report([saved, failed]));
  expect(io.stdout.text()).toBe('/out/a.mp4\n');
  expect(io.stderr.text()).not.toContain('\u001b');
  for (const text of [
    'plan: 1 job: 1 new\ncost: 1 clip, 4 s billed, about 5 credits ($0.07) of 1000\n',
    'a: saved /out/a.mp4 (5 credits, 1 min 5 s)',
    'b: rejected',
    'partly done: 1 saved, 1 failed',
  ])
    expect(io.stderr.text()).toContain(text);
  // Of many jobs only: on one screen it would stand there twice.
  expect(io.stderr.text().match(/rejected/g)).toHaveLength(1);
  await reporter.end(report(Array.from({ length: 20 }, () => failed)));
  expect(io.stderr.text()).toContain('failed: b: rejected');
});

const NAMES = [
  '\u001b[31mred\u001b[0m',
  '\u001b]52;c;aGVsbG8=\u0007clipboard',
  '\u202eevil\u202c',
  '::error file=x::boo',
  ':',
  'two\nlines\r::warning::x',
  'a ##[error]b',
];
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const HARMFUL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]|^\s*::|##\[/m;

test('every line of a run stays harmless with them', async () => {
  const { io, reporter } = await setUp({
    verbosity: 'verbose',
    io: createMemoryIo({ stdout: { isTty: true } }),
  });
  for (const name of NAMES) {
    const error = { ...REJECTED, message: name };
    reporter.event({ kind: 'task', job: name, event: { kind: 'accepted', localId: 'l', taskId: name } });
    reporter.event({ kind: 'task', job: name, event: { kind: 'warning', code: 'x', message: name } });
    for (const ending of [
      { state: 'failed', error },
      { state: 'saved', path: `/out/${name}.mp4` },
      { state: 'running', task_id: name },
      { state: 'not_sent' },
    ] as const)
      reporter.event({ kind: 'job-ended', report: job(name, ending) });
    reporter.event({ kind: 'run-stopping', reason: name });
  }
  expect(io.stderr.text().split('\n').length).toBeGreaterThan(6 * NAMES.length);
  expect(io.stderr.text()).not.toMatch(HARMFUL);
});

test('the sum counts what the service took, not what it gave back', async () => {
  const { io, reporter } = await setUp();
  const jobs = [
    job('a', { state: 'saved', credits: credits(null, 16, 15.2) }),
    job('b', { state: 'saved', credits: credits(null, 16, 15.3) }),
    job('c', { state: 'failed', credits: credits(null, 16), error: REJECTED }),
    job('d', { state: 'running', credits: credits(null, 16) }),
    job('e', { state: 'up_to_date', action: 'up_to_date', credits: credits(null, 9, 9) }),
  ];
  await reporter.end({ ...report(jobs), credits: sumCredits(jobs) });
  expect(io.stderr.text()).toContain('1 failed, 30.5 credits charged, 16 credits reserved, in');
});
