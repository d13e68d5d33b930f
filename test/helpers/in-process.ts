import { homedir, hostname } from 'node:os';
import { Readable, Writable } from 'node:stream';
import packageJson from '../../package.json' with { type: 'json' };
import { run } from '../../src/cli/program.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { createSystemIo } from '../../src/platform/io.ts';
import { createSecrets } from '../../src/platform/text.ts';

export interface InProcessOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
  readonly clock: Clock;
}

/** A pipe that keeps what it was given. */
function createSink() {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, bytes: () => Buffer.concat(chunks) };
}

/**
 * Runs a command line in this process, with the outside world that `src/main.ts` would give it: pipes as streams, an
 * environment and a working folder of its own. No signal ever comes.
 */
export async function runInProcess(args: readonly string[], { cwd, env, stdin, clock }: InProcessOptions) {
  const stdout = createSink();
  const stderr = createSink();
  const secrets = createSecrets();
  secrets.add(env.EVOLINK_API_KEY?.trim() ?? '');
  const code = await run(args, {
    io: createSystemIo({
      stdout: stdout.stream,
      stderr: stderr.stream,
      stdin: () => Readable.from([Buffer.from(stdin)]),
      env,
      flags: args.includes('--no-color') ? { color: false } : {},
      secrets,
    }),
    clock,
    env,
    cwd,
    home: env.HOME ?? homedir(),
    platform: process.platform,
    host: hostname(),
    pid: process.pid,
    userId: process.getuid?.(),
    version: packageJson.version,
    secrets,
    signals: {
      signal: new AbortController().signal,
      lastWords: undefined,
      stop: () => undefined,
      raise: () => undefined,
    },
    stalled: new AbortController().signal,
  });
  return {
    code,
    signal: null,
    stdout: stdout.bytes().toString('utf8'),
    stdoutBytes: stdout.bytes(),
    stderr: stderr.bytes().toString('utf8'),
  };
}
