import { expect, it } from 'vitest';
import type { MediaFacts } from '../../../src/media/facts.ts';
import { fixCommand } from '../../../src/media/fix-command.ts';
import { judgeMedia } from '../../../src/media/judge.ts';
import { quoteCommand } from '../../../src/platform/text.ts';

interface Row {
  readonly name: string;
  readonly facts: Partial<MediaFacts>;
  readonly line: string;
}

const ROWS: readonly Row[] = [
  {
    name: 'photo.heic',
    facts: { format: 'heic', widthPx: 700, heightPx: 500 },
    line: "magick 'photo.heic[0]' -auto-orient photo-heic-fixed.jpg",
  },
  {
    name: 'small.heic',
    facts: { format: 'heic', widthPx: 400, heightPx: 200 },
    line: "magick 'small.heic[0]' -auto-orient -resize '606x304!' small-heic-fixed.jpg",
  },
  {
    name: 'wide.avif',
    facts: { format: 'avif', widthPx: 2000, heightPx: 400 },
    line: "magick 'wide.avif[0]' -auto-orient -gravity center -crop 980x400+0+0 +repage -resize '980x400!' wide-avif-fixed.jpg",
  },
  {
    name: 'layers.psd',
    facts: { format: 'psd', widthPx: 700, heightPx: 500 },
    line: "magick 'layers.psd[0]' -auto-orient layers-psd-fixed.jpg",
  },
  {
    name: 'anim.webp',
    facts: { format: 'webp', widthPx: 250, heightPx: 250, isAnimated: true },
    line: "magick 'anim.webp[0]' -auto-orient -resize '304x304!' anim-webp-fixed.jpg",
  },
  {
    name: 'turned.jpg',
    facts: { format: 'jpeg', widthPx: 200, heightPx: 267, isTurned: true },
    line: "magick 'turned.jpg[0]' -auto-orient -resize '304x404!' turned-fixed.jpg",
  },
];

it.each(ROWS)('the line for $name is $line', ({ name, facts, line }) => {
  const whole: MediaFacts = { sizeBytes: 1000, format: '', mimeType: 'image/x', kind: 'image', ...facts };
  const { problems } = judgeMedia(whole, 'image');
  const fix = fixCommand({ path: name, kind: 'image', facts: whole, problems });
  expect(fix && quoteCommand(fix)).toBe(line);
});
