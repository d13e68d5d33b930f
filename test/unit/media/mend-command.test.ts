import { expect, it } from 'vitest';
import { mendCommand } from '../../../src/media/fix-command.ts';

const SIZE = [{ rule: 'size', is: 'is too large', allowed: 'at most 30 MB' }] as const;
const TYPE = [{ rule: 'type', is: 'is OGG', allowed: 'mp3 or wav' }] as const;

it('names what it makes apart, where files differ in their type only', () => {
  const targets = ['x.ogg', 'x.m4a', 'x.mp3'].map((path) =>
    mendCommand({
      path,
      kind: 'audio',
      facts: { kind: 'audio', format: path.slice(2), mimeType: 'audio/x', sizeBytes: 1000, seconds: 5 },
      problems: TYPE,
    })?.at(-1),
  );
  expect(targets).toEqual(['x-ogg-fixed.mp3', 'x-m4a-fixed.mp3', 'x-fixed.mp3']);
});

it.each([
  ['png', 57, 'scale=3090:3090'],
  ['jpeg', 39.9, 'scale=3198:3198'],
  ['png', 32, undefined],
])('makes a %s of %d MiB smaller than its type alone would', (format, mebibytes, scale) => {
  const sizeBytes = mebibytes * 1024 * 1024;
  const facts = {
    kind: 'image',
    format,
    mimeType: `image/${format}`,
    sizeBytes,
    widthPx: 4000,
    heightPx: 4000,
  } as const;
  const mend = mendCommand({ path: `n.${format}`, kind: 'image', facts, problems: SIZE });
  expect(mend?.find((word) => word.startsWith('scale='))).toBe(scale);
});
