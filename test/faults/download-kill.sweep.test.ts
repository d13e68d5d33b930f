import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type DownloadRig, expectSaved, TASK_ID, useDownloadRig } from '../helpers/download-rig.ts';
import { CANARY_KEY, sha256 } from '../helpers/rig.ts';
import { tinyMp4 } from '../helpers/tiny-mp4.ts';

/** Enough for several steps to be made durable while the rest is still coming. */
const CONTENT = tinyMp4({ dataBytes: 5 * 1024 ** 2 });

type Plan = Readonly<Record<string, unknown>>;

/** Runs the download with the n-th call on a file of the working folder struck; says which call it was, if there was one. */
async function strike(rig: DownloadRig, plan: Plan) {
  const { code, signal } = await rig.download(undefined, { faults: { ...plan, path: `^${rig.work}` } });
  const fired = rig.notes().find((note) => note.fired !== undefined);
  return fired && { name: String(fired.name), code, signal };
}

/** What stands under the final name is the whole clip, or nothing does. */
function expectWholeOrNothing(rig: DownloadRig): void {
  if (existsSync(rig.path())) expect(sha256(readFileSync(rig.path()))).toBe(sha256(CONTENT));
}

/** Kills the download at its n-th call, and runs it again. Returns the call; `undefined` when there were fewer. */
async function killAt(plan: Plan): Promise<string | undefined> {
  const rig = await useDownloadRig({ content: CONTENT });
  const point = await strike(rig, { mode: 'kill', signal: 'SIGKILL', ...plan });
  if (point === undefined) return undefined;
  const label = `${point.name} ${JSON.stringify(plan)}`;
  expect(point.signal, label).toBe('SIGKILL');
  expectWholeOrNothing(rig);
  expect((await rig.download()).code, label).toBe(0);
  const left = rig.files().filter((name) => !/^\.evolink-[0-9a-f]{16}\.tmp$/.test(name));
  expect(left, label).toEqual(['clip.mp4']);
  expect(sha256(readFileSync(rig.path()))).toBe(sha256(CONTENT));
  return point.name;
}

describe('killed in the middle of a download: never a short file, the next run ends with one whole file', () => {
  // How many calls there are depends on how fast the bytes come, so not every number is met in every run.
  it('at calls all along the way, while steps are made durable behind the bytes', async () => {
    const names = new Set<string | undefined>();
    for (let at = 1; at <= 40; at += 1)
      names.add(await killAt({ at, when: at % 2 === 0 ? 'before' : 'after' }));
    expect([...names]).toEqual(expect.arrayContaining(['write', 'fsync']));
    expect(names.size).toBeGreaterThanOrEqual(5);
  });

  const CALLS = ['ftruncate', 'link', 'unlink', 'rename'];
  it.each(CALLS)('before and after each %s of part, record and clip', async (name) => {
    let count = 0;
    for (const when of ['before', 'after'])
      for (let at = 1; (await killAt({ at, when, only: [name] })) !== undefined; at += 1) count += 1;
    expect(count).toBeGreaterThanOrEqual(2);
  });
});

describe('a disk that fails in the background', () => {
  it.each<[string, Plan]>([
    ['a sync fails: nothing beyond the last good one is believed', { only: ['fsync'], code: 'EIO' }],
    ['a write fails', { only: ['write'], code: 'EIO' }],
    ['the disk is full', { only: ['write'], code: 'ENOSPC', sticky: true }],
  ])('%s: exit 11, the next run finishes (F47)', async (_, plan) => {
    for (const at of [2, 5, 9]) {
      const rig = await useDownloadRig({ content: CONTENT });
      const point = await strike(rig, { mode: 'error', at, ...plan });
      expect([at, point?.code]).toEqual([at, 11]);
      expectWholeOrNothing(rig);
      expect((await rig.download()).code).toBe(0);
      expectSaved(rig, CONTENT);
    }
  });

  it('a write that takes half without an error is noticed and finished (F48)', async () => {
    for (const at of [1, 3, 6]) {
      const rig = await useDownloadRig({ content: CONTENT });
      const point = await strike(rig, { mode: 'short', only: ['write'], at });
      expect(point?.code).toBe(0);
      expectSaved(rig, CONTENT);
    }
  });

  it('leaves no key in what it keeps', async () => {
    const rig = await useDownloadRig({ content: CONTENT });
    await strike(rig, { mode: 'kill', when: 'before', signal: 'SIGKILL', at: 12 });
    const record = rig.files().find((name) => name.endsWith('.part.json'));
    const text = rig.read(record ?? '');
    expect(text).toContain(TASK_ID);
    expect(['signature', CANARY_KEY].filter((secret) => text.includes(secret))).toEqual([]);
  });
});
