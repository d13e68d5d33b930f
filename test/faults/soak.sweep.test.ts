import { expect, it } from 'vitest';
import { createSeededRandom } from '../../src/sandbox/clock.ts';
import { createRig, GENERATION, hasWholeClip, type Rig } from '../helpers/rig.ts';

/** `EVOLINK_SOAK='200 7'`: so many generations, and the seed of their faults and of the moments of the kills. */
const [GENERATIONS = 20, SEED = 20_261_121] = process.env.EVOLINK_SOAK?.split(' ').map(Number) ?? [];
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

/** `decidedByPerson`: requests that died on their way out; nobody took them, and only a person could say so. */
const tally = { files: 0, charges: 0, posts: 0, runs: 0, kills: 0, diskFaults: 0, decidedByPerson: 0 };
const exits: Record<string, number> = {};
const problems: string[] = [];

type Chance = ReturnType<typeof createSeededRandom>;
const pick = (from: readonly string[], chance: Chance) => from[Math.floor(chance.next() * from.length)];

it('generations under random faults and kills, each command repeated until its clip is saved: as many clips as charges', {
  timeout: 3_600_000,
}, async () => {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < GENERATIONS) await generateOne(SEED * 1_000_003 + next++);
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  process.stdout.write(`seed ${SEED}: ${JSON.stringify({ ...tally, exits })}\n`);
  expect(problems).toEqual([]);
  expect([tally.files, tally.charges]).toEqual([GENERATIONS, GENERATIONS]);
  expect(tally.kills).toBeGreaterThan(0);
});

async function generateOne(seed: number): Promise<void> {
  const chance = createSeededRandom(seed);
  const plan = Array.from({ length: Math.floor(chance.next() * 4) }, () => pick(FAULTS, chance)).join('; ');
  const rig = await createRig({ rate: 5, sandbox: { seed, faults: plan } });
  const isDone = () =>
    hasWholeClip(rig) && rig.records().every(({ state }) => state === 'saved' || state === 'rejected');
  try {
    for (let run = 1; run <= MAX_RUNS && !isDone(); run += 1) {
      // In the end nothing more is broken: by then it must end.
      const code = await runOnce(rig, chance, run > MAX_RUNS - 5);
      // Nothing was taken, as a person who looks at the account would see.
      const open = rig.records().find(({ place }) => place === 'open');
      if (code !== 8 || rig.charges() > 0 || open === undefined) continue;
      await rig.run(`resume --resubmit ${open.localId} --json`);
      tally.decidedByPerson += 1;
    }
    const found = rig.violations();
    if (!isDone()) found.push(`not saved after ${MAX_RUNS} runs: ${JSON.stringify(rig.records())}`);
    problems.push(...found.map((problem) => `seed ${seed}, "${plan}": ${problem}`));
    tally.charges += rig.charges();
    tally.posts += rig.posts();
    tally.files += hasWholeClip(rig) ? 1 : 0;
  } finally {
    await rig.close();
  }
}

async function runOnce(rig: Rig, chance: Chance, isQuiet: boolean): Promise<number | null> {
  const isResume = rig.charges() > 0 && chance.next() < 0.4;
  const hasDiskFault = chance.next() < 0.25 && !isQuiet;
  const isKilled = chance.next() < 0.5 && !isQuiet;
  const faults = hasDiskFault ? diskFault(chance) : undefined;
  const running = rig.start(isResume ? 'resume --json' : GENERATION, { faults });
  const kill = () => running.child.kill('SIGKILL');
  const timer = isKilled ? setTimeout(kill, 40 + chance.next() * 900) : undefined;
  const { code, signal } = await running.done;
  clearTimeout(timer);
  tally.runs += 1;
  if (signal === 'SIGKILL') tally.kills += 1;
  if (rig.notes().some(({ fired }) => fired !== undefined)) tally.diskFaults += 1;
  const exit = String(code ?? signal);
  exits[exit] = (exits[exit] ?? 0) + 1;
  return code;
}

const diskFault = (chance: Chance) => ({
  mode: 'error',
  code: pick(['EIO', 'ENOSPC', 'EACCES'], chance),
  at: 1 + Math.floor(chance.next() * CALLS),
  sticky: chance.next() < 0.3,
});
