import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VideoCheck } from '../../../src/download/part-file.ts';
import { compareMedia } from '../../../src/download/save-link.ts';
import { tinyMp4 } from '../../helpers/tiny-mp4.ts';

function scan(...chunks: readonly Uint8Array[]): string {
  const check = new VideoCheck();
  for (const chunk of chunks) check.push(chunk);
  return (check.flaw() ?? check.cut())?.message ?? 'whole';
}

describe('the bytes of a clip whose host named no length', () => {
  const files = {
    short: tinyMp4({ dataBytes: 500 }),
    long: tinyMp4({ dataBytes: 500, mdatSize: 'long' }),
    toEnd: tinyMp4({ dataBytes: 500, mdatSize: 'toEnd' }),
  };

  it.each(Object.entries(files))(
    '%s: whole however it is cut into chunks, never whole when it is short',
    (name, file) => {
      fc.assert(
        fc.property(fc.array(fc.nat(file.length), { maxLength: 20 }), (cuts) => {
          const points = [0, ...cuts.sort((a, b) => a - b), file.length];
          expect(scan(...points.slice(1).map((end, index) => file.subarray(points[index], end)))).toBe(
            'whole',
          );
        }),
      );
      // A box to the end of the file has no end that could be missed.
      const endBytes = name === 'toEnd' ? file.indexOf('mdat') + 4 : file.length;
      for (let length = 0; length < endBytes; length += 1)
        expect(scan(file.subarray(0, length))).not.toBe('whole');
    },
  );

  it('what is no MP4', () => {
    const moov = files.short.subarray(files.short.indexOf('moov') - 4);
    expect(scan(moov)).toBe('the file does not start as an MP4 does');
    expect(scan(files.short, Buffer.from([0, 0, 0, 4, 0x61, 0x62, 0x63, 0x64]))).toBe('its boxes are broken');
    expect(scan(files.short, Buffer.alloc(8 * 70_000, Buffer.from('0000000866726565', 'hex')))).toBe(
      'its boxes are broken',
    );
  });
});

const facts = { duration_seconds: 5.04, width_px: 1280, height_px: 720, has_audio: true };
it.each<[Parameters<typeof compareMedia>[0], object, readonly string[]]>([
  [{}, {}, []],
  [{ durationSeconds: 5, widthPx: 1280, heightPx: 720, hasAudio: true }, {}, []],
  [{ durationSeconds: 10 }, {}, ['the video is 5.04 s long, 10 s were asked for']],
  [{ durationSeconds: 10 }, { duration_seconds: 0 }, []],
  [{ widthPx: 720, heightPx: 1280 }, {}, ['the video has 1280×720 pixels, 720×1280 were asked for']],
  [{ widthPx: 720, heightPx: 1280 }, { width_px: null, height_px: null }, []],
  [{ hasAudio: false }, {}, ['the video has sound, although none was asked for']],
  [{ hasAudio: true }, { has_audio: false }, ['the video has no sound, although it was asked for']],
])('what differs from the request: %j', (expectation, media, warnings) => {
  expect(compareMedia(expectation, { ...facts, ...media })).toEqual(warnings);
});
