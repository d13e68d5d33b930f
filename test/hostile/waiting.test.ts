import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectNoFile, expectSaved, useDownloadRig } from '../helpers/download-rig.ts';
import { AS_TEXT, errorOf, expectEnd, GENERATION, useRig } from '../helpers/rig.ts';

const HOURS = 3_600_000;

/** Sets the wall clock of the program back, from the first answer of the service on or from its start. */
function clockSetBack(byMs: number, isFromStart: boolean): string {
  return `const now = Date.now.bind(Date); const startMs = now();
Date.now = () => now() - (${isFromStart} || now() - startMs > 1500 ? ${byMs} : 0);\n`;
}

it.each([
  ['2 h while waiting', 2 * HOURS, false],
  ['3 d while waiting', 72 * HOURS, false],
  ['3 d before the resume', 72 * HOURS, true],
])('a wall clock that is set back by %s changes nothing', async (_name, byMs, isFromStart) => {
  const rig = await useRig({ rate: 1, sandbox: { faults: 'task:slow@200' } });
  const preload = join(rig.folder, 'clock.mjs');
  writeFileSync(preload, clockSetBack(byMs, isFromStart));
  const nodeArgs = ['--import', preload];
  if (isFromStart) expect((await rig.run([...GENERATION, '--no-wait'])).code).toBe(0);
  const result = isFromStart
    ? await rig.run(['resume', '--json'], { nodeArgs })
    : await rig.generate({ nodeArgs });
  expectEnd(rig, result, 0, 1, 1);
});

it.each([
  ['2 h ahead, an hour before the link expires', 2, 23, 0, 9],
  ['3 d ahead, long before the link expires', 72, 1, 0, 9],
  ['3 d behind, once the link has expired', -72, 1, 30, 10],
])(
  'the service tells whether a dead link has expired, not a wall clock that is %s',
  async (_name, clockHours, ageHours, laterHours, exit) => {
    const rig = await useDownloadRig();
    const created = Math.floor((Date.now() - ageHours * HOURS) / 1000);
    let serviceHours = 0;
    rig.answerWith(() => ({
      ...rig.task({ created }),
      headers: { date: new Date(Date.now() + serviceHours * HOURS).toUTCString() },
    }));
    rig.host.always({ status: 403 });
    expect((await rig.download()).code).toBe(9);
    serviceHours = laterHours;
    const preload = join(rig.folder, 'clock.mjs');
    writeFileSync(preload, clockSetBack(-clockHours * HOURS, true));
    expect((await rig.download(undefined, { nodeArgs: ['--import', preload] })).code).toBe(exit);
    expectNoFile(rig);
    if (exit === 10) return;
    rig.host.always({});
    expect((await rig.download()).code).toBe(0);
    expectSaved(rig);
  },
);

it('a cancelled task is not said to fail again', async () => {
  const rig = await useRig({ sandbox: { faults: 'task:cancel' } });
  const result = await rig.generate();
  expect(result.code).toBe(5);
  expect(String(errorOf(result).hint)).not.toContain('would fail again');
  expect(String(errorOf(result).hint)).toContain('cancelled');
});

it('a task is not said to run when the last read failed', async () => {
  const rig = await useRig({ sandbox: { faults: 'task:never; poll:500*' } });
  const result = await rig.run([...GENERATION, '--timeout', '20s']);
  expect(result.code).toBe(7);
  expect(String(errorOf(result).message)).not.toContain('still runs');
  expect(String(errorOf(result).message)).toContain('the last read failed');
});

it('a clip that was kept is not said to have used credits', async () => {
  const rig = await useRig();
  const words = AS_TEXT;
  const first = await rig.run(words);
  expect(first.stderr).toContain('credits charged');
  const again = await rig.run(words);
  expect([again.code, rig.posts()]).toEqual([0, 1]);
  expect(again.stderr).not.toContain('credits charged');
});

it.each([
  ['content_channel_busy', 1],
  ['unknown_error', 1],
  ['service_error', 2],
])(
  '--retry-failed submits a task that failed with %s again only where that code is known to pass',
  async (code, posts) => {
    const rig = await useRig({ sandbox: { faults: `task:fail(${code})` }, charges: 2 });
    rig.write(
      'jobs.yaml',
      'version: 1\njobs:\n  boat: { type: t2v, prompt: a boat, quality: 480p, duration: 4, output: boat.mp4 }\n',
    );
    await rig.run(['run', 'jobs.yaml', '--retry-failed', '1', '--json']);
    expect(rig.posts()).toBe(posts);
  },
);
