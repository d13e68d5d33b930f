import { createSeededRandom } from '../../../src/sandbox/clock.ts';
import { createRig, GENERATION, hasWholeClip, type Rig } from '../../helpers/rig.ts';
import type { CliResult, FaultPreload } from '../../helpers/spawn-cli.ts';

export interface SoakOptions {
  readonly generations: number;
  /** The same seed gives the same faults and the same moments of the kills. */
  readonly seed: number;
  readonly parallel?: number;
  /** Told after each generation. */
  readonly onProgress?: (done: number) => void;
}

/** What a soak came to. */
export interface SoakReport {
  readonly files: number;
  readonly charges: number;
  readonly posts: number;
  readonly runs: number;
  readonly kills: number;
  readonly diskFaults: number;
  /** Requests that died on their way out: nobody took them, and only a person could say so. */
  readonly decidedByPerson: number;
  readonly exits: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

type Chance = ReturnType<typeof createSeededRandom>;

/** Faults after which the request has been taken, or certainly has not. */
const FAULTS = [
  'submit:429(retry-after=1)',
  'submit:503',
  'submit:reset(after)',
  'submit:reset(after,fin)',
  'submit:502(after)',
  'submit:500(after)',
  'submit:html',
  'submit:empty',
  'submit:no-id',
  'submit:cut',
  'poll:reset*2',
  'poll:502*2',
  'poll:429(retry-after=2)',
  'poll:404',
  'poll:html',
  'poll:cut',
  'poll:word(archiving)',
  'poll:empty-results*2',
  'list:500',
  'list:reset',
  'link:cut@1',
  'link:cut@8000(rst)',
  'link:cut@20000',
  'link:500',
  'link:expire',
  'link:xml',
  'link:no-etag',
  'link:weak-etag',
  'link:ignore-range',
  'link:wrong-length@10',
  'link:extra@3',
  'link:chunked',
  'link:gzip',
  'task:slow@100',
  'task:result-data',
] as const;
const MAX_RUNS = 25;
/** Calls that change a file in one undisturbed run, about. */
const CALLS = 80;

interface Tally {
  runs: number;
  kills: number;
  diskFaults: number;
  decidedByPerson: number;
  readonly exits: Record<string, number>;
}

interface Ended {
  readonly charges: number;
  readonly posts: number;
  readonly isSaved: boolean;
  readonly problems: readonly string[];
}

/** Generates clips under random faults and kills, each with its command repeated until it is saved. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { generations, seed, parallel = 2 } = options;
  const tally: Tally = { runs: 0, kills: 0, diskFaults: 0, decidedByPerson: 0, exits: {} };
  const ended: Ended[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < generations) {
      const number = next;
      next += 1;
      ended.push(await generateOne(seed * 1_000_003 + number, tally));
      options.onProgress?.(ended.length);
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  const sum = (count: (each: Ended) => number): number =>
    ended.reduce((total, each) => total + count(each), 0);
  return {
    ...tally,
    files: sum(({ isSaved }) => (isSaved ? 1 : 0)),
    charges: sum(({ charges }) => charges),
    posts: sum(({ posts }) => posts),
    problems: ended.flatMap(({ problems }) => problems),
  };
}

async function generateOne(seed: number, tally: Tally): Promise<Ended> {
  const chance = createSeededRandom(seed);
  const plan = Array.from({ length: Math.floor(chance.next() * 4) }, () => pick(FAULTS, chance)).join('; ');
  const rig = await createRig({ rate: 5, sandbox: { seed, faults: plan } });
  const problems: string[] = [];
  try {
    for (let run = 1; run <= MAX_RUNS && !isDone(rig); run += 1) {
      const result = await runOnce(rig, { chance, tally, isQuiet: run > MAX_RUNS - 5 });
      // Nothing was taken, as a person who looks at the account would see.
      if (result.code === 8 && rig.charges() === 0) await decide(rig, tally);
    }
    if (!isDone(rig)) problems.push(`not saved after ${MAX_RUNS} runs: ${JSON.stringify(rig.records())}`);
    problems.push(...rig.violations());
    const label = (problem: string): string => `seed ${seed}, "${plan}": ${problem}`;
    return {
      charges: rig.charges(),
      posts: rig.posts(),
      isSaved: hasWholeClip(rig),
      problems: problems.map(label),
    };
  } finally {
    await rig.close();
  }
}

function isDone(rig: Rig): boolean {
  return hasWholeClip(rig) && rig.records().every(({ state }) => state === 'saved' || state === 'rejected');
}

interface Circumstances {
  readonly chance: Chance;
  readonly tally: Tally;
  /** Nothing more is broken: by now it must end. */
  readonly isQuiet: boolean;
}

async function runOnce(rig: Rig, { chance, tally, isQuiet }: Circumstances): Promise<CliResult> {
  const isResume = rig.charges() > 0 && chance.next() < 0.4;
  const hasDiskFault = chance.next() < 0.25 && !isQuiet;
  const isKilled = chance.next() < 0.5 && !isQuiet;
  const faults = hasDiskFault ? { faults: diskFault(chance) } : {};
  const running = rig.start(isResume ? ['resume', '--json'] : GENERATION, faults);
  const timer = isKilled
    ? setTimeout(() => running.child.kill('SIGKILL'), 40 + chance.next() * 900)
    : undefined;
  const result = await running.done;
  clearTimeout(timer);
  tally.runs += 1;
  if (result.signal === 'SIGKILL') tally.kills += 1;
  if (rig.notes().some(({ fired }) => fired !== undefined)) tally.diskFaults += 1;
  const exit = String(result.code ?? result.signal);
  tally.exits[exit] = (tally.exits[exit] ?? 0) + 1;
  return result;
}

function diskFault(chance: Chance): FaultPreload {
  return {
    mode: 'error',
    code: pick(['EIO', 'ENOSPC', 'EACCES'], chance),
    at: 1 + Math.floor(chance.next() * CALLS),
    sticky: chance.next() < 0.3,
  };
}

async function decide(rig: Rig, tally: Tally): Promise<void> {
  const open = rig.records().find(({ place }) => place === 'open');
  if (open === undefined) return;
  await rig.run(['resume', '--resubmit', open.localId, '--json']);
  tally.decidedByPerson += 1;
}

function pick<T>(from: readonly T[], chance: Chance): T {
  const picked = from[Math.floor(chance.next() * from.length)];
  if (picked === undefined) throw new RangeError('nothing to pick from');
  return picked;
}
