import { expect, test } from 'vitest';
import { EvolinkError } from '../../../src/errors.ts';
import { createEventsReporter } from '../../../src/ui/reporters.ts';
import { createTheme } from '../../../src/ui/theme.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { createMemoryIo } from '../../helpers/memory-io.ts';
import { EVENTS, RESULT, TASK } from './sample-events.ts';

function setUp() {
  const io = createMemoryIo();
  const theme = createTheme({ isUnicode: true });
  const reporter = createEventsReporter({ io, clock: createFakeClock(), verbosity: 'normal', theme });
  const documents = () =>
    io.stdout
      .text()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  return { io, reporter, documents };
}

test('every event is one line, in order, with its time; the last one is the result', async () => {
  const { reporter, documents } = setUp();
  for (const event of EVENTS) reporter.event(event);
  await reporter.result(RESULT);
  expect(documents().map((document) => document.event)).toEqual([
    ...EVENTS.map((event) => event.kind),
    'result',
  ]);
  for (const document of documents()) {
    expect(document).toMatchObject({ schema_version: 1, time: '2026-11-21T09:15:02.000Z' });
  }
  expect(documents().at(-1)).toMatchObject({ ok: true, task_id: TASK, credits: { used: 70 } });
});

test('keys are snake case, times ISO, and what is not known is null', () => {
  const { reporter, documents } = setUp();
  for (const event of EVENTS) reporter.event(event);
  for (const document of documents()) {
    for (const key of Object.keys(document)) expect(key).toMatch(/^[a-z0-9_]+$/);
    expect(Object.values(document)).not.toContain(undefined);
  }
  expect(documents().find((document) => document.event === 'completed')).toMatchObject({
    elapsed_ms: 156_000,
    link_expires_at: '2026-11-22T09:15:02.000Z',
  });
  reporter.event({ kind: 'progress', taskId: TASK, status: 'pending', elapsedMs: 1 });
  expect(documents().at(-1)).toMatchObject({ progress_percent: null, remaining_ms: null });
});

test('a failure ends the stream and stands on stderr for people', async () => {
  const { io, reporter, documents } = setUp();
  await reporter.error(new EvolinkError('unknown', 'no answer', { localId: '01J' }));
  expect(documents()).toMatchObject([
    { event: 'error', ok: false, error: { code: 'unknown', charged: 'unknown' } },
  ]);
  expect(io.stderr.text()).toContain('error: no answer');
});
