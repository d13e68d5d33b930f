import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { jobFile, rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();

const tasksAt = (...names: string[]) => names.map((name) => rig.readJson(`${name}.mp4.json`).task_id);

/** Runs the same request twice: nothing but the names of their jobs tells the two clips apart. */
async function run(first: string, second: string): Promise<void> {
  const [one, two] = [first, second].map((job) => job.replace(': ', ': { prompt: A boat, output: '));
  rig.write('jobs.yaml', jobFile(`${one}.mp4 }\n  ${two}.mp4 }`));
  expect((await rig.run('run jobs.yaml')).code).toBe(0);
}

it('gives clips under other names back to their jobs by the names that their sidecars keep', async () => {
  await run('b: 1', 'a: 2');
  const tasks = tasksAt('1', '2');
  expect(tasks[0]).not.toBe(tasks[1]);
  // In the other order, and nothing of the old paths says whose they were.
  await run('a: x', 'b: y');
  expect(tasksAt('y', 'x')).toEqual(tasks);
  // And back again: whatever order alone would give is wrong in one of the two.
  for (const name of ['1.mp4', '1.mp4.json', '2.mp4', '2.mp4.json']) rmSync(rig.at(name));
  await run('b: p', 'a: q');
  expect(tasksAt('p', 'q')).toEqual(tasks);
  expect(rig.charged()).toBe(2);
});
