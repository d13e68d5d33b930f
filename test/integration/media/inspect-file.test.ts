import { copyFileSync, symlinkSync, truncateSync } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectFile } from '../../../src/media/inspect.ts';
import { judgeMedia } from '../../../src/media/judge.ts';
import { MEDIA_LIMITS, type MediaKind } from '../../../src/request/models.ts';
import { cpuSecondsOf } from '../../helpers/cpu-time.ts';
import { fixture } from '../../helpers/media-fixtures.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

async function rulesOf(path: string, kind: MediaKind): Promise<readonly string[]> {
  const { facts, problems } = await inspectFile(path);
  const judged = facts === undefined || problems.length > 0 ? [] : judgeMedia(facts, kind).problems;
  return [...problems, ...judged].map(({ rule }) => rule);
}

describe('sizes at the limit', () => {
  /** Fills a file up with what its format lets stand at the end, as a hole where the disk can have one. */
  async function grown(name: string, sizeBytes: number): Promise<string> {
    const path = join(await tempFolder(), name);
    copyFileSync(fixture(name), path);
    if (name.endsWith('.mp4')) {
      const { length } = await readFile(path);
      const head = Buffer.alloc(8);
      head.writeUInt32BE(sizeBytes - length);
      head.write('free', 4, 'latin1');
      await appendFile(path, head);
    }
    truncateSync(path, sizeBytes);
    return path;
  }

  it.each([
    ['png.png', 'image', MEDIA_LIMITS.image.maxFileBytes],
    ['mp4.mp4', 'video', MEDIA_LIMITS.video.maxFileBytes],
    ['wav.wav', 'audio', MEDIA_LIMITS.audio.maxFileBytes],
  ] as const)('%s: just inside is taken, one byte more is not', async (name, kind, maxBytes) => {
    expect(await rulesOf(await grown(name, maxBytes), kind)).toEqual([]);
    expect(await rulesOf(await grown(name, maxBytes + 1), kind)).toEqual(['size']);
  });

  it('looks at a file of 100 GB without reading it, in little memory', async () => {
    const path = join(await tempFolder(), 'huge.mp4');
    copyFileSync(fixture('mp4.mp4'), path);
    truncateSync(path, 100 * 1024 ** 3);
    const before = process.memoryUsage().rss;
    const seconds = await cpuSecondsOf(async () => expect(await rulesOf(path, 'video')).toEqual(['size']));
    expect(seconds).toBeLessThan(5);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 ** 2);
  });
});

it.each([
  ['nothing', (folder: string) => join(folder, 'missing.png'), 'does not exist'],
  ['a folder', (folder: string) => folder, 'is a folder'],
  [
    'a link that leads in a circle',
    (folder: string) => {
      symlinkSync('loop.png', join(folder, 'loop.png'));
      return join(folder, 'loop.png');
    },
    'circle',
  ],
  ['a name with a NUL', () => 'a\0.png', "can't be read"],
])('what is no file: %s', async (_what, make, expected) => {
  const { problems, facts } = await inspectFile(make(await tempFolder()));
  expect(facts).toBeUndefined();
  expect(problems).toMatchObject([{ rule: 'readable', is: expect.stringContaining(expected) }]);
});

const kinds = {
  'jpeg.jpg': 'image',
  'png.png': 'image',
  'mp4.mp4': 'video',
  'wav.wav': 'audio',
  'mp3-vbr.mp3': 'audio',
} as const;

it.each(Object.entries(kinds))(
  'hostile bytes: %s cut anywhere, or with any byte changed, gives a report',
  async (name, kind) => {
    const bytes = await readFile(fixture(name));
    const path = join(await tempFolder(), name);
    for (let round = 0; round < 40; round += 1) {
      const at = Math.floor((round / 40) * Math.min(bytes.length, 2_000));
      const changed = Buffer.from(bytes);
      changed[at] = 0xff - (changed[at] ?? 0);
      await writeFile(path, round % 2 === 0 ? changed : bytes.subarray(0, at));
      const { facts, problems } = await inspectFile(path);
      if (facts === undefined) expect(problems.length).toBeGreaterThan(0);
      else judgeMedia(facts, kind);
    }
  },
);
