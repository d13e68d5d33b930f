import { createSeededRandom } from '../../../src/sandbox/clock.ts';
import { createRig, GENERATION, hasWholeClip, type Rig } from '../../helpers/rig.ts';
import type { CliResult } from '../../helpers/spawn-cli.ts';

interface SoakOptions {
  readonly generations: number;
  /** The same seed gives the same faults and the same moments of the kills. */
  readonly seed: number;
  /** Told after each generation. */
  readonly onProgress?: (done: number) => void;
}

/** Faults after which the request has been taken, or certainly has not. */
const FAULTS = [
  'submit:429(retry-after=1) submit:503 submit:reset(after) submit:reset(after,fin) submit:502(after)',
  'submit:500(after) submit:html submit:empty submit:no-id submit:cut',
  'poll:reset*2 poll:502*2 poll:429(retry-after=2) poll:404 poll:html poll:cut poll:word(archiving)',
  'poll:empty-results*2 list:500 list:reset',
  'link:cut@1 link:cut@8000(rst) link:cut@20000 link:500 link:expire link:xml link:no-etag link:weak-etag',
  'link:ignore-range link:wrong-length@10 link:extra@3 link:chunked link:gzip',
  'task:slow@100 task:result-data',
].flatMap((line) => line.split(' '));
const MAX_RUNS = 25;
/** As many as a small machine has cores. */
const PARALLEL = 2;
/** Calls that change a file in one undisturbed run, about. */
const CALLS = 80;

type Chance = ReturnType<typeof createSeededRandom>;
type Tally = ReturnType<typeof createTally>;

function createTally() {
  return {
    files: 0,
    charges: 0,
    posts: 0,
    runs: 0,
    kills: 0,
    diskFaults: 0,
    /** Requests that died on their way out: nobody took them, and only a person could say so. */
    decidedByPerson: 0,
    exits: {} as Record<string, number>,
    problems: [] as string[],
  };
}

/** Generates clips under random faults and kills, each with its command repeated until it is saved. */
export async function soak({ generations, seed, onProgress }: SoakOptions): Promise<Tally> {
  const tally = createTally();
  let [next, done] = [0, 0];
  const work = async (): Promise<void> => {
    while (next < generations) {
      const number = next;
      next += 1;
      await generateOne(seed * 1_000_003 + number, tally);
      done += 1;
      onProgress?.(done);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return tally;
}

async function generateOne(seed: number, tally: Tally): Promise<void> {
  const chance = createSeededRandom(seed);
  const plan = Array.from({ length: Math.floor(chance.next() * 4) }, () => pick(FAULTS, chance)).join('; ');
  const rig = await createRig({ rate: 5, sandbox: { seed, faults: plan } });
  const isDone = () =>
    hasWholeClip(rig) && rig.records().every(({ state }) => state === 'saved' || state === 'rejected');
  try {
    for (let run = 1; run <= MAX_RUNS && !isDone(); run += 1) {
      // In the end nothing more is broken: by then it must end.
      const result = await runOnce(rig, chance, tally, run > MAX_RUNS - 5);
      // Nothing was taken, as a person who looks at the account would see.
      const open = rig.records().find(({ place }) => place === 'open');
      if (result.code !== 8 || rig.charges() > 0 || open === undefined) continue;
      await rig.run(`resume --resubmit ${open.localId} --json`);
      tally.decidedByPerson += 1;
    }
    const problems = rig.violations();
    if (!isDone()) problems.push(`not saved after ${MAX_RUNS} runs: ${JSON.stringify(rig.records())}`);
    tally.problems.push(...problems.map((problem) => `seed ${seed}, "${plan}": ${problem}`));
    tally.charges += rig.charges();
    tally.posts += rig.posts();
    tally.files += hasWholeClip(rig) ? 1 : 0;
  } finally {
    await rig.close();
  }
}

async function runOnce(rig: Rig, chance: Chance, tally: Tally, isQuiet: boolean): Promise<CliResult> {
  const isResume = rig.charges() > 0 && chance.next() < 0.4;
  const hasDiskFault = chance.next() < 0.25 && !isQuiet;
  const isKilled = chance.next() < 0.5 && !isQuiet;
  const faults = hasDiskFault ? diskFault(chance) : undefined;
  const running = rig.start(isResume ? 'resume --json' : GENERATION, { faults });
  const kill = () => running.child.kill('SIGKILL');
  const timer = isKilled ? setTimeout(kill, 40 + chance.next() * 900) : undefined;
  const result = await running.done;
  clearTimeout(timer);
  tally.runs += 1;
  if (result.signal === 'SIGKILL') tally.kills += 1;
  if (rig.notes().some(({ fired }) => fired !== undefined)) tally.diskFaults += 1;
  const exit = String(result.code ?? result.signal);
  tally.exits[exit] = (tally.exits[exit] ?? 0) + 1;
  return result;
}

const diskFault = (chance: Chance) => ({
  mode: 'error',
  code: pick(['EIO', 'ENOSPC', 'EACCES'], chance),
  at: 1 + Math.floor(chance.next() * CALLS),
  sticky: chance.next() < 0.3,
});

const pick = (from: readonly string[], chance: Chance) => from[Math.floor(chance.next() * from.length)];
