import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MediaFacts } from '../../../src/media/facts.ts';
import { fitPixels, fixCommand } from '../../../src/media/fix-command.ts';
import { judgeMedia, judgeTotal, trimToTotal } from '../../../src/media/judge.ts';
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
    [
      'photo.heic',
      { widthPx: 700, heightPx: 500 },
      "magick 'photo.heic[0]' -auto-orient photo-heic-fixed.jpg",
    ],
    [
      'wide.avif',
      { widthPx: 2000, heightPx: 400 },
      "magick 'wide.avif[0]' -auto-orient -gravity center -crop 980x400+0+0 +repage -resize '980x400!' wide-avif-fixed.jpg",
    ],
    [
      'anim.webp',
      { widthPx: 250, heightPx: 250, isAnimated: true },
      "magick 'anim.webp[0]' -auto-orient -resize '304x304!' anim-webp-fixed.jpg",
    ],
    [
      'turned.jpeg',
      { widthPx: 200, heightPx: 267, isTurned: true },
      "magick 'turned.jpeg[0]' -auto-orient -resize '304x404!' turned-jpeg-fixed.jpg",
    ],
  ])('for %s, %j is %s', (path, facts, line) => {
    const whole: MediaFacts = { ...IMAGE, format: path.split('.')[1] ?? '', ...facts };
    const { problems } = judgeMedia(whole, 'image');
    const fix = fixCommand({ path, kind: 'image', facts: whole, problems });
    expect(fix && quoteCommand(fix)).toBe(line);
  });

  it('names what it makes apart, where files differ in their type only', () => {
    const problems = [{ rule: 'type', is: 'is OGG', allowed: 'mp3 or wav' }] as const;
    const targets = ['x.ogg', 'x.m4a', 'x.mp3'].map((path) => {
      const facts = { ...IMAGE, kind: 'audio', format: path.slice(2), seconds: 5 } as const;
      return fixCommand({ path, kind: 'audio', facts, problems })?.at(-1);
    });
    expect(targets).toEqual(['x-ogg-fixed.mp3', 'x-m4a-fixed.mp3', 'x-fixed.mp3']);
  });
});

describe('clips together', () => {
  it.each([
    [[5, 5, 5], undefined],
    [[7.5, 7.6], undefined],
    [[8, 8], 'are 16 s together (8 + 8)'],
    [[8, undefined, 8], 'are 16 s together (8 + ? + 8)'],
    [[8, undefined], undefined],
    [[14.9], undefined],
  ])('%j', (lengths, is) => {
    for (const kind of ['video', 'audio'] as const) expect(judgeTotal(lengths, kind)?.is).toBe(is);
    expect(judgeTotal(lengths, 'image')).toBeUndefined();
  });

  it('are cut to fit, the longest first', () => {
    const trimmed = [
      [8, 8],
      [3, 14],
      [15, 15, 15],
      [2, 2, 15],
    ].map((all) => trimToTotal(all, 'video')?.join(' '));
    expect(trimmed).toEqual(['7.5 7.5', '3 12', '5 5 5', '2 2 11']);
  });
});
