import { expect, test } from 'vitest';
import { EvolinkError, StoppedError } from '../../../src/errors.ts';
import type { TaskEvent } from '../../../src/task/events.ts';
import { eventSchema } from '../../../src/ui/documents.ts';
import { createReporter, type ReporterOptions } from '../../../src/ui/reporter.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { createMemoryIo } from '../../helpers/memory-io.ts';
import { REPORTER_OPTIONS } from '../../helpers/reporter-options.ts';
import { EVENTS, RESULT, TASK } from './sample-events.ts';

async function setUp(options: Partial<ReporterOptions> = {}) {
  const io = createMemoryIo();
  const clock = createFakeClock();
  const reporter = await createReporter({ ...REPORTER_OPTIONS, io, clock, ...options });
  const lines = () => io.stderr.text().split('\n').slice(0, -1);
  return { io, clock, reporter, lines };
}

test('one readable line for each change of state, nothing on stdout before the result', async () => {
  const { io, reporter, lines } = await setUp();
  for (const event of EVENTS) reporter.event(event);
  expect(lines()).toEqual([
    'plan: seedance-2.0-text-to-video, 5 s, 720p, 16:9, about 67.5 credits (list prices of 2026-10-10)',
    'warning: 프롬프트가 깁니다',
    `attached: ${TASK} is pending already; nothing was resubmitted`,
    'retry: not submitted yet (connection refused); next try in 2 s',
    `accepted: ${TASK} (70 credits reserved, 2.5 more than the estimate of 67.5)`,
    'pending: 0%, 2 s elapsed, about 2 min 43 s left',
    'processing: 45%, 1 min 5 s elapsed, about 1 min 20 s left',
    'retry: reading the task failed (HTTP 503); next try in 8 s',
    'completed: after 2 min 36 s',
    'downloading: 8.0 MiB',
    'retry: the download was interrupted (connection reset); next try in 1 s',
    'retry: the download starts from the beginning (the file changed)',
  ]);
  expect(io.stdout.text()).toBe('');
});

const bytesAt = (second: number): TaskEvent => {
  const receivedBytes = (1 + second) * 1024 ** 2;
  return { kind: 'bytes', taskId: TASK, receivedBytes, totalBytes: 100 * 1024 ** 2 };
};
const progressAt = (second: number): TaskEvent => {
  const elapsedMs = second * 1000;
  return { kind: 'progress', taskId: TASK, status: 'processing', progressPercent: second, elapsedMs };
};

test.each([
  ['a state', progressAt, ['processing: 0%, 0 s elapsed', 'processing: 30%, 30 s elapsed']],
  [
    'a download',
    bytesAt,
    ['downloading: 1.0 MiB of 100.0 MiB', 'downloading: 31.0 MiB of 100.0 MiB, 1.0 MiB/s, 1 min 9 s left'],
  ],
])('%s that lasts gives a line in half a minute', async (_name, eventAt, expected) => {
  const { clock, reporter, lines } = await setUp();
  for (let second = 0; second <= 40; second++) {
    reporter.event(eventAt(second));
    await clock.advance(1000);
  }
  expect(lines()).toEqual(expected);
});

test('the same trouble again and again is one line, other trouble is another', async () => {
  const { clock, reporter, lines } = await setUp();
  for (const reason of ['HTTP 503', 'HTTP 503', 'HTTP 503', 'timeout', 'timeout']) {
    reporter.event({ kind: 'poll-trouble', taskId: TASK, reason, retryInMs: 8000 });
    await clock.advance(8000);
  }
  expect(lines()).toHaveLength(2);
});

test('the result: the path alone on stdout, the facts on stderr, each warning once', async () => {
  const { io, reporter, lines } = await setUp();
  for (const event of EVENTS.slice(0, 2)) reporter.event(event);
  await reporter.result(RESULT);
  expect(io.stdout.text()).toBe('/clips/개구리.mp4\n');
  expect(lines().filter((line) => line.startsWith('warning:'))).toEqual([
    'warning: 프롬프트가 깁니다',
    'warning: frame rate differs',
  ]);
  expect(lines().slice(-4)).toEqual([
    'saved: /clips/개구리.mp4',
    '  8.0 MiB, 5.04 s, 1280×720, with audio',
    '  70 credits charged, 2.5 more than the estimate of 67.5',
    expect.stringMatching(/^ {2}link expires 2026-11-2\d \d\d:\d\d \(in 24 h\)$/),
  ]);
});

test('quiet leaves errors only on stderr, and the path on stdout', async () => {
  const { io, reporter } = await setUp({ verbosity: 'quiet' });
  for (const event of EVENTS) reporter.event(event);
  await reporter.result(RESULT);
  expect(io.stderr.text()).toBe('');
  expect(io.stdout.text()).toBe('/clips/개구리.mp4\n');
  await reporter.error(new EvolinkError('network', 'the host cannot be reached'));
  expect(io.stderr.text()).toContain('error: the host cannot be reached');
});

test('hostile text cannot draw, and nothing is coloured', async () => {
  const { io, reporter } = await setUp({ verbosity: 'verbose' });
  const evil = '\u001b[2J\u202e\r\n::error::x ##[add-mask]y';
  reporter.event({ kind: 'warning', code: 'x', message: evil });
  reporter.event({ kind: 'progress', taskId: evil, status: evil, elapsedMs: 0 });
  reporter.event({ kind: 'accepted', localId: '01J', taskId: evil });
  reporter.event({ kind: 'poll-trouble', taskId: TASK, reason: evil, retryInMs: 1 });
  await reporter.result({ ...RESULT, warnings: [evil] });
  await reporter.stopped(new StoppedError('SIGINT'), { taskId: evil });
  expect(io.stderr.text()).not.toMatch(/[^\P{C}\n]/u);
  for (const line of io.stderr.text().split('\n')) expect(line.trimStart()).not.toMatch(/^::/);
  expect(io.stderr.text()).not.toContain('##[');
});

test('--events: every kind of event with the keys of its schema, nothing undefined', async () => {
  const { io, reporter } = await setUp({ form: 'events' });
  for (const event of EVENTS) reporter.event(event);
  await reporter.result(RESULT);
  const documents = io.stdout
    .text()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  for (const document of documents) expect(eventSchema().safeParse(document).error).toBeUndefined();
  expect(documents.map(({ event }) => event)).toEqual([...EVENTS.map(({ kind }) => kind), 'result']);
  expect(documents.at(-2)).toMatchObject({ path: '/clips/개구리.mp4', media: null, skipped: false });
});

test('what can not be shown ends no work, and is named with --debug', async () => {
  const faults: string[] = [];
  const clock = {
    ...createFakeClock(),
    monotonicMs: () => {
      throw new Error('broken');
    },
  };
  const { reporter, io } = await setUp({ clock, onFault: (fault) => faults.push(fault) });
  reporter.event({ kind: 'progress', taskId: 't', status: 'pending', elapsedMs: 0 });
  reporter.event({
    kind: 'task',
    job: 'a',
    event: { kind: 'poll-trouble', taskId: 't', reason: 'x', retryInMs: 1 },
  });
  await reporter.result(RESULT);
  expect(faults).toEqual(['could not show progress: broken', 'could not show task: broken']);
  expect(io.stdout.text()).toBe('/clips/개구리.mp4\n');
});
