import { EvolinkError, SIGNAL_EXITS, StoppedError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { toHumanPath } from '../platform/text.ts';
import type { FlagValues } from './flags.ts';
import type { FormOptions } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';

type SandboxCommandOptions = FormOptions & FlagValues<'port' | 'speed' | 'faults' | 'credits' | 'seed'>;

function readNumber(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw refuse(flag, text, 'a number, 0 or more');
}

function readPort(text: string | undefined): number | undefined {
  const port = readNumber('--port', text);
  if (port === undefined || (Number.isInteger(port) && port <= 65_535)) return port;
  throw refuse('--port', `${text}`, 'a whole number from 0 to 65535; 0 takes any free port');
}

function refuse(flag: string, text: string, expected: string): EvolinkError {
  return new EvolinkError('usage', `${flag} "${text}": must be ${expected}`, {
    hint: 'evolink sandbox --help',
  });
}

/** `evolink sandbox`: serves until a signal ends it. stdout names the addresses, stderr has a line a request. */
export function runSandbox(context: Context, options: SandboxCommandOptions): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const { startSandbox } = await import('../sandbox/start-sandbox.ts');
    const sandbox = await startSandbox({
      clock: context.clock,
      port: readPort(options.port),
      speed: readNumber('--speed', options.speed),
      startingCredits: readNumber('--credits', options.credits),
      seed: readNumber('--seed', options.seed),
      faults: options.faults,
      ...(options.quiet === true
        ? {}
        : { log: (line: string) => void context.io.stderr.write(`${toHumanPath(line)}\n`) }),
    });
    try {
      await announce(frame, sandbox);
      const signal = await untilStopped(context.signals.signal);
      return SIGNAL_EXITS[signal];
    } finally {
      await sandbox.close();
    }
  });
}

function announce(
  { reporter }: Frame,
  {
    apiUrl,
    filesUrl,
    linkUrl,
  }: { readonly apiUrl: string; readonly filesUrl: string; readonly linkUrl: string },
): Promise<void> {
  reporter.note('the sandbox is running; Ctrl-C ends it');
  return reporter.print(
    'sandbox',
    { api_url: apiUrl, files_url: filesUrl, link_url: linkUrl },
    `export EVOLINK_BASE_URL=${apiUrl}\nexport EVOLINK_FILES_URL=${filesUrl}\nexport EVOLINK_API_KEY=sandbox-key-0001\n`,
  );
}

function untilStopped(signal: AbortSignal): Promise<keyof typeof SIGNAL_EXITS> {
  return new Promise((resolve) => {
    const stop = (): void =>
      resolve(signal.reason instanceof StoppedError ? signal.reason.signal : 'SIGTERM');
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
