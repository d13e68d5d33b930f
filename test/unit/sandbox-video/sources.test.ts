import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it, vi } from 'vitest';
import { decodePicture } from '../../../src/sandbox/media-facts.ts';
import { createCanvas } from '../../../src/sandbox/video/draw.ts';
import { coverBox, placeSources } from '../../../src/sandbox/video/scene.ts';
import { loadPictures, shrink } from '../../../src/sandbox/video/sources.ts';
import { fixture } from '../../helpers/media-fixtures.ts';
import { FIXTURES } from '../../integration/media/fixture-table.ts';

/** The fixtures have an orange square near their upper left corner on blue; this says in which corner it is seen. */
function cornerOf({
  widthPx,
  heightPx,
  yuv,
}: {
  widthPx: number;
  heightPx: number;
  yuv: Uint8Array;
}): string {
  const isOrange = (x: number, y: number) =>
    (yuv[(Math.floor(y) * widthPx + Math.floor(x)) * 3 + 2] ?? 0) > 140;
  const at = (x: number, y: number) => isOrange(widthPx * x, heightPx * y);
  if (at(0.2, 0.2)) return 'upper left';
  if (at(0.8, 0.2)) return 'upper right';
  return at(0.2, 0.8) ? 'lower left' : at(0.8, 0.8) ? 'lower right' : 'nowhere';
}

describe('pictures of a request', () => {
  it.each([
    ['jpeg.jpg', 'upper left', [640, 480]],
    ['png.png', 'upper left', [640, 480]],
    ['webp-lossy.webp', 'upper left', [640, 480]],
    ['webp-lossless.webp', 'upper left', [640, 480]],
    ['exif-3.jpg', 'lower right', [640, 480]],
    ['exif-6.jpg', 'upper right', [480, 640]],
    ['exif-8.jpg', 'lower left', [480, 640]],
  ])('%s is seen the right way up', async (name, corner, pixels) => {
    const pictures = await loadPictures([{ label: 'image 1', picturePath: fixture(name) }], 1_000);
    const picture = pictures.get('image 1');
    expect(picture && cornerOf(picture)).toBe(corner);
    expect([picture?.widthPx, picture?.heightPx]).toEqual(pixels);
  });

  it.each(FIXTURES.filter(({ kind, verdict }) => kind === 'image' && typeof verdict === 'string'))(
    '$name, which a request may have, is drawn',
    async ({ name }) => {
      const pictures = await loadPictures([{ label: 'image 1', picturePath: fixture(name) }], 1_000);
      const picture = pictures.get('image 1');
      expect(picture?.widthPx).toBeGreaterThan(0);
      expect(picture?.yuv.length).toBe((picture?.widthPx ?? 0) * (picture?.heightPx ?? 0) * 3);
    },
  );

  it('of an animation is the first', async () => {
    const pictures = await loadPictures([{ label: 'a', picturePath: fixture('webp-animated.webp') }], 1_000);
    expect(pictures.get('a')).toMatchObject({ widthPx: 400, heightPx: 300 });
    expect(new Set(pictures.get('a')?.yuv).size).toBeGreaterThan(50);
  });

  it.each(['truncated.jpg', 'bomb.png', 'text.png', 'mp4.mp4', 'missing.png'])(
    '%s is left out',
    async (name) => {
      expect((await loadPictures([{ label: 'image 1', picturePath: fixture(name) }], 1_000)).size).toBe(0);
    },
  );

  it('are made no larger than they can be shown', async () => {
    const pictures = await loadPictures([{ label: 'a', picturePath: fixture('side-6000.png') }], 864);
    expect(pictures.get('a')?.widthPx).toBeLessThanOrEqual(864);
  });

  it('stand on black where they let light through', () => {
    const rgba = Uint8Array.from([255, 255, 255, 0]);
    expect([...shrink({ widthPx: 1, heightPx: 1, rgba, orientation: 1 }, 10).yuv]).toEqual([16, 128, 128]);
  });

  it('fill a box with their middle', () => {
    const canvas = createCanvas(8, 8);
    // Left to right: black, white, black.
    const yuv = Uint8Array.from([16, 128, 128, 235, 128, 128, 16, 128, 128]);
    coverBox(canvas, { xPx: 0, yPx: 0, widthPx: 8, heightPx: 8 }, { widthPx: 3, heightPx: 1, yuv });
    expect(new Set(canvas.luma)).toEqual(new Set([235]));
  });

  it('are not decoded from anything else', async () => {
    expect(await decodePicture(new Uint8Array(0))).toBeUndefined();
  });
});

const hasFfmpeg = spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status === 0;

describe('clips of a request', () => {
  it.skipIf(!hasFfmpeg).each([
    ['mp4.mp4', [720, 576]],
    ['mov.mov', [720, 576]],
    ['hevc.mp4', [720, 576]],
    ['rotated-90.mp4', [576, 720]],
  ])('%s shows its first picture upright where ffmpeg is installed', async (name, pixels) => {
    const pictures = await loadPictures([{ label: 'video 1', clipPath: fixture(name) }], 1_000);
    const picture = pictures.get('video 1');
    expect([picture?.widthPx, picture?.heightPx]).toEqual(pixels);
    expect(new Set(picture?.yuv).size).toBeGreaterThan(2);
  });

  it.each(['truncated-mp4.mp4', 'png.png', 'sound-only.mp4', 'missing.mp4'])(
    '%s is left out, and nothing stays behind',
    async (name) => {
      const before = temporaryFrames();
      expect((await loadPictures([{ label: 'video 1', clipPath: fixture(name) }], 1_000)).size).toBe(0);
      expect(temporaryFrames()).toEqual(before);
    },
  );

  it('is left out where there is no ffmpeg', async () => {
    vi.stubEnv('PATH', '/nowhere');
    expect((await loadPictures([{ label: 'video 1', clipPath: fixture('mp4.mp4') }], 1_000)).size).toBe(0);
    vi.unstubAllEnvs();
  });
});

function temporaryFrames(): readonly string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('evolink-frame-'));
}

describe('the places of sources', () => {
  it.each([1, 2, 7, 15])('%i lie side by side inside the box and leave half of it', (count) => {
    const sources = Array.from({ length: count }, (_, index) => ({ label: `image ${index + 1}` }));
    const box = { xPx: 30, yPx: 100, widthPx: 500, heightPx: 300 };
    const { places, topPx } = placeSources(sources, box, 1);
    expect(places).toHaveLength(count);
    expect(topPx).toBeGreaterThanOrEqual(250);
    for (const { box: cell } of places) {
      expect(cell.xPx).toBeGreaterThanOrEqual(30);
      expect(cell.xPx + cell.widthPx).toBeLessThanOrEqual(530.001);
      expect(cell.yPx + cell.heightPx).toBeLessThanOrEqual(400);
      expect(cell.heightPx).toBeGreaterThan(8);
    }
  });

  it('take no room where there are none', () => {
    expect(placeSources([], { xPx: 0, yPx: 10, widthPx: 9, heightPx: 20 }, 1)).toEqual({
      places: [],
      topPx: 30,
    });
  });
});
