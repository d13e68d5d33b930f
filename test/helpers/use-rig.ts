import { afterEach, beforeEach, expect, onTestFinished } from 'vitest';
import {
  createRig,
  createRunRig,
  hasWholeClip,
  type Rig,
  type RigOptions,
  type RunRig,
  type RunRigOptions,
} from './rig.ts';
import { type CliHome, type CliResult, createCliHome } from './spawn-cli.ts';

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

/** One of each test of the file or block, which names it once. */
function forEachTest<T extends object>(make: () => T | Promise<T>, end: (made: T) => unknown): T {
  let made: T | undefined;
  beforeEach(async () => {
    made = await make();
  });
  afterEach(() => made && end(made));
  return new Proxy({} as T, { get: (_, key) => Reflect.get(made ?? {}, key) });
}

/** A rig for runs, new in each test. */
export function rigForEach(options: RunRigOptions = {}): RunRig {
  return forEachTest(
    () => createRunRig(options),
    (rig) => rig.close(),
  );
}

/** An empty home, new in each test. */
export function homeForEach(env: Readonly<Record<string, string>> = {}): CliHome {
  return forEachTest(
    () => createCliHome(env),
    (home) => home.remove(),
  );
}

/** How a command ended, how many paid requests were sent, and how many of them the service took; after exit 0 the clip is whole. */
export function expectEnd(rig: Rig, result: CliResult, exit: number, posts: number, charges: number): void {
  expect([result.code, rig.posts(), rig.charges()]).toEqual([exit, posts, charges]);
  if (exit === 0) expect(hasWholeClip(rig)).toBe(true);
}
