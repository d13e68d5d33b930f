import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();

const taskAt = (name: string): unknown => rig.readJson(`${name}.json`).task_id;

const rm = (...names: string[]): void => {
  for (const name of names) for (const path of [name, `${name}.json`]) rmSync(rig.at(path));
};

/** The same request twice: nothing but the names of their jobs tells the two clips apart. */
const file = (first: string, second: string): string =>
  `version: 1\ndefaults: { type: t2v, prompt: A boat, tier: mini, quality: 480p, duration: 4 }\njobs:\n  ${first}\n  ${second}\n`;

it('gives clips under other names back to their jobs by the names that their sidecars keep', async () => {
  rig.write('jobs.yaml', file('b: { output: 1.mp4 }', 'a: { output: 2.mp4 }'));
  expect((await rig.run(['run', 'jobs.yaml'])).code).toBe(0);
  const tasks = [taskAt('1.mp4'), taskAt('2.mp4')];
  expect(tasks[0]).not.toBe(tasks[1]);
  // In the other order, and nothing of the old paths says whose they were.
  rig.write('jobs.yaml', file('a: { output: x.mp4 }', 'b: { output: y.mp4 }'));
  expect((await rig.run(['run', 'jobs.yaml'])).code).toBe(0);
  expect([taskAt('y.mp4'), taskAt('x.mp4')]).toEqual(tasks);
  // And back again: whatever order alone would give is wrong in one of the two.
  rm('1.mp4', '2.mp4');
  rig.write('jobs.yaml', file('b: { output: p.mp4 }', 'a: { output: q.mp4 }'));
  expect((await rig.run(['run', 'jobs.yaml'])).code).toBe(0);
  expect([taskAt('p.mp4'), taskAt('q.mp4')]).toEqual(tasks);
  expect(rig.charged()).toBe(2);
});
