import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidVideoError } from '../../../src/download/errors.ts';
import { type ReadableFile, verifyMp4 } from '../../../src/download/verify.ts';
import { box, type TinyMp4Options, tinyMp4, u32 } from '../../helpers/tiny-mp4.ts';

/** A file in memory that counts what is read of it. */
function fileOf(bytes: Uint8Array): ReadableFile & { readBytes: number; largestRead: number } {
  const file = {
    sizeBytes: bytes.length,
    readBytes: 0,
    largestRead: 0,
    readAt: async (position: number, length: number) => {
      file.readBytes += length;
      file.largestRead = Math.max(file.largestRead, length);
      return Uint8Array.from(bytes.subarray(position, position + length));
    },
  };
  return file;
}

const verify = (bytes: Uint8Array, expectedBytes?: number) => verifyMp4(fileOf(bytes), expectedBytes);

/** The bytes with a 32-bit number replaced, found behind a box type. */
function patch(bytes: Buffer, type: string, { behind, value }: { behind: number; value: number }): Buffer {
  const copy = Buffer.from(bytes);
  const at = copy.indexOf(type, 0, 'latin1');
  expect(at).toBeGreaterThan(0);
  copy.writeUInt32BE(value >>> 0, at + behind);
  return copy;
}

describe('a whole file', () => {
  it.each<[string, TinyMp4Options]>([
    ['header first', {}],
    ['header last', { isMoovLast: true }],
    ['64-bit mdat', { mdatSize: 'long' }],
    ['mdat to the end', { mdatSize: 'toEnd' }],
    ['64-bit offsets', { hasLongOffsets: true }],
  ])('%s', async (_, options) => {
    const bytes = tinyMp4({ widthPx: 1280, heightPx: 720, durationSeconds: 5, ...options });
    expect(await verify(bytes, bytes.length)).toEqual({
      durationSeconds: 5,
      widthPx: 1280,
      heightPx: 720,
      hasAudio: true,
    });
  });

  it('without sound', async () => {
    expect(await verify(tinyMp4({ hasAudio: false }))).toMatchObject({ hasAudio: false });
  });

  it('with boxes between and behind', async () => {
    expect(
      await verify(Buffer.concat([tinyMp4(), box('free', Buffer.alloc(99)), box('uuid', Buffer.alloc(16))])),
    ).toMatchObject({ widthPx: 64 });
  });

  it('with a codec that nobody knows is still a whole file', async () => {
    const bytes = tinyMp4({ durationSeconds: 5 });
    bytes.write('zzz1', bytes.indexOf('avc1', bytes.indexOf('stsd')), 'latin1');
    expect(await verify(bytes)).toMatchObject({ hasAudio: true, durationSeconds: 5 });
  });
});

describe('a file that is no video', () => {
  it.each([
    [
      '<!DOCTYPE html><html><head><title>Link expired</title></head>',
      'the host sent a web page instead of a video: "Link expired"',
    ],
    [
      '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
      'the host sent an XML document instead of a video: "AccessDenied"',
    ],
    ['{"error":"gone"}', 'the host sent a JSON document instead of a video: "{"error":"gone"}"'],
    ['Service Unavailable', 'the host sent a text instead of a video: "Service Unavailable"'],
    ['<html>\u001b]52;c;AAAA\u0007evil\u202e</html>', 'the host sent a web page instead of a video: "evil"'],
  ])('%j', async (text, message) => {
    const error = await verify(Buffer.from(text)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InvalidVideoError);
    expect(error).toMatchObject({ message, isPage: true });
  });

  it.each([
    ['nothing', Buffer.alloc(0), 'the file is empty'],
    [
      'another binary',
      Buffer.from([0x1a, 0x45, 0xdf, 0xa3, 0, 0, 0, 0, 0, 0]),
      'the file does not start as an MP4 does',
    ],
  ])('%s', async (_, bytes, message) => {
    await expect(verify(bytes)).rejects.toMatchObject({ message, isPage: false });
  });
});

describe('a flawed file', () => {
  const whole = tinyMp4();
  it.each<[string, Uint8Array, string]>([
    ['cut by one byte', whole.subarray(0, -1), 'box "mdat" needs 4104 bytes, the file has 4103 left'],
    [
      'ends inside a header',
      Buffer.concat([whole, Buffer.from([0, 0, 0])]),
      'the file ends inside the header of a box',
    ],
    [
      'no moov',
      Buffer.concat([box('ftyp', Buffer.alloc(8)), box('mdat', Buffer.alloc(8))]),
      'the file has no "moov" box',
    ],
    ['two moovs', Buffer.concat([whole, box('moov')]), 'the file has several "moov" boxes'],
    ['no mdat', whole.subarray(0, whole.indexOf('mdat') - 4), 'the file has no "mdat" box'],
    [
      'a box of size 7',
      Buffer.concat([whole, u32(7), Buffer.from('free')]),
      'box "free" is smaller than its own header',
    ],
    [
      'a 64-bit size beyond all',
      Buffer.concat([whole, u32(1), Buffer.from('free'), u32(0xffffffff, 0)]),
      'box "free" is impossibly large',
    ],
    [
      'a type that is no text',
      Buffer.concat([whole, u32(99, 0x1b5b3000)]),
      'box 0x1b5b3000 needs 99 bytes, the file has 8 left',
    ],
    [
      'chunk offset beyond the end',
      patch(whole, 'stco', { behind: 12, value: whole.length - 10 }),
      'lies beyond the end of the file',
    ],
    [
      'sample size beyond the end',
      patch(whole, 'stsz', { behind: 16, value: 0xffffffff }),
      'lies beyond the end of the file',
    ],
    [
      'more sizes than room',
      patch(whole, 'stsz', { behind: 12, value: 0xffffffff }),
      'box "stsz" has room for fewer than its 4294967295 entries',
    ],
    [
      'more offsets than room',
      patch(whole, 'stco', { behind: 8, value: 2 }),
      'box "stco" has room for fewer than its 2 entries',
    ],
    [
      'same sizes for four billion samples',
      patch(patch(whole, 'stsz', { behind: 8, value: 1 }), 'stsz', { behind: 12, value: 0xffffffff }),
      'the tables place',
    ],
    [
      'times for four billion samples',
      patch(whole, 'stts', { behind: 12, value: 0xffffffff }),
      'box "stts" claims 4294967295 samples',
    ],
    ['no pictures', patch(whole, 'stsz', { behind: 12, value: 0 }), 'the video has no pictures'],
    [
      'a child that reaches out',
      patch(whole, 'mvhd', { behind: -4, value: 0x7fffffff }),
      'box "mvhd" reaches out of "moov"',
    ],
  ])('%s', async (_, bytes, message) => {
    const error = await verify(bytes).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InvalidVideoError);
    expect(error).toMatchObject({ message: expect.stringContaining(message) });
  });

  it('of another length than announced', async () => {
    await expect(verify(whole, whole.length + 1)).rejects.toThrow(
      `the file has ${whole.length} bytes instead of ${whole.length + 1}`,
    );
  });

  it('without a picture track', async () => {
    const bytes = Buffer.from(whole);
    bytes.write('soun', bytes.indexOf('vide'), 'latin1');
    await expect(verify(bytes)).rejects.toThrow('the file has no picture track');
  });

  it('with millions of boxes is given up early', async () => {
    const free = Buffer.alloc(8 * 70_000);
    for (let at = 0; at < free.length; at += 8) free.write('\0\0\0\x08free', at, 'latin1');
    await expect(verify(Buffer.concat([whole, free]))).rejects.toThrow('more than 65536 boxes');
  });
});

describe('any bytes at all', () => {
  const whole = tinyMp4({ dataBytes: 600 });

  it('truncated anywhere: refused', async () => {
    for (let length = 0; length < whole.length; length += 1) {
      await expect(verify(whole.subarray(0, length))).rejects.toBeInstanceOf(InvalidVideoError);
    }
  });

  it('mutated at random: facts or the declared error, no large reads', async () => {
    const mutation = fc.record({
      at: fc.nat(whole.length - 1),
      value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 12 }), async (mutations) => {
        const bytes = Buffer.from(whole);
        for (const { at, value } of mutations) bytes[at] = value;
        const file = fileOf(bytes);
        const outcome = await verifyMp4(file).catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(InvalidVideoError);
        expect(file.largestRead).toBeLessThanOrEqual(bytes.length);
        expect(file.readBytes).toBeLessThan(64 * bytes.length);
      }),
      { numRuns: 3000 },
    );
  });

  it('mutated in the header words: the same', async () => {
    const words = Array.from({ length: Math.floor(whole.indexOf('mdat') / 4) }, (_, index) => index * 4);
    const mutation = fc.record({
      at: fc.constantFrom(...words),
      value: fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0, 1, 8, 0x7fffffff, 0xffffffff)),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
        const bytes = Buffer.from(whole);
        for (const { at, value } of mutations) bytes.writeUInt32BE(value, at);
        const outcome = await verify(bytes).catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(InvalidVideoError);
      }),
      { numRuns: 3000 },
    );
  });
});
