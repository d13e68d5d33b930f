import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MediaFacts } from '../../../src/media/facts.ts';
import { fitPixels, fixCommand } from '../../../src/media/fix-command.ts';
import { judgeMedia, reviewMedia } from '../../../src/media/judge.ts';
import { quoteCommand } from '../../../src/platform/text.ts';
import { MEDIA_LIMITS } from '../../../src/request/models.ts';

const IMAGE = { sizeBytes: 1000, format: 'png', mimeType: 'image/x', kind: 'image' } as const;

describe('the size that a picture or clip is brought to', () => {
  it.each([
    ['image', 'png'],
    ['video', 'mp4'],
  ] as const)('%s: is always within the limits, from whatever size', (kind, format) => {
    const px = fc.integer({ min: 1, max: 30_000 });
    const property = fc.property(px, px, (widthPx, heightPx) => {
      const fitted = fitPixels({ widthPx, heightPx }, MEDIA_LIMITS[kind]);
      const { widthPx: width, heightPx: height } = fitted ?? { widthPx, heightPx };
      // From a line of few pixels nothing useful can be cut; sizes from a tenth of the least on always work.
      if (Math.min(widthPx, heightPx) >= 30)
        expect(
          judgeMedia({ ...IMAGE, kind, format, widthPx: width, heightPx: height }, kind).problems,
        ).toEqual([]);
      expect(fitted?.crop?.widthPx ?? 0).toBeLessThanOrEqual(widthPx);
      expect(fitted?.crop?.heightPx ?? 0).toBeLessThanOrEqual(heightPx);
    });
    const examples: [number, number][] = [
      [4920, 12_298],
      [12_298, 4920],
    ];
    fc.assert(property, { numRuns: 2_000, examples });
  });

  it('leaves alone what fits', () => {
    expect(fitPixels({ widthPx: 640, heightPx: 480 }, MEDIA_LIMITS.image)).toBeUndefined();
    expect(fitPixels({ widthPx: 1920, heightPx: 1080 }, MEDIA_LIMITS.video)).toBeUndefined();
    expect(fitPixels({}, MEDIA_LIMITS.image)).toBeUndefined();
    expect(fitPixels({ widthPx: 9, heightPx: 9 }, MEDIA_LIMITS.audio)).toBeUndefined();
  });
});

describe('the command', () => {
  it.each<[string, Partial<MediaFacts>, string]>([
    ['photo.heic', { widthPx: 700, heightPx: 500 }, "'photo.heic[0]' -auto-orient photo-heic-fixed.jpg"],
    [
      'wide.avif',
      { widthPx: 2000, heightPx: 400 },
      "'wide.avif[0]' -auto-orient -gravity center -crop 980x400+0+0 +repage -resize '980x400!' wide-avif-fixed.jpg",
    ],
    [
      'anim.webp',
      { widthPx: 250, heightPx: 250, isAnimated: true },
      "'anim.webp[0]' -auto-orient -resize '304x304!' anim-webp-fixed.jpg",
    ],
    [
      '-turned.jpeg',
      { widthPx: 200, heightPx: 267, isTurned: true },
      "'./-turned.jpeg[0]' -auto-orient -resize '304x404!' ./-turned-jpeg-fixed.jpg",
    ],
  ])('for %s, %j is magick %s', (path, facts, line) => {
    const whole: MediaFacts = { ...IMAGE, format: path.split('.')[1] ?? '', ...facts };
    const fix = fixCommand(path, 'image', whole, judgeMedia(whole, 'image').problems);
    expect(fix && quoteCommand(fix)).toBe(`magick ${line}`);
  });

  it('names what it makes apart, where files differ in their type only', () => {
    const problems = [{ rule: 'type', is: 'is OGG', allowed: 'mp3 or wav' }] as const;
    const targets = ['x.ogg', 'x.m4a', 'x.mp3'].map((path) => {
      const facts = { ...IMAGE, kind: 'audio', format: path.slice(2), seconds: 5 } as const;
      return fixCommand(path, 'audio', facts, problems)?.at(-1);
    });
    expect(targets).toEqual(['x-ogg-fixed.mp3', 'x-m4a-fixed.mp3', 'x-fixed.mp3']);
  });
});

it.each([
  [[5, 5, 5], undefined],
  [[7.5, 7.6], undefined],
  [[8, 9], 'are 17 s together (8 + 9)'],
  [[8, undefined, 9], 'are 17 s together (8 + ? + 9)'],
  [[8, undefined], undefined],
  [[14.9], undefined],
])('clips together: of %j the longest is too long where all are', async (lengths, is) => {
  for (const kind of ['video', 'audio'] as const) {
    const format = kind === 'video' ? 'mp4' : 'mp3';
    const items = lengths.map((_, index) => {
      const name = String(index);
      return { name, label: name, location: name, isLocal: false, kind };
    });
    const checkUrl = async (index: string) => ({
      facts: { ...IMAGE, kind, format, seconds: lengths[Number(index)] },
      problems: [],
      remarks: [],
    });
    const reviews = await reviewMedia(items, { checkUrl, isOneRequest: true });
    const found = reviews.map(({ problems }) => problems.map((problem) => problem.is));
    const longest = lengths.indexOf(9);
    expect(found).toEqual(lengths.map((_, index) => (is && index === longest ? [is] : [])));
  }
});
