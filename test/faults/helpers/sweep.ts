import { createRig, hasWholeClip, type Rig, type RigOptions } from '../../helpers/rig.ts';
import type { CliResult, FaultPreload, PreloadNote } from '../../helpers/spawn-cli.ts';

/** What became of one point. */
export interface Point {
  readonly label: string;
  /** False when the run ended before the fault could strike: there are no further points. */
  readonly isReached: boolean;
  /** How it went on after the fault, such as `again 0`; for the report. */
  readonly course: string;
  readonly problems: readonly string[];
}

export interface SweepReport {
  /** The last point that the fault struck at: how many steps the run has. */
  readonly reached: number;
  readonly courses: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

/** As many as a small machine has cores. */
const PARALLEL = 2;
/** More than any run has. */
const MAX_POINTS = 400;

/** `EVOLINK_FULL_SWEEP=1`: no point is left out. */
const IS_FULL = process.env.EVOLINK_FULL_SWEEP === '1';

/**
 * Runs points 1, 2, … of a scenario until one is not reached any more; with `every`, each so manieth, where a sweep beside
 * it visits all of them in nearly the same way.
 */
export async function sweep(
  runPoint: (at: number) => Promise<Point>,
  { every = 1 }: { readonly every?: number } = {},
): Promise<SweepReport> {
  const points: { readonly at: number; readonly point: Point }[] = [];
  const step = IS_FULL ? 1 : every;
  let next = step;
  let isOver = false;
  const work = async (): Promise<void> => {
    while (!isOver && next <= MAX_POINTS) {
      const at = next;
      next += step;
      const point = await runPoint(at);
      points.push({ at, point });
      if (!point.isReached) isOver = true;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  if (!isOver) throw new Error(`the sweep did not end after ${MAX_POINTS} points`);
  const courses: Record<string, number> = {};
  const reached = points.filter(({ point }) => point.isReached);
  for (const { point } of reached) courses[point.course] = (courses[point.course] ?? 0) + 1;
  const problems = points.flatMap(({ point }) =>
    point.problems.map((problem) => `${point.label}: ${problem}`),
  );
  return { reached: Math.max(0, ...reached.map(({ at }) => at)), courses, problems };
}

/** Shows what a sweep came to: a count is worth as much as a green mark. */
export function tell(name: string, { courses }: SweepReport): void {
  const lines = Object.entries(courses).map(
    ([course, count]) => `  ${String(count).padStart(3)}  ${course}\n`,
  );
  process.stdout.write(`${name}\n${lines.sort().reverse().join('')}`);
}

export interface Scenario {
  readonly rig?: RigOptions;
  /** The fault, without its number. */
  readonly fault: Omit<FaultPreload, 'at'>;
  /** What is done after the fault, and what must come of it. Throws a sentence on what is wrong. Returns the course. */
  readonly recover: (rig: Rig, first: CliResult) => Promise<string>;
}

/** One point of a scenario on a fresh machine against a fresh service. */
export async function runPoint({ rig: options, fault, recover }: Scenario, at: number): Promise<Point> {
  const rig = await createRig(options);
  const what = Object.values(fault).join(' ');
  const problems: string[] = [];
  let note: PreloadNote | undefined;
  let course = '';
  try {
    const first = await rig.generate({ faults: { ...fault, at } });
    note = rig.notes().find(({ fired }) => fired !== undefined);
    if (note === undefined && first.code !== 0)
      problems.push(`no fault, yet exit ${first.code}: ${first.stderr}`);
    if (note !== undefined) course = await recover(rig, first);
    if (!hasWholeClip(rig)) problems.push('there is no whole clip in the end');
    problems.push(...rig.violations());
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    await rig.close();
  }
  const place =
    note === undefined ? 'not reached' : `${note.name} ${note.path?.split('/').slice(-2).join('/')}`;
  return { label: `${what} at ${at} (${place})`, isReached: note !== undefined, course, problems };
}

/** The command again, until there is a clip: what a person, or a script that repeats on failure, would do. */
export async function runAgain(rig: Rig): Promise<string> {
  const before = rig
    .records()
    .map(({ state }) => state)
    .join();
  const again = await rig.generate();
  if (again.code === 0) return `${before || 'no record'}: again 0`;
  if (again.code === 8 && before === 'sent') return decideByHand(rig);
  throw new Error(`again ended with ${again.code ?? again.signal} from "${before}": ${again.stderr}`);
}

/** The one state that a person must settle: whether the request left is not known, and no task can be found. */
async function decideByHand(rig: Rig): Promise<string> {
  const [record] = rig.records();
  if (record?.state !== 'sent' && record?.state !== 'unknown')
    throw new Error(`exit 8, but ${record?.state}`);
  const charges = rig.charges();
  const resumed = await rig.run(['resume', record.localId, '--json']);
  if (resumed.code !== 8)
    throw new Error(`resume of an unknown outcome ended with ${resumed.code}: ${resumed.stderr}`);
  const sent = await rig.run(['resume', '--resubmit', record.localId, '--json']);
  if (sent.code !== 0) throw new Error(`--resubmit ended with ${sent.code}: ${sent.stderr}`);
  return `sent, ${charges} charged: again 8, settled by a person`;
}
