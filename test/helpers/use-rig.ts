import { expect, onTestFinished } from 'vitest';
import { createRig, createRunRig, type Rig, type RigOptions, type RunRigOptions } from './rig.ts';

/** A rig of the running test. When the test ends, everything is removed. */
export async function useRig(options: RigOptions = {}): Promise<Rig> {
  const rig = await createRig(options);
  onTestFinished(() => rig.close());
  return rig;
}

/** The same for runs; see `createRunRig`. */
export async function useRunRig(options: RunRigOptions = {}): Promise<Rig> {
  const rig = await createRunRig(options);
  onTestFinished(() => rig.close());
  return rig;
}

/** What holds for every case of the matrix: one charge at most, no key anywhere, no short file, one JSON document. */
export function expectSafe(rig: Rig): void {
  expect(rig.violations()).toEqual([]);
}
