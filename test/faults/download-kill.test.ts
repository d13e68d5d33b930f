import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  CANARY_KEY,
  type DownloadRig,
  expectSaved,
  sha256,
  TASK_ID,
  useDownloadRig,
} from '../helpers/download-rig.ts';
import { tinyMp4 } from '../helpers/tiny-mp4.ts';

const PRELOAD = fileURLToPath(new URL('./fault-preload.mjs', import.meta.url));
/** Enough for several steps to be made durable while the rest is still coming. */
const CONTENT = tinyMp4({ dataBytes: 5 * 1024 ** 2 });
const MAX_POINTS = 200;
const LIMIT_MS = 240_000;

/** Runs the download with the n-th call on a file of the working folder struck; says which call it was. */
async function strike(
  rig: DownloadRig,
  plan: Readonly<Record<string, unknown>>,
): Promise<
  { readonly name: string; readonly code: number | null; readonly signal: string | null } | undefined
> {
  const log = join(rig.home.folder, 'strike.log');
  const { code, signal } = await rig.download(['-o', 'clip.mp4'], {
    env: { FAULT_PRELOAD_PLAN: JSON.stringify({ ...plan, log, path: `^${rig.home.work}` }) },
    nodeArgs: ['--import', PRELOAD],
  });
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
  const fired = lines.map((line) => JSON.parse(line)).find((note) => note.fired !== undefined);
  return fired === undefined ? undefined : { name: fired.name, code, signal };
}

/** What stands under the final name is the whole clip, or nothing does. */
function expectWholeOrNothing(rig: DownloadRig): void {
  if (existsSync(rig.path())) expect(sha256(readFileSync(rig.path()))).toBe(sha256(CONTENT));
}

describe('killed between any two steps of a download', () => {
  it.each(['before', 'after'] as const)(
    '%s each call: never a short file, the next run ends with one whole file and nothing else',
    { timeout: LIMIT_MS },
    async (when) => {
      const names = new Map<string, number>();
      for (let at = 1; at <= MAX_POINTS; at += 1) {
        const rig = await useDownloadRig({ content: CONTENT });
        const point = await strike(rig, { mode: 'kill', when, signal: 'SIGKILL', at });
        if (point === undefined) break;
        names.set(point.name, (names.get(point.name) ?? 0) + 1);
        expect(point.signal).toBe('SIGKILL');
        expectWholeOrNothing(rig);
        const again = await rig.download(['-o', 'clip.mp4']);
        // A record that says "saved" leaves nothing to do.
        expect([at, point.name, again.code, again.stderr]).toEqual([at, point.name, 0, expect.any(String)]);
        const left = rig.files().filter((name) => !/^\.evolink-[0-9a-f]{16}\.tmp$/.test(name));
        expect([at, point.name, left]).toEqual([at, point.name, ['clip.mp4']]);
        expect(sha256(readFileSync(rig.path()))).toBe(sha256(CONTENT));
      }
      // Part, record, checkpoints, link, unlink, folder: every kind of step was met.
      expect([...names.keys()]).toEqual(
        expect.arrayContaining(['open', 'write', 'fsync', 'ftruncate', 'link', 'unlink', 'rename']),
      );
      expect([...names.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(25);
    },
  );
});

describe('a disk that fails in the background', () => {
  it.each<[string, Readonly<Record<string, unknown>>]>([
    ['a sync fails: nothing beyond the last good one is believed', { only: ['fsync'], code: 'EIO' }],
    ['a write fails', { only: ['write'], code: 'EIO' }],
    ['the disk is full', { only: ['write'], code: 'ENOSPC', sticky: true }],
  ])('%s: exit 11, the next run finishes (F47)', { timeout: LIMIT_MS }, async (_, plan) => {
    for (const at of [2, 5, 9]) {
      const rig = await useDownloadRig({ content: CONTENT });
      const point = await strike(rig, { mode: 'error', at, ...plan });
      expect([at, point?.code]).toEqual([at, 11]);
      expectWholeOrNothing(rig);
      expect((await rig.download()).code).toBe(0);
      expectSaved(rig, CONTENT);
    }
  });

  it('a write that takes half without an error is noticed and finished (F48)', {
    timeout: LIMIT_MS,
  }, async () => {
    for (const at of [1, 3, 6]) {
      const rig = await useDownloadRig({ content: CONTENT });
      const point = await strike(rig, { mode: 'short', only: ['write'], at });
      expect(point?.code).toBe(0);
      expectSaved(rig, CONTENT);
    }
  });

  it('leaves no key in what it keeps', { timeout: LIMIT_MS }, async () => {
    const rig = await useDownloadRig({ content: CONTENT });
    await strike(rig, { mode: 'kill', when: 'before', signal: 'SIGKILL', at: 12 });
    const record = rig.files().find((name) => name.endsWith('.part.json'));
    const text = readFileSync(rig.path(record ?? ''), 'utf8');
    expect(text).toContain(TASK_ID);
    expect(text).not.toContain('signature');
    expect(text).not.toContain(CANARY_KEY);
  });
});
