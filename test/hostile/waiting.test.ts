import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectNoFile, expectSaved, useDownloadRig } from '../helpers/download-rig.ts';
import { AS_TEXT, errorOf, expectEnd, GENERATION, jobFile, useRig } from '../helpers/rig.ts';

const HOURS = 3_600_000;

/** Sets the wall clock of the program back, from the first answer of the service on or from its start. */
function clockSetBack(folder: string, byMs: number, isFromStart: boolean): readonly string[] {
  const script = `const now = Date.now.bind(Date); const startMs = now();
Date.now = () => now() - (${isFromStart} || now() - startMs > 1500 ? ${byMs} : 0);\n`;
  writeFileSync(join(folder, 'clock.mjs'), script);
  return ['--import', join(folder, 'clock.mjs')];
}

it.each([
  ['2 h while waiting', 2 * HOURS, false],
  ['3 d while waiting', 72 * HOURS, false],
  ['3 d before the resume', 72 * HOURS, true],
])('a wall clock that is set back by %s changes nothing', async (_name, byMs, isFromStart) => {
  const rig = await useRig({ rate: 1, sandbox: { faults: 'task:slow@200' } });
  const nodeArgs = clockSetBack(rig.folder, byMs, isFromStart);
  if (isFromStart) expect((await rig.run([...GENERATION, '--no-wait'])).code).toBe(0);
  expectEnd(rig, await rig.run(isFromStart ? 'resume --json' : GENERATION, { nodeArgs }), 0, 1, 1);
});

it.each([
  ['2 h ahead, an hour before the link expires', 2, 23, 0, 9],
  ['3 d ahead, long before the link expires', 72, 1, 0, 9],
  ['3 d behind, once the link has expired', -72, 1, 30, 10],
])(
  'the service tells whether a dead link has expired, not a clock %s',
  async (_, clock, age, later, exit) => {
    const rig = await useDownloadRig();
    const created = Math.floor((Date.now() - age * HOURS) / 1000);
    let hours = 0;
    const date = () => new Date(Date.now() + hours * HOURS).toUTCString();
    rig.answerWith(() => ({ ...rig.task({ created }), headers: { date: date() } }));
    rig.host.always({ status: 403 });
    expect((await rig.download()).code).toBe(9);
    hours = later;
    const nodeArgs = clockSetBack(rig.folder, -clock * HOURS, true);
    expect((await rig.download(undefined, { nodeArgs })).code).toBe(exit);
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
  expect([result.code, errorOf(result).hint]).toEqual([5, expect.stringContaining('cancelled')]);
  expect(errorOf(result).hint).not.toContain('would fail again');
});

it('a task is not said to run when the last read failed', async () => {
  const rig = await useRig({ sandbox: { faults: 'task:never; poll:500*' } });
  const result = await rig.run([...GENERATION, '--timeout', '20s']);
  expect(result.code).toBe(7);
  expect(errorOf(result).message).toContain('the last read failed');
  expect(errorOf(result).message).not.toContain('still runs');
});

it('a clip that was kept is not said to have used credits', async () => {
  const rig = await useRig();
  expect((await rig.run(AS_TEXT)).stderr).toContain('credits charged');
  const again = await rig.run(AS_TEXT);
  expect([again.code, rig.posts()]).toEqual([0, 1]);
  expect(again.stderr).not.toContain('credits charged');
});

it.each([
  ['content_channel_busy', 1],
  ['unknown_error', 1],
  ['service_error', 2],
])('--retry-failed submits again only what may pass: %s, %i in all', async (code, posts) => {
  const rig = await useRig({ sandbox: { faults: `task:fail(${code})` }, charges: 2 });
  rig.write('jobs.yaml', jobFile('boat: { prompt: a boat }', 'boat.mp4'));
  await rig.run('run jobs.yaml --retry-failed 1 --json');
  expect(rig.posts()).toBe(posts);
});
