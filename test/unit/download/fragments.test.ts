import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidVideoError } from '../../../src/download/errors.ts';
import { verifyMp4 } from '../../../src/download/verify.ts';

const media = (name: string): Buffer =>
  readFileSync(new URL(`../../fixtures/media/${name}`, import.meta.url));

const verify = (bytes: Uint8Array) =>
  verifyMp4({
    sizeBytes: bytes.length,
    readAt: async (position, length) => bytes.subarray(position, position + length),
  });

/** The bytes with a 32-bit number replaced, so many bytes behind the n-th box of a type. */
function patch(type: string, behind: number, value: number, nth = 1): Buffer {
  const copy = media('mp4-fragmented.mp4');
  let at = -1;
  for (let count = 0; count < nth; count += 1) at = copy.indexOf(type, at + 1, 'latin1');
  expect(at).toBeGreaterThan(0);
  copy.writeUInt32BE(value >>> 0, at + 4 + behind);
  return copy;
}

describe('a fragmented file', () => {
  it('has the length of its fragments', async () => {
    expect(await verify(media('mp4-fragmented.mp4'))).toEqual({
      durationSeconds: 2.5,
      widthPx: 720,
      heightPx: 576,
      hasAudio: false,
    });
  });

  it.each<[string, () => Buffer, RegExp]>([
    [
      'a run that claims more samples than its box holds',
      () => patch('trun', 4, 4_000_000_000),
      /"trun" has room for fewer/,
    ],
    [
      'a run behind the end of the file',
      () => patch('trun', 8, 0x7fff_0000),
      /lies beyond the end of the file/,
    ],
    ['a run before the start of the file', () => patch('trun', 8, 0x8000_0000), /lies beyond the end/],
    ['a fragment without a header', () => patch('tfhd', -4, 0x7878_7878), /"traf" has no "tfhd"/],
    [
      'no fragment at all',
      () => Buffer.from(media('mp4-fragmented.mp4').toString('latin1').replaceAll('moof', 'free'), 'latin1'),
      /has no "moof" box/,
    ],
  ])('%s: no video', async (_, bytes, message) => {
    await expect(verify(bytes())).rejects.toThrow(message);
    await expect(verify(bytes())).rejects.toBeInstanceOf(InvalidVideoError);
  });

  it('cut anywhere, or with any byte spoiled, is sound or refused, never anything else', async () => {
    const bytes = media('mp4-fragmented.mp4');
    const headers = [...bytes.toString('latin1').matchAll(/moov|moof/g)].map(({ index }) => index);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...headers),
        fc.nat(600),
        fc.nat(255),
        async (start, behind, value) => {
          const spoiled = Buffer.from(bytes);
          spoiled[Math.min(start + behind, bytes.length - 1)] = value;
          const end = await verify(spoiled).catch((error: unknown) => error);
          if (end instanceof Error) expect(end).toBeInstanceOf(InvalidVideoError);
        },
      ),
      { numRuns: 400 },
    );
    for (const lost of [1, 8, 100, 1_000]) {
      await expect(verify(bytes.subarray(0, bytes.length - lost))).rejects.toBeInstanceOf(InvalidVideoError);
    }
  });
});

describe('the size of pictures', () => {
  it.each([
    ['rotated-90.mp4', 576, 720],
    ['rotated-180.mp4', 720, 576],
    ['rotated-270.mov', 576, 720],
    ['four-k.mp4', 3840, 2160],
  ])('%s', async (name, widthPx, heightPx) => {
    expect(await verify(media(name))).toMatchObject({ widthPx, heightPx });
  });
});
