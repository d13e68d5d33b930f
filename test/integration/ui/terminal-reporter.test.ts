import { expect, onTestFinished, test } from 'vitest';
import { EvolinkError, StoppedError } from '../../../src/errors.ts';
import type { TaskEvent } from '../../../src/task/events.ts';
import { createReporter } from '../../../src/ui/reporter.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { createFakeTerminal } from '../../helpers/fake-terminal.ts';
import { createMemoryIo } from '../../helpers/memory-io.ts';
import { EVENTS, RESULT, TASK } from '../../unit/ui/sample-events.ts';

const QUEUED: TaskEvent = {
  kind: 'progress',
  taskId: TASK,
  status: 'pending',
  progressPercent: 0,
  elapsedMs: 2000,
  remainingMs: 163_000,
};
const WORKING: TaskEvent = {
  kind: 'progress',
  taskId: TASK,
  status: 'processing',
  progressPercent: 45,
  elapsedMs: 65_000,
  remainingMs: 80_000,
};
const TROUBLE: TaskEvent = { kind: 'warning', code: 'x', message: '프롬프트가 권장 길이를 넘습니다' };
const DOWNLOAD: TaskEvent = {
  kind: 'download-started',
  taskId: TASK,
  totalBytes: 8_388_608,
  resumedFromBytes: 0,
};
const BYTES: TaskEvent = { kind: 'bytes', taskId: TASK, receivedBytes: 4_194_304, totalBytes: 8_388_608 };

interface SetUp {
  readonly columns?: number;
  readonly colorLevel?: 0 | 1;
  readonly isStdoutTty?: boolean;
  readonly isUnicode?: boolean;
}

async function setUp({ columns = 80, colorLevel = 0, isStdoutTty = false, isUnicode = true }: SetUp = {}) {
  const terminal = createFakeTerminal({ columns });
  const io = createMemoryIo({
    stderr: { isTty: true, colorLevel, columns, raw: terminal.stream },
    stdout: { isTty: isStdoutTty },
    isUnicode,
  });
  const clock = createFakeClock();
  const reporter = await createReporter({
    io,
    clock,
    form: 'human',
    verbosity: 'normal',
    hasProgress: true,
    isCi: false,
    folder: '/',
  });
  onTestFinished(() => reporter.close());
  return { terminal, io, clock, reporter };
}

test('queued: a spinner with the times and no percentage', async () => {
  const { reporter, terminal } = await setUp();
  reporter.event(QUEUED);
  expect(await terminal.screen()).toEqual(['⠋ pending 2s elapsed, about 2m 43s left']);
});

test('working: one bar in place of the spinner, with state, percent and times', async () => {
  const { reporter, terminal } = await setUp();
  reporter.event(QUEUED);
  reporter.event(WORKING);
  expect(await terminal.screen()).toEqual([
    'processing 45% ██████████████░░░░░░░░░░░░░░░░ 1m 05s elapsed, about 1m 20s left',
  ]);
});

test('saving: one bar of bytes', async () => {
  const { reporter, terminal, clock } = await setUp();
  for (const event of [QUEUED, WORKING, DOWNLOAD]) reporter.event(event);
  await clock.advance(2000);
  reporter.event(BYTES);
  reporter.event({ kind: 'warning', code: 'x', message: 'hello' });
  expect(await terminal.screen()).toEqual([
    'warning: hello',
    'saving 50% ███████████████░░░░░░░░░░░░░░ 4.0 MiB of 8.0 MiB, 2.0 MiB/s, 2s left',
  ]);
});

test('after every event the screen has at most one live line, and it is the last', async () => {
  const { reporter, terminal } = await setUp();
  for (const event of EVENTS) {
    reporter.event(event);
    const screen = await terminal.screen();
    const live = screen.filter((line) => /elapsed|^saving|[█░⠋]/.test(line));
    expect(live.length).toBeLessThanOrEqual(1);
    if (live.length === 1) expect(screen.at(-1)).toBe(live[0]);
  }
});

test('warnings and retries stand above the live line, whole and in order', async () => {
  const { reporter, terminal } = await setUp();
  for (const event of [QUEUED, TROUBLE, WORKING]) reporter.event(event);
  reporter.event({ kind: 'poll-trouble', taskId: TASK, reason: 'HTTP 503', retryInMs: 8000 });
  expect(await terminal.screen()).toEqual([
    'warning: 프롬프트가 권장 길이를 넘습니다',
    'retry: reading the task failed (HTTP 503); next try in 8s',
    expect.stringMatching(/^processing 45% /),
  ]);
});

test('a person who presses Enter meanwhile damages no line', async () => {
  const { reporter, terminal } = await setUp();
  reporter.event(WORKING);
  terminal.stream.write('\n');
  reporter.event({ kind: 'warning', code: 'x', message: 'short' });
  reporter.event({ kind: 'completed', taskId: TASK, elapsedMs: 70_000 });
  expect(await terminal.screen()).toEqual([
    expect.stringMatching(/^processing 45% /),
    'warning: short',
    'completed: after 1m 10s',
  ]);
});

test.each([80, 40, 20, 8, 3, 1])('on %d columns the live line never wraps', async (columns) => {
  const { reporter, terminal } = await setUp({ columns });
  for (const event of [QUEUED, WORKING, DOWNLOAD, BYTES]) {
    reporter.event(event);
    expect((await terminal.screen()).length).toBeLessThanOrEqual(1);
  }
});

test('on 40 columns lines are broken at spaces', async () => {
  const { reporter, terminal } = await setUp({ columns: 40 });
  for (const event of [...EVENTS.slice(0, 2), WORKING]) reporter.event(event);
  expect(await terminal.screen()).toEqual([
    'plan: seedance-2.0-text-to-video, 5 s,',
    '  720p, 16:9, about 67.5 credits (list',
    '  prices of 2026-10-10)',
    'warning: 프롬프트가 깁니다',
    'processing 45% █████░░░░░░░ 1m 20s left',
  ]);
});

test('many events in a moment are one redraw', async () => {
  const { reporter, terminal } = await setUp();
  reporter.event(DOWNLOAD);
  for (let index = 1; index <= 1000; index++) reporter.event({ ...BYTES, receivedBytes: index * 8000 });
  expect(terminal.raw().match(/saving/g)).toHaveLength(1);
  for (let index = 1; index <= 100; index++) reporter.event({ ...QUEUED, elapsedMs: index * 1000 });
  expect(terminal.raw().match(/pending/g)).toHaveLength(1);
});

test('the cursor is hidden while something is drawn, and shown on each way out', async () => {
  const endings = [
    (reporter: Awaited<ReturnType<typeof setUp>>['reporter']) => reporter.result(RESULT),
    (reporter: Awaited<ReturnType<typeof setUp>>['reporter']) =>
      reporter.error(new EvolinkError('network', 'x')),
    (reporter: Awaited<ReturnType<typeof setUp>>['reporter']) =>
      reporter.stopped(new StoppedError('SIGINT'), { taskId: TASK }),
    async (reporter: Awaited<ReturnType<typeof setUp>>['reporter']) => reporter.close(),
  ];
  for (const end of endings) {
    for (const event of [QUEUED, WORKING]) {
      const { reporter, terminal } = await setUp();
      reporter.event(event);
      expect(terminal.isCursorHidden()).toBe(true);
      await end(reporter);
      expect(terminal.isCursorHidden()).toBe(false);
      expect((await terminal.screen()).join('\n')).not.toContain('elapsed');
      // Line wrapping, which the bar switches off, is on again.
      expect(terminal.raw().lastIndexOf('\u001b[?7l')).toBeLessThanOrEqual(
        terminal.raw().lastIndexOf('\u001b[?7h'),
      );
    }
  }
});

test('after the end nothing is drawn any more', async () => {
  const { reporter, terminal } = await setUp();
  await reporter.stopped(new StoppedError('SIGINT'), { taskId: TASK });
  const before = await terminal.screen();
  reporter.event(WORKING);
  expect(await terminal.screen()).toEqual(before);
});

test('the last words: facts on stderr; the path there too when stdout goes elsewhere', async () => {
  const piped = await setUp();
  await piped.reporter.result(RESULT);
  expect((await piped.terminal.screen()).slice(2, 5)).toEqual([
    '✔ saved: /clips/개구리.mp4',
    '  8.0 MiB, 5.04 s, 1280×720, with audio',
    '  70 credits charged, 2.5 more than the estimate of 67.5',
  ]);
  expect(piped.io.stdout.text()).toBe('/clips/개구리.mp4\n');

  const onScreen = await setUp({ isStdoutTty: true });
  await onScreen.reporter.result({ ...RESULT, path: '/clips/\u001b[2J개구리.mp4', warnings: [] });
  expect((await onScreen.terminal.screen())[0]).toBe('✔ saved: 8.0 MiB, 5.04 s, 1280×720, with audio');
  expect(onScreen.io.stdout.text()).toBe('/clips/개구리.mp4\n');
});

test('colour follows the stream and not the process', async () => {
  const colourless = await setUp({ colorLevel: 0 });
  const coloured = await setUp({ colorLevel: 1 });
  for (const { reporter } of [colourless, coloured]) {
    for (const event of [QUEUED, TROUBLE, WORKING]) reporter.event(event);
    await reporter.error(new EvolinkError('network', 'x'));
  }
  expect(colourless.terminal.raw()).not.toMatch(/\p{Cc}\[[\d;]*m/u);
  expect(coloured.terminal.raw()).toContain('\u001b[31merror:');
  expect(coloured.terminal.raw()).toContain('\u001b[36m⠋');
  expect(await coloured.terminal.screen()).toEqual(await colourless.terminal.screen());
});

test('a locale without Unicode gets ASCII signs', async () => {
  const { reporter, terminal } = await setUp({ isUnicode: false, columns: 60 });
  reporter.event(QUEUED);
  expect(await terminal.screen()).toEqual(['- pending 2s elapsed, about 2m 43s left']);
  reporter.event(WORKING);
  await reporter.result({ ...RESULT, path: '/clips/frog.mp4', warnings: [] });
  expect(terminal.raw()).not.toMatch(/\P{ASCII}/u);
});

test('once the reader of stderr has gone, nothing is drawn and the result still comes', async () => {
  const { reporter, terminal, io } = await setUp();
  io.stderr.closeReader();
  for (const event of EVENTS) reporter.event(event);
  await reporter.result(RESULT);
  expect(terminal.raw()).toBe('');
  expect(io.stdout.text()).toBe('/clips/개구리.mp4\n');
});
