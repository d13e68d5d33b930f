import { describe, expect, it } from 'vitest';
import type { LinkStep } from '../../helpers/link-server.ts';
import { createSaveRig, sha256 } from './save-rig.ts';

const EDGE_BYTES = 64 * 1024;

/** Byte 0, 1, each 64 KiB edge and its neighbours, the last. */
function cutPoints(sizeBytes: number): readonly number[] {
  const edges: number[] = [];
  for (let edge = EDGE_BYTES; edge < sizeBytes; edge += EDGE_BYTES) edges.push(edge - 1, edge, edge + 1);
  return [0, 1, ...edges, sizeBytes - 1];
}

describe.each<'fin' | 'rst' | 'stall'>(['fin', 'rst', 'stall'])('a body cut by %s', (cut) => {
  it.each([
    ['continued', '"v1"'],
    ['begun anew, as the tag is weak', 'W/"v1"'],
  ])('%s: the file is whole at every cut point', async (_, etag) => {
    const rig = await createSaveRig();
    rig.passStalls();
    const canResume = etag === '"v1"';
    rig.server.serve(rig.content, etag);
    for (const cutAfterBytes of cutPoints(rig.content.length)) {
      const before = rig.server.requests.length;
      rig.server.script({ cut, cutAfterBytes });
      const taskId = `task-${cut}-${cutAfterBytes}`;
      const saved = await rig.save({ taskId, target: `${rig.target}-${cutAfterBytes}.mp4` });
      expect(saved.sha256).toBe(sha256(rig.content));
      expect(await rig.savedHash(saved.path)).toBe(sha256(rig.content));
      const requests = rig.server.requests.slice(before);
      expect(requests).toHaveLength(2);
      const [, second] = requests;
      if (!canResume || cutAfterBytes === 0) expect(second?.headers.range).toBeUndefined();
      // A reset may take bytes with it that were sent, so only its being a continuation is certain.
      else if (cut === 'rst') expect(second?.headers.range ?? 'bytes=0-').toMatch(/^bytes=\d+-$/);
      else expect(second?.headers).toMatchObject({ range: `bytes=${cutAfterBytes}-`, 'if-range': '"v1"' });
    }
    expect((await rig.files()).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

it('cut again and again: goes on as long as each attempt gets further', async () => {
  const rig = await createSaveRig();
  const step: LinkStep = { cut: 'fin', cutAfterBytes: 20_000 };
  rig.server.script(...Array.from({ length: 9 }, () => step));
  expect((await rig.save()).sha256).toBe(sha256(rig.content));
  expect(rig.server.requests.length).toBe(10);
  expect(rig.ranges().slice(0, 3)).toEqual([undefined, 'bytes=20000-', 'bytes=40000-']);
  for (const delayMs of rig.clock.sleeps) expect(delayMs).toBeLessThanOrEqual(1_000);
});
