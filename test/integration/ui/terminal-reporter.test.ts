import { expect, onTestFinished, test } from 'vitest';
import { EvolinkError, StoppedError } from '../../../src/errors.ts';
import type { TaskEvent } from '../../../src/task/events.ts';
import { createReporter, type Reporter } from '../../../src/ui/reporter.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { createFakeTerminal } from '../../helpers/fake-terminal.ts';
import { createMemoryIo } from '../../helpers/memory-io.ts';
import { REPORTER_OPTIONS } from '../../helpers/reporter-options.ts';
import { BYTES, DOWNLOAD, EVENTS, QUEUED, RESULT, TASK, WORKING } from '../../unit/ui/sample-events.ts';

const TROUBLE: TaskEvent = { kind: 'warning', code: 'x', message: '프롬프트가 권장 길이를 넘습니다' };

async function setUp({
  columns = 80,
  colorLevel = 0 as 0 | 1,
  isStdoutTty = false,
  isUnicode = true,
  env = {},
  notifies = false,
} = {}) {
  const fake = createFakeTerminal({ columns });
  // Which frame of the spinner is shown depends on how busy the machine is.
  const firstFrame = (line: string) => line.replace(/^[⠙⠹⠸⠼⠴⠦⠧⠇⠏]/, '⠋');
  const terminal = { ...fake, screen: async () => (await fake.screen()).map(firstFrame) };
  const stderr = { isTty: true, colorLevel, columns, raw: terminal.stream };
  const io = createMemoryIo({ stderr, stdout: { isTty: isStdoutTty }, isUnicode });
  const clock = createFakeClock();
  const reporter = await createReporter({ ...REPORTER_OPTIONS, env, notifies, io, clock });
  onTestFinished(() => reporter.close());
  return { terminal, io, clock, reporter };
}

test('one live line: first the times, then a bar with state and percent, then one of bytes', async () => {
  const { reporter, terminal, clock } = await setUp();
  reporter.event(QUEUED);
  expect(await terminal.screen()).toEqual(['⠋ pending 2 s elapsed, about 2 min 43 s left']);
  reporter.event(WORKING);
  expect(await terminal.screen()).toEqual([
    expect.stringMatching(/^⠋ processing 45% █+░+ 1 min 5 s elapsed, about 1 min 20 s left$/),
  ]);
  reporter.event(DOWNLOAD);
  await clock.advance(2000);
  reporter.event(BYTES);
  reporter.event({ kind: 'warning', code: 'x', message: 'hello' });
  expect(await terminal.screen()).toEqual([
    'warning: hello',
    expect.stringMatching(/^⠋ saving 50% (█+)(░+) 4.0 MiB of 8.0 MiB, 2.0 MiB\/s, 2 s left$/),
  ]);
});

test('after every event the screen has at most one live line, and it is the last', async () => {
  const { reporter, terminal } = await setUp();
  for (const event of EVENTS) {
    reporter.event(event);
    const screen = await terminal.screen();
    const live = screen.filter((line) => /elapsed|saving|[█░⠋]/.test(line));
    expect(live.length).toBeLessThanOrEqual(1);
    if (live.length === 1) expect(screen.at(-1)).toBe(live[0]);
  }
});

test('warnings and retries stand above the live line, also when a person presses Enter meanwhile', async () => {
  const { reporter, terminal } = await setUp();
  for (const event of [QUEUED, TROUBLE, WORKING]) reporter.event(event);
  reporter.event({ kind: 'poll-trouble', taskId: TASK, reason: 'HTTP 503', retryInMs: 8000 });
  expect(await terminal.screen()).toEqual([
    'warning: 프롬프트가 권장 길이를 넘습니다',
    'retry: reading the task failed (HTTP 503); next try in 8 s',
    expect.stringMatching(/^⠋ processing 45% /),
  ]);
  terminal.stream.write('\n');
  reporter.event({ kind: 'completed', taskId: TASK, elapsedMs: 70_000 });
  expect((await terminal.screen()).slice(0, 2)).toEqual([
    'warning: 프롬프트가 권장 길이를 넘습니다',
    'retry: reading the task failed (HTTP 503); next try in 8 s',
  ]);
  expect((await terminal.screen()).at(-1)).toBe('completed: after 1 min 10 s');
});

test.each([80, 40, 20, 8, 3, 1])('on %d columns the live line never wraps', async (columns) => {
  const { reporter, terminal } = await setUp({ columns });
  for (const event of [QUEUED, WORKING, DOWNLOAD, BYTES]) {
    reporter.event(event);
    expect((await terminal.screen()).length).toBeLessThanOrEqual(1);
  }
});

test('many events in a moment are one redraw', async () => {
  const { reporter, terminal } = await setUp();
  reporter.event(DOWNLOAD);
  for (let index = 1; index <= 1000; index++) reporter.event({ ...BYTES, receivedBytes: index * 8000 });
  expect(terminal.raw().match(/saving/g)).toHaveLength(1);
});

test.each<[string, (reporter: Reporter) => Promise<void>]>([
  ['a result', (reporter) => reporter.result(RESULT)],
  ['an error', (reporter) => reporter.error(new EvolinkError('network', 'x'))],
  ['a signal', (reporter) => reporter.stopped(new StoppedError('SIGINT'), { taskId: TASK })],
  ['nothing', async (reporter) => reporter.close()],
])(
  'the cursor is hidden while something is drawn; after %s it is back, and nothing is drawn',
  async (_, end) => {
    const { reporter, terminal } = await setUp();
    for (const event of [QUEUED, WORKING]) reporter.event(event);
    expect(terminal.isCursorHidden()).toBe(true);
    await end(reporter);
    expect(terminal.isCursorHidden()).toBe(false);
    const before = await terminal.screen();
    expect(before.join('\n')).not.toContain('elapsed');
    reporter.event(WORKING);
    expect(await terminal.screen()).toEqual(before);
  },
);

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
  for (const event of [QUEUED, WORKING]) reporter.event(event);
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

const WINDOWS_TERMINAL = { TERM: 'xterm-256color', WT_SESSION: '1' };
const KEEP_TITLE = '\u001b[22;2t';
const PLAIN_END = '\u001b]2;\u0007\u001b[23;2t';

test('title and progress go along, and are as they were after the end', async () => {
  const { reporter, terminal } = await setUp({ env: WINDOWS_TERMINAL });
  for (const event of [QUEUED, TROUBLE, WORKING, DOWNLOAD]) reporter.event(event);
  const shown = terminal.raw();
  expect(shown.split(KEEP_TITLE)).toHaveLength(2);
  expect(shown).toContain(`${KEEP_TITLE}\u001b]2;evolink: pending\u0007\u001b]9;4;3;0\u0007`);
  expect(shown).toContain('\u001b]2;evolink: processing 45%\u0007\u001b]9;4;1;45\u0007');
  reporter.close();
  reporter.close();
  expect(terminal.raw().slice(shown.length).split(`${PLAIN_END}\u001b]9;4;0;0\u0007`)).toHaveLength(2);
  // A title that counts as text would take a line above with it.
  expect(await terminal.screen()).toEqual(['warning: 프롬프트가 권장 길이를 넘습니다']);
});

test.each([
  ['another terminal gets a title alone', { TERM: 'xterm' }, /\]2;evolink: processing 45%/, /\]9;/],
  ['within tmux it is not known which terminal it is', { ...WINDOWS_TERMINAL, TMUX: '/x' }, /\]2;/, /\]9;/],
  ['a console without titles gets none', { TERM: 'linux' }, /processing/, /\]|\[2[23];2t/],
])('%s', async (_name, env, has, hasNot) => {
  const { reporter, terminal } = await setUp({ env });
  reporter.event(WORKING);
  reporter.close();
  expect(terminal.raw()).toMatch(has);
  expect(terminal.raw()).not.toMatch(hasNot);
});

test('what the service says can not get out of the title', async () => {
  const { reporter, terminal } = await setUp({ env: WINDOWS_TERMINAL });
  reporter.event({ ...WORKING, status: 'a\u0007\u001b]52;c;x\u0007\u009c' });
  expect(terminal.raw()).not.toMatch(/\]52|\u009c/);
});

test('the path of a clip is a link where the terminal knows links, whatever stands in it', async () => {
  const path = '/clips/a b;\u0007.mp4';
  const linked = await setUp({ env: WINDOWS_TERMINAL, isStdoutTty: true });
  await linked.reporter.result({ ...RESULT, path, warnings: [] });
  expect(linked.io.stdout.text()).toBe(
    '\u001b]8;;file://here/clips/a%20b;%07.mp4\u0007/clips/a b;.mp4\u001b]8;;\u0007\n',
  );
});

test.each([
  [31_000, true, 1],
  [29_000, true, 0],
  [31_000, false, 0],
])('after %d ms, wanted: %s: %d notifications', async (waitMs, notifies, count) => {
  const { reporter, terminal, clock } = await setUp({ env: { TERM: 'xterm-kitty' }, notifies });
  reporter.event(WORKING);
  await clock.advance(waitMs);
  await reporter.result(RESULT);
  expect(terminal.raw().split('\u0007\u001b]9;evolink is done\u0007')).toHaveLength(count + 1);
});
