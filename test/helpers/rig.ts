import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, createSystemClock } from '../../src/platform/clock.ts';
import { camelKeys } from '../../src/platform/text.ts';
import type { VideoSpec } from '../../src/sandbox/clip-store.ts';
import type { SandboxOptions } from '../../src/sandbox/context.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/start-sandbox.ts';
import {
  type CliHome,
  type CliOptions,
  type CliResult,
  createCliHome,
  findLeaks,
  type RunningCli,
} from './spawn-cli.ts';
import { tinyMp4 } from './tiny-mp4.ts';

/** A key that no output, and no file, may ever hold. */
export const CANARY_KEY = 'canary-7f3a9c51d2e84b06';
/** Small, and quick to make. */
export const GENERATION = ['t2v', 'a paper boat', '-d', '4', '-q', '480p', '-o', 'clip.mp4', '--json'];

const PRELOAD = fileURLToPath(new URL('../faults/fault-preload.mjs', import.meta.url));
const SUBMIT_PATH = '/v1/videos/generations';

/** What the preload does to the process; see `fault-preload.mjs`. */
export interface FaultPreload {
  readonly at?: number;
  readonly mode?: 'kill' | 'error' | 'short' | 'never';
  readonly when?: 'before' | 'after';
  readonly signal?: NodeJS.Signals;
  readonly code?: 'EIO' | 'ENOSPC' | 'EACCES' | 'EROFS';
  readonly sticky?: boolean;
  readonly only?: readonly string[];
  readonly path?: string;
  readonly dns?: number;
  readonly address?: string;
}

interface RunOptions extends CliOptions {
  readonly faults?: FaultPreload;
}

export interface RigOptions {
  readonly sandbox?: Partial<SandboxOptions>;
  readonly env?: Readonly<Record<string, string>>;
  /** How much faster than real time the program's clock runs. */
  readonly rate?: number;
  /** Bytes of sample data in a clip. */
  readonly clipBytes?: number;
  /** The clock of the commands that run in this process. */
  readonly clock?: Clock;
}

export interface RunRigOptions extends Partial<SandboxOptions> {
  /** Waits of the program and of the service shrink by this. Default 40. */
  readonly rate?: number;
}

/** One record of the journal, as far as tests look at it. */
interface RecordView {
  readonly state: string;
  readonly localId: string;
  readonly taskId?: string;
  readonly linkExpiresAtMs?: number;
  readonly place: 'open' | 'closed';
}

/** What the preload has written down. */
export interface PreloadNote {
  readonly fired?: number;
  readonly name?: string;
  readonly path?: string;
  readonly calls?: number;
  readonly maxRssKilobytes?: number;
  readonly cpuMs?: number;
}

/** A service and a fresh machine with the program on it. */
export interface Rig {
  readonly sandbox: Sandbox;
  readonly home: CliHome;
  readonly results: readonly (CliResult & { readonly args: readonly string[] })[];
  start(args: readonly string[], options?: RunOptions): RunningCli;
  run(args: readonly string[], options?: RunOptions): Promise<CliResult>;
  /** The command that every case repeats. */
  generate(options?: RunOptions): Promise<CliResult>;
  /** Paid requests that reached the service. */
  posts(): number;
  /** Paid requests that the service took. */
  charges(): number;
  /** Tasks that cost something in the end. */
  charged(): number;
  records(): readonly RecordView[];
  /** What the preload wrote since the last look. */
  notes(): readonly PreloadNote[];
  clipPath(name?: string): string;
  /** Writes a file into the working folder. */
  write(name: string, content: string | Uint8Array): void;
  read(name: string): string;
  /** The SHA-256 of the clip that the service made for a task. */
  clipSha(taskId: string): string | undefined;
  /** Whatever must never be, whatever happened; empty when all is well. More than one charge is one of them, unless told. */
  violations(charges?: number): readonly string[];
  close(): Promise<void>;
}

/** Where the program in this process and the service have the same clock. */
export interface RunRig extends Rig {
  /** Lets time pass for both: tasks end, links expire, and a wait that begins then expects it. */
  passTime(durationMs: number): void;
}

/** Starts a service without any help against double charges (no idempotency), and a home for the program. */
export async function createRig(options: RigOptions = {}): Promise<Rig> {
  const { rate = 20, clipBytes = 24_000 } = options;
  const clips = new Map<string, string>();
  const videoMaker = async (spec: VideoSpec): Promise<Uint8Array> => {
    const seed = Number.parseInt(sha256(spec.taskId).slice(0, 7), 16);
    const bytes = tinyMp4({ ...spec, dataBytes: clipBytes, seed });
    clips.set(spec.taskId, sha256(bytes));
    return bytes;
  };
  const sandbox = await startSandbox({
    clock: createSystemClock(),
    speed: 20_000,
    hasIdempotency: false,
    apiKeys: [CANARY_KEY],
    videoMaker,
    ...options.sandbox,
  });
  const home = createCliHome(
    {
      EVOLINK_BASE_URL: sandbox.apiUrl,
      EVOLINK_FILES_URL: sandbox.filesUrl,
      EVOLINK_API_KEY: CANARY_KEY,
      EVOLINK_INTERNAL_CLOCK_RATE: String(rate),
      ...options.env,
    },
    options.clock,
  );
  const log = join(home.folder, 'preload.log');
  const results: Rig['results'][number][] = [];
  let readBytes = 0;

  const start = (args: readonly string[], { faults, ...rest }: RunOptions = {}): RunningCli => {
    const preload = faults === undefined ? {} : { FAULT_PRELOAD_PLAN: JSON.stringify({ ...faults, log }) };
    const running = home.start(args, {
      ...rest,
      env: { ...preload, ...rest.env },
      nodeArgs: [...(faults === undefined ? [] : ['--import', PRELOAD]), ...(rest.nodeArgs ?? [])],
    });
    const done = running.done.then((result) => {
      results.push({ ...result, args });
      return result;
    });
    return { ...running, done };
  };

  const run = async (args: readonly string[], runOptions: RunOptions = {}): Promise<CliResult> => {
    if (runOptions.faults !== undefined || runOptions.nodeArgs !== undefined)
      return start(args, runOptions).done;
    const result = await home.run(args, runOptions);
    results.push({ ...result, args });
    return result;
  };

  const rig: Rig = {
    sandbox,
    home,
    results,
    start,
    run,
    generate: (runOptions) => run(GENERATION, runOptions),
    posts: () => sandbox.ledger.count('POST', SUBMIT_PATH),
    charges: () => sandbox.ledger.charges().length,
    charged: () => sandbox.ledger.charges().filter(({ state }) => state !== 'refunded').length,
    records: () => [...readRecords(home, 'open'), ...readRecords(home, 'closed')],
    notes() {
      if (!existsSync(log)) return [];
      const text = readFileSync(log, 'utf8').slice(readBytes);
      readBytes += text.length;
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line): PreloadNote => JSON.parse(line));
    },
    clipPath: (name = 'clip.mp4') => join(home.work, name),
    write(name, content) {
      const path = join(home.work, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    },
    read: (name) => readFileSync(join(home.work, name), 'utf8'),
    clipSha: (taskId) => clips.get(taskId),
    violations: (charges = 1) => findViolations(rig, charges),
    async close() {
      await sandbox.close();
      home.remove();
    },
  };
  return rig;
}

/**
 * A rig for runs: program and service share a clock, tasks take a minute of it, and there is one clip for all of them. Its
 * service helps by idempotency, as the real one does.
 */
export async function createRunRig({ rate = 40, ...sandbox }: RunRigOptions = {}): Promise<RunRig> {
  const machine = createSystemClock({ rate });
  let aheadMs = 0;
  const clock: Clock = { ...machine, now: () => machine.now() + aheadMs };
  const rig = await createRig({
    rate,
    clock,
    sandbox: {
      clock,
      seed: 7,
      speed: 60,
      startingCredits: 100_000,
      clip: 'shared',
      videoMaker: async () => tinyMp4(),
      apiKeys: undefined,
      hasIdempotency: undefined,
      ...sandbox,
    },
    // An answer of a busy machine is no fault: only what hangs takes ten minutes of this clock.
    env: {
      CI: '1',
      EVOLINK_API_KEY: 'sk-test-1234567890',
      EVOLINK_CONNECT_TIMEOUT: '10m',
      EVOLINK_RESPONSE_TIMEOUT: '10m',
    },
  });
  const passTime = (durationMs: number): void => {
    aheadMs += durationMs;
    rig.sandbox.advanceClock(durationMs);
  };
  return { ...rig, passTime };
}

function readRecords(home: CliHome, place: 'open' | 'closed'): RecordView[] {
  const folder = join(home.state, 'tasks', place);
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
  return names.map((name) => {
    const record = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    return { ...Object(camelKeys(record)), place };
  });
}

function findViolations(rig: Rig, charges: number): string[] {
  const { sandbox, home, results } = rig;
  const found = findLeaks(home.folder, results, CANARY_KEY);
  if (rig.charges() > charges) found.push(`${rig.charges()} charges, not ${charges}`);
  if (sandbox.ledger.leakedCredentials().length > 0) found.push('a credential was sent to the link host');
  for (const result of results) {
    if ((result.args.includes('--json') || result.args.includes('--events')) && !isJsonDocument(result))
      found.push(`no JSON document is on stdout: ${JSON.stringify(result.stdout)}`);
  }
  const shas = sandbox.ledger.charges().map(({ taskId }) => rig.clipSha(taskId));
  for (const entry of readdirSync(home.work, { withFileTypes: true })) {
    if (!entry.isFile() || !/^[^.].*\.mp4$/.test(entry.name)) continue;
    const bytes = readFileSync(join(home.work, entry.name));
    // What a test writes there as a file of the user's.
    if (bytes.toString() !== 'mine' && !shas.includes(sha256(bytes)))
      found.push(`${entry.name} is not a clip that was paid for, whole`);
  }
  return found;
}

/** One document, or one a line; nothing only where the process was ended from outside before it could speak. */
function isJsonDocument({ stdout, code }: CliResult): boolean {
  if (stdout === '') return code === null;
  try {
    for (const line of stdout.trimEnd().split('\n')) JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** SHA-256 in hexadecimal. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Whether the clip lies whole under its name, and nothing else has it. */
export function hasWholeClip(rig: Rig, name = 'clip.mp4'): boolean {
  const path = rig.clipPath(name);
  const [charge] = rig.sandbox.ledger.charges();
  if (charge === undefined || !existsSync(path) || !statSync(path).isFile()) return false;
  return sha256(readFileSync(path)) === rig.clipSha(charge.taskId);
}

/** The error of a `--json` run. */
export function errorOf({ stdout }: Pick<CliResult, 'stdout'>): Record<string, unknown> {
  const document: { error?: Record<string, unknown> } = JSON.parse(stdout);
  return document.error ?? {};
}

/** Waits until something is so, looking every few milliseconds; the end only tells what a test that hangs has waited for. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let looks = 0; !isSo(); looks += 1) {
    if (looks > 50_000) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
