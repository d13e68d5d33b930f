import { link, lstat, readFile, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openPart, partPaths } from '../../../src/download/part-file.ts';
import { createSaveRig, type SaveRig, sha256 } from './save-rig.ts';

/** A part as a process leaves it that was stopped in the middle. */
async function leavePart(rig: SaveRig, change: Partial<Parameters<typeof openPart>[0]> = {}): Promise<void> {
  const part = await openPart({ ...rig.job, ...change });
  await part.startOver({ validator: '"v1"', totalBytes: rig.content.length });
  await part.write(rig.content.subarray(0, 120_000));
  await part.suspend();
}

describe('what an earlier run left', () => {
  /** Changes its record. */
  const rewrite =
    (from: RegExp, to: string) =>
    async (_: SaveRig, { record }: ReturnType<typeof partPaths>) =>
      writeFile(record, (await readFile(record, 'utf8')).replace(from, to));

  it.each<[string, (rig: SaveRig, paths: ReturnType<typeof partPaths>) => Promise<void>, RegExp]>([
    ['without its record', (_, { record }) => unlink(record), /no record/],
    ['with a torn record', rewrite(/,"syncedBytes.*/, ''), /no record/],
    ['shorter than its record says', (_, { part }) => writeFile(part, 'short'), /its bytes/],
    ['with the record of another task', rewrite(/imcg5zqt/, 'other'), /no record/],
    ['with the record of another link', rewrite(/clip\.mp4"/, 'other.mp4"'), /another link/],
    ['without a validator', rewrite(/"validator":"[^,]*,/, ''), /no record/],
    [
      'a link to elsewhere',
      async ({ folder }, { part }) => {
        await rename(part, join(folder, 'elsewhere'));
        await symlink(join(folder, 'elsewhere'), part);
      },
      /its bytes/,
    ],
  ])('is not used %s', async (_, spoil, reason) => {
    const rig = await createSaveRig();
    await leavePart(rig);
    await spoil(rig, partPaths(rig.job));
    expect((await rig.save()).sha256).toBe(sha256(rig.content));
    expect(rig.ranges()).toEqual([undefined]);
    const [first] = rig.events;
    expect(first?.kind === 'download-restarted' && first.reason).toMatch(reason);
  });

  it('more than its record says for certain is written over', async () => {
    const rig = await createSaveRig();
    await leavePart(rig);
    const { part } = partPaths(rig.job);
    await writeFile(part, Buffer.concat([await readFile(part), Buffer.alloc(500_000, 7)]));
    await rig.save();
    expect(await rig.savedHash()).toBe(sha256(rig.content));
  });
});

describe('killed in the middle of the commit', () => {
  /** Everything of a finished save but the last steps, as a killed process leaves it. */
  async function sealedPart(rig: SaveRig) {
    const part = await openPart(rig.job);
    await part.startOver({ validator: '"v1"', totalBytes: rig.content.length });
    await part.write(rig.content);
    await part.finish();
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
    expect(await rig.save({ refreshLink: async () => 'gone' })).toMatchObject({
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

it('another process at the same part begins anew meanwhile: nothing half is published', async () => {
  const rig = await createSaveRig();
  const mine = await openPart(rig.job);
  await mine.startOver({ validator: '"v1"', totalBytes: rig.content.length });
  await mine.write(rig.content);
  const other = await openPart(rig.job);
  await other.startOver({ validator: '"v1"', totalBytes: rig.content.length });
  await mine.finish();
  await mine.sync();
  await expect(mine.seal()).rejects.toMatchObject({ kind: 'local-io' });
  await mine.suspend();
  await other.write(rig.content);
  await other.finish();
  await other.sync();
  expect(await other.seal()).toMatchObject({ sha256: sha256(rig.content) });
});
