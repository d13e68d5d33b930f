import { link, lstat, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openPart } from '../../../src/download/part-file.ts';
import { createSaveRig, type SaveRig, sha256 } from './save-rig.ts';

describe('killed in the middle of the commit', () => {
  /** Everything of a finished save but the last steps, as a killed process leaves it. */
  async function sealedPart(rig: SaveRig) {
    const part = await openPart(rig.job);
    await part.startOver({ validator: '"v1"', totalBytes: rig.content.length });
    await part.write(rig.content);
    await part.seal();
    return part.paths;
  }

  it.each<[string, (rig: SaveRig, part: string) => Promise<void>]>([
    ['before the link', async () => undefined],
    ['between link and unlink', (rig, part) => link(part, rig.target)],
    ['after the unlink', (rig, part) => rename(part, rig.target)],
  ])('%s: finished without a request', async (_, step) => {
    const rig = await createSaveRig();
    const { part } = await sealedPart(rig);
    await step(rig, part);
    const saved = await rig.save({ refreshLink: async () => 'gone' });
    expect(saved).toMatchObject({
      path: rig.target,
      sha256: sha256(rig.content),
      sizeBytes: rig.content.length,
      media: { width_px: 64 },
    });
    expect(rig.server.requests).toHaveLength(0);
    expect(await rig.files()).toEqual(['clip.mp4']);
    expect((await lstat(rig.target)).nlink).toBe(1);
  });

  it('after a numbered name was given: found again', async () => {
    const rig = await createSaveRig();
    await writeFile(rig.target, 'precious');
    const { part } = await sealedPart(rig);
    await rename(part, join(rig.folder, 'clip-2.mp4'));
    expect(await rig.saveError()).toMatchObject({ saved: { path: join(rig.folder, 'clip-2.mp4') } });
    expect(rig.server.requests).toHaveLength(0);
  });

  it('a sealed part that was changed since is not believed', async () => {
    const rig = await createSaveRig();
    const { part } = await sealedPart(rig);
    const bytes = await readFile(part);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(part, bytes);
    expect((await rig.save()).sha256).toBe(sha256(rig.content));
    expect(rig.ranges()).toEqual([undefined]);
    expect(await rig.savedHash()).toBe(sha256(rig.content));
  });
});
