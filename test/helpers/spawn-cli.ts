import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import packageJson from '../../package.json' with { type: 'json' };
import { run as runProgram } from '../../src/cli/program.ts';
import { type Clock, createSystemClock } from '../../src/platform/clock.ts';
import { createSystemIo } from '../../src/platform/io.ts';
import { camelKeys, createSecrets } from '../../src/platform/text.ts';

/** The program under test; another build of it where `EVOLINK_TEST_BIN` names one. */
export const binPath =
  process.env.EVOLINK_TEST_BIN ?? fileURLToPath(new URL('../../bin/evolink.js', import.meta.url));
const PRELOAD = fileURLToPath(new URL('../faults/fault-preload.mjs', import.meta.url));

type Env = Readonly<Record<string, string>>;
/** A command line in one text, as a shell takes it, or its words. */
export type Line = string | readonly string[];
/** What the preload does to the process; see `fault-preload.mjs`. */
export type FaultPreload = Readonly<Record<string, unknown>>;

export interface CliOptions {
  readonly env?: Env;
  readonly stdin?: string;
  /** Leaves standard input open, for a test that types as it goes. */
  readonly keepsStdin?: boolean;
  readonly cwd?: string;
  readonly nodeArgs?: readonly string[];
  /** A command that runs the program, such as a shell that sets limits first. */
  readonly wrapper?: readonly string[];
  /** Starts the built binary. Else `run` does the command's work in this process, which is ten times as quick. */
  readonly asProcess?: boolean;
  readonly faults?: FaultPreload | undefined;
}

export type CliResult = ReturnType<typeof resultOf>;
export type RunningCli = ReturnType<typeof spawnCli>;
export type CliHome = ReturnType<typeof createCliHome>;

/** Splits a command line as a shell does: at spaces, but for what stands in quotes. */
export function words(line: Line): readonly string[] {
  if (typeof line !== 'string') return line;
  return [...line.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) =>
    word.replace(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? ''),
  );
}

/**
 * Makes an empty home, with a working directory, config and state of its own, where commands run as on a fresh machine: a
 * clean environment and no real key. Commands that run in this process share a clock, that of the service where it is given:
 * none finds records of its future.
 */
export function createCliHome(env: Env = {}, clock?: Clock) {
  const folder = mkdtempSync(join(tmpdir(), 'evolink-test-'));
  const work = mkdtempSync(join(folder, 'work-'));
  const state = join(folder, 'state', 'evolink');
  const log = join(folder, 'preload.log');
  const base: Env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    LANG: 'C.UTF-8',
    NODE_DISABLE_COMPILE_CACHE: '1',
    ...env,
  };
  const rateOf = (of: Env) => Number(of.EVOLINK_INTERNAL_CLOCK_RATE ?? 1);
  const clocks = new Map(clock === undefined ? [] : [[rateOf(base), clock]]);
  const clockOf = (of: Env): Clock => {
    const rate = rateOf(of);
    const known = clocks.get(rate) ?? createSystemClock({ rate });
    clocks.set(rate, known);
    return known;
  };
  /** Every command that ended. */
  const results: (CliResult & { readonly args: readonly string[] })[] = [];
  let readBytes = 0;

  const start = (line: Line, options: CliOptions = {}): RunningCli => {
    const { faults, wrapper = [], nodeArgs = [], cwd = work, stdin = '', keepsStdin } = options;
    const args = words(line);
    const preload = faults && ['--import', PRELOAD];
    const plan = faults && { FAULT_PRELOAD_PLAN: JSON.stringify({ ...faults, log }) };
    const argv = [...wrapper, process.execPath, ...(preload ?? []), ...nodeArgs, binPath, ...args];
    const running = spawnCli(argv, { ...base, ...plan, ...options.env }, cwd, keepsStdin ? undefined : stdin);
    void running.done.then((result) => results.push({ ...result, args }));
    return running;
  };

  const at = (name: string): string => join(work, name);
  const recordsIn = (place: 'open' | 'closed') => {
    const tasks = join(state, 'tasks', place);
    const names = existsSync(tasks) ? readdirSync(tasks).filter((name) => !name.startsWith('.')) : [];
    const read = (name: string) => camelKeys(JSON.parse(readFileSync(join(tasks, name), 'utf8')));
    return names.map((name) => Object.assign(Object(read(name)), { place }));
  };

  return {
    folder,
    work,
    state,
    results,
    start,
    async run(line: Line, options: CliOptions = {}): Promise<CliResult> {
      if (needsProcess(options)) return start(line, options).done;
      const args = words(line);
      const all = { ...base, ...options.env };
      const { cwd = work, stdin = '' } = options;
      const result = await runInProcess(args, all, { cwd, stdin, clock: clockOf(all) });
      results.push({ ...result, args });
      return result;
    },
    /** A path in the working folder. */
    at,
    /** Writes a file into the working folder, an object as JSON. */
    write(name: string, content: string | object) {
      const isText = typeof content === 'string' || content instanceof Uint8Array;
      mkdirSync(dirname(at(name)), { recursive: true });
      writeFileSync(at(name), isText ? content : JSON.stringify(content));
    },
    read: (name: string): string => readFileSync(at(name), 'utf8'),
    readJson: (name: string) => JSON.parse(readFileSync(at(name), 'utf8')),
    /** Writes the config of the user, and gives its path. */
    writeConfig(text: string): string {
      const path = join(folder, 'config/evolink/config.yaml');
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    },
    /** The records of the journal, keys in camel case, each with its place: `open` or `closed`. */
    records: () => [...recordsIn('open'), ...recordsIn('closed')],
    /** What the preload wrote since the last look. */
    notes() {
      const text = existsSync(log) ? readFileSync(log, 'utf8').slice(readBytes) : '';
      readBytes += text.length;
      return text.split('\n').flatMap((note) => (note === '' ? [] : [JSON.parse(note)]));
    },
    /** Bugs, stack traces and the key: in any output, in any file. */
    leaks(key: string): string[] {
      const leaks: string[] = [];
      for (const [index, { code, stdout, stderr }] of results.entries()) {
        const text = stdout + stderr;
        if (code === 1) leaks.push(`run ${index + 1} ended as a bug: ${text}`);
        if (/\n\s+at .+:\d+:\d+/.test(text)) leaks.push(`run ${index + 1} shows a stack trace: ${text}`);
        if (text.includes(key)) leaks.push(`run ${index + 1} shows the key`);
      }
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
        if (entry.isFile() && readFileSync(join(entry.parentPath, entry.name)).includes(key))
          leaks.push(`the key is in ${entry.parentPath}/${entry.name}`);
      return leaks;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** What only a process of its own can show: another command around it, and variables that Node itself reads. */
function needsProcess({ env = {}, wrapper, nodeArgs, faults, asProcess = false }: CliOptions): boolean {
  const isForNode = Object.keys(env).some((name) => name.startsWith('NODE_'));
  const isOtherBuild = process.env.EVOLINK_TEST_BIN !== undefined;
  return asProcess || isForNode || isOtherBuild || [wrapper, nodeArgs, faults].some(Boolean);
}

function resultOf(code: number | null, signal: NodeJS.Signals | null, out: Buffer[], err: Buffer[]) {
  const stdoutBytes = Buffer.concat(out);
  const stderr = Buffer.concat(err).toString('utf8');
  return { code, signal, stdoutBytes, stdout: stdoutBytes.toString('utf8'), stderr };
}

function spawnCli([command = '', ...args]: readonly string[], env: Env, cwd: string, stdin?: string) {
  const child = spawn(command, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk) => out.push(chunk));
  child.stderr.on('data', (chunk) => err.push(chunk));
  child.stdin.on('error', () => undefined);
  if (stdin !== undefined) child.stdin.end(stdin);
  const done = new Promise<CliResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(resultOf(code, signal, out, err)));
  });
  /** Resolves once the text has appeared on stderr or stdout. */
  const sees = (wanted: string | RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const text = Buffer.concat([...err, ...out]).toString('utf8');
        if (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)) resolve();
      };
      for (const stream of [child.stdout, child.stderr]) stream.on('data', look);
      void done.then(({ code, stdout, stderr }) => {
        look();
        reject(new Error(`ended with ${code} before it said ${wanted}: ${stderr}${stdout}`));
      });
      look();
    });
  return { child, done, sees };
}

/**
 * Runs a command line in this process, with the outside world that `src/main.ts` would give it: pipes as streams, an
 * environment and a working folder of its own. No signal ever comes.
 */
async function runInProcess(
  args: readonly string[],
  env: Env,
  { cwd, stdin, clock }: { readonly cwd: string; readonly stdin: string; readonly clock: Clock },
) {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const sinkOf = (chunks: Buffer[]) =>
    new Writable({ write: (chunk: Buffer, _encoding, done) => done(void chunks.push(chunk)) });
  const secrets = createSecrets();
  secrets.add(env.EVOLINK_API_KEY?.trim() ?? '');
  const never = new AbortController().signal;
  const code = await runProgram(args, {
    io: createSystemIo({
      stdout: sinkOf(out),
      stderr: sinkOf(err),
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
    signals: { signal: never, lastWords: undefined, stop: () => undefined, raise: () => undefined },
    stalled: never,
  });
  return resultOf(code, null, out, err);
}
