import { expect, test } from 'vitest';
import { createReporter, type ReporterOptions } from '../../../src/ui/reporters.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { createMemoryIo } from '../../helpers/memory-io.ts';

async function pick(options: Partial<ReporterOptions> & { isTty?: boolean }): Promise<string> {
  const said: string[] = [];
  const { isTty = true, ...rest } = options;
  const reporter = await createReporter({
    io: createMemoryIo({ stderr: { isTty } }),
    clock: createFakeClock(),
    form: 'human',
    verbosity: 'normal',
    hasProgress: true,
    isCi: false,
    onDebug: (message) => said.push(message),
    ...rest,
  });
  reporter.close();
  reporter.close();
  return said[0] ?? '';
}

test.each([
  [{}, 'terminal'],
  [{ isTty: false }, 'plain'],
  [{ hasProgress: false }, 'plain'],
  [{ isCi: true }, 'plain'],
  [{ verbosity: 'quiet' as const }, 'plain'],
  [{ form: 'json' as const }, 'json'],
  [{ form: 'events' as const }, 'events'],
])('%o gives the %s form', async (options, form) => expect(await pick(options)).toBe(`output form: ${form}`));

test('a fault in showing an event does not reach the work', async () => {
  const said: string[] = [];
  const clock = createFakeClock();
  const reporter = await createReporter({
    io: createMemoryIo(),
    clock: {
      ...clock,
      monotonicMs: () => {
        throw new Error('broken');
      },
    },
    form: 'human',
    verbosity: 'normal',
    hasProgress: true,
    isCi: false,
    onDebug: (message) => said.push(message),
  });
  reporter.event({ kind: 'progress', taskId: 't', status: 'pending', elapsedMs: 0 });
  expect(said).toContain('could not show "progress": broken');
});
