import { createRig, each, hasWholeClip, type Rig } from '../../helpers/rig.ts';
import type { CliResult, FaultPreload } from '../../helpers/spawn-cli.ts';

/** As many as a small machine has cores. */
const PARALLEL = 2;
/** More than any run has. */
const MAX_POINTS = 400;

/** `EVOLINK_FULL_SWEEP=1`: no point is left out. */
const IS_FULL = process.env.EVOLINK_FULL_SWEEP === '1';

export interface Scenario {
  /** The fault, without its number. */
  readonly fault: FaultPreload;
  /** What is done after the fault, and what must come of it. Throws a sentence on what is wrong. Returns the course. */
  readonly recover: (rig: Rig, first: CliResult) => Promise<string>;
}

/**
 * Runs points 1, 2, … of a scenario until one is not reached any more, and shows what they came to, as a count is worth as
 * much as a green mark; with `every`, each so manieth, where a sweep beside it visits all of them in nearly the same way.
 * @returns the last point that the fault struck at, which is how many steps the run has, and all that is wrong
 */
export async function sweep(name: string, scenario: Scenario, every = 1) {
  const courses: Record<string, number> = {};
  const problems: string[] = [];
  const step = IS_FULL ? 1 : every;
  let next = step;
  let reached = 0;
  let isOver = false;
  const work = async (): Promise<void> => {
    while (!isOver && next <= MAX_POINTS) {
      const at = next;
      next += step;
      const point = await runPoint(scenario, at);
      problems.push(...point.problems);
      if (point.isReached) {
        reached = Math.max(reached, at);
        courses[point.course] = (courses[point.course] ?? 0) + 1;
      } else isOver = true;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  if (!isOver) throw new Error(`the sweep did not end after ${MAX_POINTS} points`);
  const lines = Object.entries(courses).map(([course, count]) => `  ${`${count}`.padStart(3)}  ${course}\n`);
  process.stdout.write(`${name}: ${reached} points\n${lines.sort().reverse().join('')}`);
  return { reached, problems };
}

/** One point of a scenario on a fresh machine against a fresh service. */
async function runPoint({ fault, recover }: Scenario, at: number) {
  // Waits short, clocks of two processes in a row close enough for the look through the task list.
  const rig = await createRig({ rate: 5 });
  const problems: string[] = [];
  let place = 'not reached';
  let [isReached, course] = [false, ''];
  try {
    const first = await rig.generate({ faults: { ...fault, at } });
    const note = rig.notes().find(({ fired }) => fired !== undefined);
    isReached = note !== undefined;
    if (isReached) place = `${note.name} ${note.path?.split('/').slice(-2).join('/')}`;
    else if (first.code !== 0) problems.push(`no fault, yet exit ${first.code}: ${first.stderr}`);
    if (isReached) course = await recover(rig, first);
    if (!hasWholeClip(rig)) problems.push('there is no whole clip in the end');
    problems.push(...rig.violations());
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    await rig.close();
  }
  const label = `${Object.values(fault).join(' ')} at ${at} (${place})`;
  return { isReached, course, problems: problems.map((problem) => `${label}: ${problem}`) };
}

/** The states of the records, for the course. */
export const statesOf = (rig: Rig): string => each(rig.records(), 'state').join();

/** The command again, until there is a clip: what a person, or a script that repeats on failure, would do. */
export async function runAgain(rig: Rig): Promise<string> {
  const before = statesOf(rig);
  const again = await rig.generate();
  if (again.code === 0) return `${before || 'no record'}: again 0`;
  if (again.code === 8 && before === 'sent') return decideByHand(rig);
  throw new Error(`again ended with ${again.code ?? again.signal} from "${before}": ${again.stderr}`);
}

/** The one state that a person must settle: whether the request left is not known, and no task can be found. */
async function decideByHand(rig: Rig): Promise<string> {
  const [{ state, localId }] = rig.records();
  if (state !== 'sent' && state !== 'unknown') throw new Error(`exit 8, but ${state}`);
  const charges = rig.charges();
  for (const [line, exit] of [
    [`resume ${localId} --json`, 8],
    [`resume --resubmit ${localId} --json`, 0],
  ] as const) {
    const { code, stderr } = await rig.run(line);
    if (code !== exit) throw new Error(`"${line}" of an unknown outcome ended with ${code}: ${stderr}`);
  }
  return `sent, ${charges} charged: again 8, settled by a person`;
}
