import { expect, test } from 'vitest';
import { EvolinkError, StoppedError } from '../../../src/errors.ts';
import type { Verbosity } from '../../../src/ui/reporter.ts';
import { createJsonReporter } from '../../../src/ui/reporters.ts';
import { createTheme } from '../../../src/ui/theme.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { createMemoryIo } from '../../helpers/memory-io.ts';
import { EVENTS, RESULT, TASK } from './sample-events.ts';

function setUp(verbosity: Verbosity = 'normal') {
  const io = createMemoryIo();
  const theme = createTheme({ isUnicode: true });
  return { io, reporter: createJsonReporter({ io, clock: createFakeClock(), verbosity, theme }) };
}

test('a success is one document on stdout; stderr has the warnings only', async () => {
  const { io, reporter } = setUp();
  for (const event of EVENTS) reporter.event(event);
  await reporter.result(RESULT);
  expect(io.stdout.text().split('\n')).toHaveLength(2);
  expect(JSON.parse(io.stdout.text())).toMatchObject({
    schema_version: 1,
    ok: true,
    task_id: TASK,
    path: RESULT.path,
  });
  expect(io.stderr.text()).toBe('warning: 프롬프트가 깁니다\n');
});

test('a failure is one document on stdout, and its text stays on stderr', async () => {
  const { io, reporter } = setUp('quiet');
  for (const event of EVENTS) reporter.event(event);
  await reporter.error(new EvolinkError('pending', 'the task still runs', { taskId: TASK }));
  expect(JSON.parse(io.stdout.text())).toMatchObject({
    ok: false,
    error: { code: 'pending', exit: 7, charged: 'yes' },
  });
  expect(io.stderr.text()).toMatch(/^error: the task still runs\n/);
});

test('a stop is a document too', async () => {
  const { io, reporter } = setUp();
  await reporter.stopped(new StoppedError('SIGINT'), { taskId: TASK });
  expect(JSON.parse(io.stdout.text())).toMatchObject({
    ok: false,
    error: { code: 'signal', exit: 130, task_id: TASK },
  });
  expect(io.stderr.text()).toContain('generation and billing go on');
});

test('stdout is whole without anybody reading stderr', async () => {
  const { io, reporter } = setUp();
  io.stderr.closeReader();
  await reporter.error(new EvolinkError('network', 'x'));
  expect(JSON.parse(io.stdout.text()).ok).toBe(false);
});

test('verbose adds the plain lines on stderr', () => {
  const { io, reporter } = setUp('verbose');
  for (const event of EVENTS) reporter.event(event);
  expect(io.stderr.text()).toContain(`accepted: ${TASK}`);
});
