import { readFileSync, writeSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { run } from './cli/program.ts';
import { EXIT_CODES } from './errors.ts';
import { createSystemClock } from './platform/clock.ts';
import { createSystemIo } from './platform/io.ts';
import { watchSignals } from './platform/signals.ts';
import { createSecrets } from './platform/text.ts';

/** For tests: waits shrink by this factor, all in the same proportion. */
function clockRate(value: string | undefined): number {
  const rate = Number(value ?? 1);
  return Number.isFinite(rate) && rate >= 1 ? rate : 1;
}

/**
 * Aborts when the process would end although the command has not: nothing is left that could settle what it awaits. Where
 * even that can't be said, it ends as a bug.
 */
function watchStall(print: (text: string) => void): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const onIdle = (): void => {
    const isFirst = !controller.signal.aborted;
    controller.abort(new Error('nothing is left to wait for'));
    if (isFirst) return;
    process.off('beforeExit', onIdle);
    process.exitCode = EXIT_CODES.internal.exit;
    print('error: this is a bug in evolink (it waits for something that never comes)\n');
  };
  process.on('beforeExit', onIdle);
  return { signal: controller.signal, stop: () => void process.off('beforeExit', onIdle) };
}

const STDOUT = 1;
const STDERR = 2;
const SHOW_CURSOR = '\u001b[?25h';

/** Of the package this file was built into. */
const readVersion = (): string =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')).version;

/** Puts the outside world together, runs the command line, and ends with its exit code. The only reader of `process`. */
async function main(): Promise<void> {
  const { argv, env, platform, pid } = process;
  const secrets = createSecrets();
  secrets.add(env.EVOLINK_API_KEY?.trim() ?? '');
  const flags = argv.includes('--no-color') ? { color: false } : {};
  const io = createSystemIo({
    stdout: { fd: STDOUT, openStream: () => process.stdout },
    stderr: { fd: STDERR, openStream: () => process.stderr },
    stdin: () => process.stdin,
    env,
    flags,
    secrets,
  });
  const print = (text: string): void => void writeSync(STDERR, secrets.mask(text));
  const showCursor = () => void (io.stderr.isTty && io.stderr.raw.write(SHOW_CURSOR));
  const signals = watchSignals(process, showCursor, print);
  const stall = watchStall(print);
  const context = {
    io,
    clock: createSystemClock({ rate: clockRate(env.EVOLINK_INTERNAL_CLOCK_RATE) }),
    env,
    cwd: process.cwd(),
    home: homedir(),
    platform,
    host: hostname(),
    pid,
    userId: process.getuid?.(),
    version: readVersion(),
    secrets,
    signals,
    stalled: stall.signal,
  };
  process.exitCode = await run(argv.slice(2), context);
  stall.stop();
  signals.raise();
  signals.stop();
}

void main();
