import { SIGNAL_EXITS, StoppedError } from '../errors.ts';
import { toHumanPath } from '../platform/text.ts';
import type { Invocation } from './flags.ts';
import { runInFrame } from './frame.ts';
import { SANDBOX_KEY } from './session.ts';

/** `evolink sandbox`: serves until a signal ends it. stdout names the addresses, stderr has a line a request. */
export function runSandbox({ context, options }: Invocation): Promise<number> {
  const { clock, io, signals } = context;
  return runInFrame(context, { form: options }, async ({ reporter }) => {
    const { startSandbox } = await import('../sandbox/start-sandbox.ts');
    const { port, speed, seed, faults, credits, quiet } = options;
    const sandbox = await startSandbox({
      clock,
      port,
      speed,
      seed,
      faults,
      startingCredits: credits,
      ...(quiet !== true && { log: (line: string) => void io.stderr.write(`${toHumanPath(line)}\n`) }),
    });
    try {
      reporter.note('the sandbox is running; Ctrl-C ends it');
      const { apiUrl: api_url, filesUrl: files_url, linkUrl: link_url } = sandbox;
      await reporter.print(
        'sandbox',
        { api_url, files_url, link_url },
        `export EVOLINK_BASE_URL=${api_url}\nexport EVOLINK_FILES_URL=${files_url}\nexport EVOLINK_API_KEY=${SANDBOX_KEY}\n`,
      );
      const { signal } = signals;
      if (!signal.aborted)
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      return SIGNAL_EXITS[signal.reason instanceof StoppedError ? signal.reason.signal : 'SIGTERM'];
    } finally {
      await sandbox.close();
    }
  });
}
