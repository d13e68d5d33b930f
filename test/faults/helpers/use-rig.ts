import { expect, onTestFinished } from 'vitest';
import { createRig, type Rig, type RigOptions } from './rig.ts';

/** A rig of the running test. When the test ends, what must never be is looked for, and everything is removed. */
export async function useRig(options: RigOptions = {}): Promise<Rig> {
  const rig = await createRig(options);
  onTestFinished(() => rig.close());
  return rig;
}

/** What holds for every case of the matrix: one charge at most, no key anywhere, no short file, one JSON document. */
export function expectSafe(rig: Rig): void {
  expect(rig.violations()).toEqual([]);
}
