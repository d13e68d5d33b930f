import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished } from 'vitest';
import { type Clock, createSystemClock } from '../../src/platform/clock.ts';
import type { VideoSpec } from '../../src/sandbox/clip-store.ts';
import type { SandboxOptions } from '../../src/sandbox/context.ts';
import { startSandbox } from '../../src/sandbox/start-sandbox.ts';
import { type CliHome, type CliOptions, type CliResult, createCliHome } from './spawn-cli.ts';
import { tinyMp4 } from './tiny-mp4.ts';

/** A key that no output, and no file, may ever hold. */
export const CANARY_KEY = 'canary-7f3a9c51d2e84b06';
/** Small, and quick to make. */
export const AS_TEXT = ['t2v', 'a paper boat', '-d', '4', '-q', '480p', '-o', 'clip.mp4'];
export const GENERATION = [...AS_TEXT, '--json'];
const SUBMIT_PATH = '/v1/videos/generations';

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

/** `rate`: waits of the program and of the service shrink by this. */
type RunRigOptions = Partial<SandboxOptions> & { readonly rate?: number };

/** A service and a fresh machine with the program on it. */
export type Rig = Awaited<ReturnType<typeof createRig>>;
type RunRig = Awaited<ReturnType<typeof createRunRig>>;

/** Starts a service without any help against double charges (no idempotency), and a home for the program. */
export async function createRig({ rate = 20, clipBytes = 24_000, ...options }: RigOptions = {}) {
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
  const env = {
    EVOLINK_BASE_URL: sandbox.apiUrl,
    EVOLINK_FILES_URL: sandbox.filesUrl,
    EVOLINK_API_KEY: CANARY_KEY,
    EVOLINK_INTERNAL_CLOCK_RATE: String(rate),
    ...options.env,
  };
  const home = createCliHome(env, options.clock);
  const { ledger } = sandbox;
  const charges = (): number => ledger.charges().length;
  /** The SHA-256 of the clip that the service made for a task. */
  const clipSha = (taskId = '') => clips.get(taskId);
  const partName = () => readdirSync(home.work).find((name) => name.endsWith('.part'));
  return {
    ...home,
    sandbox,
    env,
    clipSha,
    /** The command that every case repeats. */
    generate: (runOptions?: CliOptions) => home.run(GENERATION, runOptions),
    /** Paid requests that reached the service. */
    posts: () => ledger.count('POST', SUBMIT_PATH),
    /** Paid requests that the service took. */
    charges,
    /** Tasks that cost something in the end. */
    charged: () => ledger.charges().filter(({ state }) => state !== 'refunded').length,
    /** Readings of tasks. */
    polls: () => ledger.count('GET', '/v1/tasks/'),
    /** The first task that was paid for. */
    taskId: () => ledger.charges()[0]?.taskId ?? '',
    /** The name of the part in the working folder, and what of the clip lies under it. */
    partName,
    partBytes: () => statSync(home.at(partName() ?? 'none'), { throwIfNoEntry: false })?.size ?? 0,
    /** The names of the clips of a run. */
    clips: () =>
      readdirSync(home.at('out'))
        .toSorted()
        .filter((name) => name.endsWith('.mp4')),
    /** Whatever must never be, whatever happened; empty when all is well. More than one charge is one of them, unless told. */
    violations(mostCharges = 1): string[] {
      const found = home.leaks(CANARY_KEY);
      if (charges() > mostCharges) found.push(`${charges()} charges, not ${mostCharges}`);
      if (ledger.leakedCredentials().length > 0) found.push('a credential was sent to the link host');
      for (const result of home.results) {
        const isMachine = result.args.includes('--json') || result.args.includes('--events');
        if (isMachine && !isJsonDocument(result))
          found.push(`no JSON document is on stdout: ${JSON.stringify(result.stdout)}`);
      }
      const shas = ledger.charges().map(({ taskId }) => clipSha(taskId));
      for (const entry of readdirSync(home.work, { withFileTypes: true })) {
        if (!entry.isFile() || !/^[^.].*\.mp4$/.test(entry.name)) continue;
        const bytes = readFileSync(home.at(entry.name));
        // What a test writes there as a file of the user's.
        if (bytes.toString() !== 'mine' && !shas.includes(sha256(bytes)))
          found.push(`${entry.name} is not a clip that was paid for, whole`);
      }
      return found;
    },
    async close() {
      await sandbox.close();
      home.remove();
    },
  };
}

/**
 * A rig for runs: program and service share a clock, tasks take a minute of it, and there is one clip for all of them. Its
 * service helps by idempotency, as the real one does.
 */
async function createRunRig({ rate = 40, ...sandbox }: RunRigOptions = {}) {
  const machine = createSystemClock({ rate });
  // Its time of day passes as fast as its spans, as that of the service does: a time that drifts tells nothing of a lost answer.
  let aheadMs = machine.now() - machine.monotonicMs();
  const clock: Clock = { ...machine, now: () => Math.round(machine.monotonicMs() + aheadMs) };
  const rig = await createRig({
    rate,
    clock,
    sandbox: {
      clock,
      seed: 7,
      speed: 60,
      startingCredits: 100_000,
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
  /** Lets time pass for both: tasks end, links expire, and a wait that begins then expects it. */
  const passTime = (durationMs: number): void => {
    aheadMs += durationMs;
    rig.sandbox.advanceClock(durationMs);
  };
  return { ...rig, passTime };
}

interface UseRigOptions extends RigOptions {
  /** How many the service may take; 1 by default. */
  readonly charges?: number;
  /** For input that looks like a violation, such as a video of 70 MB, and commands that end as a bug. */
  readonly isOdd?: boolean;
}

/**
 * A rig of the running test. When the test ends, everything is removed, and nothing may have happened that never may: no key
 * anywhere, no short file, one JSON document, and no more than so many charges.
 */
export async function useRig({ charges, isOdd, ...options }: UseRigOptions = {}): Promise<Rig> {
  const rig = await createRig(options);
  onTestFinished(async () => {
    const violations = isOdd === true ? [] : rig.violations(charges);
    await rig.close();
    expect(violations).toEqual([]);
  });
  return rig;
}

/** The same for runs, whose jobs are charged one by one; see `createRunRig`. */
export async function useRunRig(options: RunRigOptions = {}): Promise<RunRig> {
  const rig = await createRunRig(options);
  onTestFinished(() => rig.close());
  return rig;
}

/** One of each test of the file or block (or of all of them together), which names it once. */
function share<T extends object>(make: () => T | Promise<T>, end: (made: T) => unknown, isForAll = false): T {
  let made: T | undefined;
  const [begin, finish] = isForAll ? [beforeAll, afterAll] : [beforeEach, afterEach];
  begin(async () => {
    made = await make();
  });
  finish(() => made && end(made));
  return new Proxy({} as T, { get: (_, key) => Reflect.get(made ?? {}, key) });
}

/** A rig for runs, new in each test. */
export const rigForEach = (options?: RunRigOptions, isForAll = false): RunRig => {
  const close = (rig: RunRig) => rig.close();
  return share(() => createRunRig(options), close, isForAll);
};

/** A rig for runs that all tests of the file share. */
export const rigForAll = (options?: RunRigOptions): RunRig => rigForEach(options, true);

/** An empty home, new in each test. */
export const homeForEach = (env?: Readonly<Record<string, string>>): CliHome => {
  const remove = (home: CliHome) => home.remove();
  return share(() => createCliHome(env), remove);
};

/** One document, or one a line; nothing only where the process was ended from outside before it could speak. */
function isJsonDocument(result: CliResult): boolean {
  if (result.stdout === '') return result.code === null;
  try {
    return eventsOf(result).length > 0;
  } catch {
    return false;
  }
}

/** SHA-256 in hexadecimal. */
export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** Whether this starts as an MP4 does: a file, or what came down a pipe. */
export function isMp4(clip: string | Buffer): boolean {
  const bytes = typeof clip === 'string' ? readFileSync(clip) : clip;
  return bytes.subarray(4, 8).toString('latin1') === 'ftyp';
}

/** Whether the clip lies whole under its name, and nothing else has it. */
export function hasWholeClip(rig: Rig, name = 'clip.mp4'): boolean {
  const path = rig.at(name);
  if (rig.charges() === 0 || !existsSync(path) || !statSync(path).isFile()) return false;
  return sha256(readFileSync(path)) === rig.clipSha(rig.taskId());
}

/** The document of a `--json` run, and its error; the lines of one with `--events`. */
export const jsonOf = ({ stdout }: Pick<CliResult, 'stdout'>) => JSON.parse(stdout);
export const errorOf = (result: Pick<CliResult, 'stdout'>): Record<string, unknown> =>
  jsonOf(result).error ?? {};
export const eventsOf = ({ stdout }: Pick<CliResult, 'stdout'>) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** A job file of these lines, for clips that are cheap and quick to make. */
export const jobFile = (jobs: string, output = 'out/{job}.mp4'): string =>
  `version: 1\ndefaults: { type: t2v, tier: mini, quality: 480p, duration: 4, output: "${output}" }\njobs:\n  ${jobs}\n`;

/** One field of each, such as of the jobs of a report. */
export const each = (list: readonly Record<string, unknown>[], field: string) =>
  list.map((item) => item[field]);

/** Waits until something is so, looking every few milliseconds; the end only tells what a test that hangs has waited for. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let looks = 0; !isSo(); looks += 1) {
    if (looks > 50_000) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** How a command ended, how many paid requests were sent, and how many of them the service took; after exit 0 the clip is whole. */
export function expectEnd(rig: Rig, result: CliResult, exit: number, posts: number, charges: number): void {
  expect([result.code, rig.posts(), rig.charges()]).toEqual([exit, posts, charges]);
  if (exit === 0) expect(hasWholeClip(rig)).toBe(true);
}

/** How a command ended, and what it said, among other words, to people. */
export function expectSaid(
  { code, stderr }: Pick<CliResult, 'code' | 'stderr'>,
  exit: number | null,
  ...texts: (string | RegExp)[]
): void {
  const said = texts.map((text) =>
    typeof text === 'string' ? expect.stringContaining(text) : expect.stringMatching(text),
  );
  expect([code, ...texts.map(() => stderr)]).toEqual([exit, ...said]);
}
