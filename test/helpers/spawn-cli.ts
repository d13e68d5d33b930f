import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, createSystemClock } from '../../src/platform/clock.ts';

/** The program under test; another build of it where `EVOLINK_TEST_BIN` names one. */
export const binPath =
  process.env.EVOLINK_TEST_BIN ?? fileURLToPath(new URL('../../bin/evolink.js', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Leaves standard input open, for a test that types as it goes. */
  readonly keepsStdin?: boolean;
  readonly cwd?: string;
  readonly nodeArgs?: readonly string[];
  /** A command that runs the program, such as a shell that sets limits first. */
  readonly wrapper?: readonly string[];
  /** Starts the built binary. Else `run` does the command's work in this process, which is ten times as quick. */
  readonly asProcess?: boolean;
}

/** An empty home: working directory, config and state of its own; removed by `remove()`. */
export interface CliHome {
  readonly folder: string;
  readonly work: string;
  readonly state: string;
  start(args: readonly string[], options?: CliOptions): RunningCli;
  run(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  remove(): void;
}

/** Bugs, stack traces and the key: in any output, in any file. */
export function findLeaks(
  folder: string,
  results: readonly Pick<CliResult, 'code' | 'stdout' | 'stderr'>[],
  key: string,
): string[] {
  const said = results.flatMap(({ code, stdout, stderr }, index) => {
    const text = stdout + stderr;
    return [
      ...(code === 1 ? [`run ${index + 1} ended as a bug: ${text}`] : []),
      ...(/\n\s+at .+:\d+:\d+/.test(text) ? [`run ${index + 1} shows a stack trace: ${text}`] : []),
      ...(text.includes(key) ? [`run ${index + 1} shows the key`] : []),
    ];
  });
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(key));
  return [...said, ...files.map((path) => `the key is in ${path}`)];
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly done: Promise<CliResult>;
  /** Resolves once the text has appeared on stderr or stdout. */
  sees(text: string | RegExp): Promise<void>;
}

/**
 * Makes a home in which the built binary runs as on a fresh machine: a clean environment and no real key. Commands that run
 * in this process share a clock, that of the service where it is given: none finds records of its future.
 */
export function createCliHome(env: Readonly<Record<string, string>> = {}, clock?: Clock): CliHome {
  const folder = mkdtempSync(join(tmpdir(), 'evolink-test-'));
  const work = mkdtempSync(join(folder, 'work-'));
  const base = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    LANG: 'C.UTF-8',
    NODE_DISABLE_COMPILE_CACHE: '1',
    ...env,
  };
  const rateOf = (of: Readonly<Record<string, string>>) => Number(of.EVOLINK_INTERNAL_CLOCK_RATE ?? 1);
  const clocks = new Map(clock === undefined ? [] : [[rateOf(base), clock]]);
  const clockOf = (of: Readonly<Record<string, string>>): Clock => {
    const rate = rateOf(of);
    const known = clocks.get(rate) ?? createSystemClock({ rate });
    clocks.set(rate, known);
    return known;
  };
  const start = (args: readonly string[], options: CliOptions = {}): RunningCli =>
    spawnCli([...(options.wrapper ?? []), process.execPath, ...(options.nodeArgs ?? []), binPath, ...args], {
      cwd: options.cwd ?? work,
      env: { ...base, ...options.env },
      stdin: options.keepsStdin === true ? undefined : (options.stdin ?? ''),
    });
  return {
    folder,
    work,
    state: join(folder, 'state', 'evolink'),
    start,
    async run(args, options = {}) {
      const { env: more = {}, stdin = '', cwd = work } = options;
      if (needsProcess(options)) return start(args, options).done;
      const all = { ...base, ...more };
      const { runInProcess } = await import('./in-process.ts');
      return runInProcess(args, { cwd, stdin, env: all, clock: clockOf(all) });
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** What only a process of its own can show: another command around it, and variables that Node itself reads. */
function needsProcess({ env = {}, wrapper, nodeArgs, asProcess = false }: CliOptions): boolean {
  const isForNode = Object.keys(env).some((name) => name.startsWith('NODE_'));
  const isOtherBuild = process.env.EVOLINK_TEST_BIN !== undefined;
  return asProcess || isForNode || isOtherBuild || wrapper !== undefined || nodeArgs !== undefined;
}

function spawnCli(
  argv: readonly string[],
  options: { readonly cwd: string; readonly env: Record<string, string>; readonly stdin: string | undefined },
): RunningCli {
  const [command = process.execPath, ...args] = argv;
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const watchers = new Set<() => void>();
  child.stdout.on('data', (chunk: Buffer) => {
    out.push(chunk);
    for (const watcher of watchers) watcher();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err.push(chunk);
    for (const watcher of watchers) watcher();
  });
  child.stdin.on('error', () => undefined);
  if (options.stdin !== undefined) child.stdin.end(options.stdin);
  const text = (): string => Buffer.concat([...err, ...out]).toString('utf8');
  const done = new Promise<CliResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const stdoutBytes = Buffer.concat(out);
      resolve({
        code,
        signal,
        stdoutBytes,
        stdout: stdoutBytes.toString('utf8'),
        stderr: Buffer.concat(err).toString('utf8'),
      });
    });
  });
  const sees = (wanted: string | RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (typeof wanted === 'string' ? text().includes(wanted) : wanted.test(text())) {
          watchers.delete(look);
          resolve();
        }
      };
      watchers.add(look);
      void done.then((result) => {
        look();
        reject(new Error(`ended with ${result.code} before it said ${wanted}: ${text()}`));
      });
      look();
    });
  return { child, done, sees };
}
