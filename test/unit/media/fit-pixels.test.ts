import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitPixels } from '../../../src/media/fix-command.ts';
import { judgeMedia } from '../../../src/media/judge.ts';
import { MEDIA_LIMITS } from '../../../src/request/models.ts';

const common = { sizeBytes: 1, mimeType: '' };

describe('the size that a picture or clip is brought to', () => {
  it.each([
    ['image', 'png'],
    ['video', 'mp4'],
  ] as const)('%s: is always within the limits, from whatever size', (kind, format) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30_000 }),
        fc.integer({ min: 1, max: 30_000 }),
        (widthPx, heightPx) => {
          const fitted = fitPixels({ widthPx, heightPx }, MEDIA_LIMITS[kind]);
          const size = fitted ?? { widthPx, heightPx };
          const facts = { ...common, kind, format, widthPx: size.widthPx, heightPx: size.heightPx };
          // From a line of few pixels nothing useful can be cut; sizes from a tenth of the least on always work.
          if (Math.min(widthPx, heightPx) >= 30) expect(judgeMedia(facts, kind).problems).toEqual([]);
          if (fitted?.crop !== undefined) {
            expect(fitted.crop.widthPx).toBeLessThanOrEqual(widthPx);
            expect(fitted.crop.heightPx).toBeLessThanOrEqual(heightPx);
          }
        },
      ),
      {
        numRuns: 2_000,
        examples: [
          [4920, 12_298],
          [12_298, 4920],
        ],
      },
    );
  });

  it('leaves alone what fits', () => {
    expect(fitPixels({ widthPx: 640, heightPx: 480 }, MEDIA_LIMITS.image)).toBeUndefined();
    expect(fitPixels({ widthPx: 1920, heightPx: 1080 }, MEDIA_LIMITS.video)).toBeUndefined();
    expect(fitPixels({}, MEDIA_LIMITS.image)).toBeUndefined();
    expect(fitPixels({ widthPx: 9, heightPx: 9 }, MEDIA_LIMITS.audio)).toBeUndefined();
  });
});
