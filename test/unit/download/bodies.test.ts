import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_DOWNLOAD_LIMITS } from '../../../src/config/output-pattern.ts';
import { createSpeedWatch } from '../../../src/download/fetch.ts';
import { compareMedia, createVideoCheck } from '../../../src/download/verify.ts';
import { tinyMp4 } from '../../helpers/tiny-mp4.ts';

describe('createSpeedWatch', () => {
  it('says when to look again, and drops after 30 s without data', () => {
    const watch = createSpeedWatch(DEFAULT_DOWNLOAD_LIMITS);
    expect(watch.nextLookMs()).toBe(30_000);
    watch.note(29_000, 0);
    expect(watch.verdict()).toBeUndefined();
    expect(watch.nextLookMs()).toBe(1_000);
    watch.note(1_000, 0);
    expect(watch.verdict()).toBe('no data for 30 s');
  });

  it.each([
    [10_240, undefined],
    [10_239, 'slower than 10240 bytes a second over 30 s'],
  ])('%i bytes a second over the window', (bytes, verdict) => {
    const watch = createSpeedWatch(DEFAULT_DOWNLOAD_LIMITS);
    for (let second = 0; second < 30; second += 1) watch.note(1_000, bytes);
    expect(watch.verdict()).toBe(verdict);
  });

  it('judges each window anew', () => {
    const watch = createSpeedWatch(DEFAULT_DOWNLOAD_LIMITS);
    watch.note(30_000, 1e9);
    expect(watch.verdict()).toBeUndefined();
    watch.note(30_000, 5);
    expect(watch.verdict()).toContain('slower');
  });

  it('both can be switched off', () => {
    const watch = createSpeedWatch({ ...DEFAULT_DOWNLOAD_LIMITS, idleTimeoutMs: 0, minBytesPerSecond: 0 });
    expect(watch.nextLookMs()).toBeUndefined();
    watch.note(1e9, 0);
    expect(watch.verdict()).toBeUndefined();
  });

  it('the floor works without the idle limit', () => {
    const watch = createSpeedWatch({ ...DEFAULT_DOWNLOAD_LIMITS, idleTimeoutMs: 0 });
    expect(watch.nextLookMs()).toBe(30_000);
    watch.note(30_000, 0);
    expect(watch.verdict()).toContain('slower');
  });
});

describe('createVideoCheck', () => {
  const scan = (chunks: readonly Uint8Array[]): string => {
    const check = createVideoCheck();
    for (const chunk of chunks) check.push(chunk);
    return check.flaw(true)?.message ?? 'whole';
  };
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
          expect(scan(points.slice(1).map((end, index) => file.subarray(points[index], end)))).toBe('whole');
        }),
      );
      // A box to the end of the file has no end that could be missed.
      const endBytes = name === 'toEnd' ? file.indexOf('mdat') + 4 : file.length;
      for (let length = 0; length < endBytes; length += 1)
        expect(scan([file.subarray(0, length)])).not.toBe('whole');
    },
  );

  it('refuses what does not start as an MP4', () => {
    const moov = files.short.subarray(files.short.indexOf('moov') - 4);
    expect(scan([moov])).toBe('the file does not start as an MP4 does');
    expect(scan([Buffer.concat([files.short, Buffer.from([0, 0, 0, 4, 0x61, 0x62, 0x63, 0x64])])])).toBe(
      'box "abcd" has an impossible size',
    );
  });
});

describe('compareMedia', () => {
  const facts = { durationSeconds: 5.04, widthPx: 1280, heightPx: 720, hasAudio: true };
  it.each([
    [{}, facts, []],
    [{ durationSeconds: 5, widthPx: 1280, heightPx: 720, hasAudio: true }, facts, []],
    [{ durationSeconds: 10 }, facts, ['the video is 5.04 s long, 10 s were asked for']],
    [{ durationSeconds: 10 }, { ...facts, durationSeconds: 0 }, []],
    [{ widthPx: 720, heightPx: 1280 }, facts, ['the video has 1280×720 pixels, 720×1280 were asked for']],
    [{ widthPx: 720, heightPx: 1280 }, { durationSeconds: 5, hasAudio: true }, []],
    [{ hasAudio: false }, facts, ['the video has sound, although none was asked for']],
    [
      { hasAudio: true },
      { ...facts, hasAudio: false },
      ['the video has no sound, although it was asked for'],
    ],
  ])('%j', (expectation, media, warnings) => {
    expect(compareMedia(expectation, media)).toEqual(warnings);
  });
});
