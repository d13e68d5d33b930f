import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny';
import { describe, expect, it } from 'vitest';
import type { VideoSpec } from '../../../src/sandbox/clip-store.ts';
import { makeVideo } from '../../../src/sandbox/video/make-video.ts';

const specOf = (widthPx: number, heightPx: number, more: Partial<VideoSpec> = {}): VideoSpec => ({
  widthPx,
  heightPx,
  durationSeconds: 4,
  hasAudio: true,
  prompt: '초록빛 유리 개구리, a green glass frog',
  ratio: '16:9',
  quality: '480p',
  operation: 'text-to-video',
  model: 'seedance-2.0-text-to-video',
  taskId: 'task-unified-1757156493-imcg5zqt',
  ...more,
});

/** What a player learns from the file. */
async function inspect(file: Uint8Array) {
  const input = new Input({ source: new BufferSource(file), formats: ALL_FORMATS });
  const video = await input.getPrimaryVideoTrack();
  const audio = await input.getPrimaryAudioTrack();
  if (!video) throw new Error('no video track');
  const packets = [];
  for await (const packet of new EncodedPacketSink(video).packets()) packets.push(packet);
  return {
    durationSeconds: await input.computeDuration(),
    widthPx: await video.getCodedWidth(),
    heightPx: await video.getCodedHeight(),
    codec: await video.getCodec(),
    audioCodec: audio ? await audio.getCodec() : undefined,
    audioDurationSeconds: await audio?.computeDuration(),
    packets,
  };
}

const boxTypes = (file: Uint8Array): string[] => {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const types: string[] = [];
  for (let at = 0; at < file.byteLength; at += view.getUint32(at)) {
    types.push(new TextDecoder().decode(file.subarray(at + 4, at + 8)));
  }
  return types;
};

/** The type of the first picture slice in an access unit: 5 for an IDR picture, 1 for another. */
const sliceType = (accessUnit: Uint8Array): number => {
  const view = new DataView(accessUnit.buffer, accessUnit.byteOffset, accessUnit.byteLength);
  for (let at = 0; at < accessUnit.byteLength; at += 4 + view.getUint32(at)) {
    const type = view.getUint8(at + 4) & 31;
    if (type === 1 || type === 5) return type;
  }
  return 0;
};

describe('makeVideo', () => {
  it.each([
    [864, 496, 4, true],
    [752, 560, 5, false],
    [640, 640, 6, true],
    [560, 752, 4, false],
    [496, 864, 15, true],
    [992, 432, 4, true],
    [1112, 834, 4, false],
    [1470, 630, 4, true],
    [2206, 946, 4, false],
    [4398, 1886, 1, false],
  ])(
    '%i×%i, %i s, audio %s',
    async (widthPx, heightPx, durationSeconds, hasAudio) => {
      const file = await makeVideo(specOf(widthPx, heightPx, { durationSeconds, hasAudio }));
      const { packets, audioDurationSeconds, ...rest } = await inspect(file);
      expect(rest).toMatchObject({
        widthPx,
        heightPx,
        codec: 'avc',
        audioCodec: hasAudio ? 'aac' : undefined,
      });
      expect(Math.abs(rest.durationSeconds - durationSeconds)).toBeLessThan(0.05);
      if (hasAudio) expect(Math.abs((audioDurationSeconds ?? 0) - durationSeconds)).toBeLessThan(0.1);
      expect(packets.length).toBe(24 * durationSeconds);
      const keyFrames = packets.flatMap((packet, index) => (packet.type === 'key' ? [index] : []));
      expect(keyFrames).toEqual(Array.from({ length: durationSeconds }, (_, second) => 24 * second));
      expect(packets.map(({ data }) => sliceType(data))).toEqual(
        packets.map((_, index) => (index % 24 === 0 ? 5 : 1)),
      );
      expect(boxTypes(file)).toEqual(['ftyp', 'moov', 'mdat']);
    },
    60_000,
  );

  it('takes a length that is not whole seconds', async () => {
    const { durationSeconds } = await inspect(await makeVideo(specOf(320, 180, { durationSeconds: 4.5 })));
    expect(Math.abs(durationSeconds - 4.5)).toBeLessThan(0.05);
  });

  it('gives equal bytes for equal specs, even side by side, and other bytes for another prompt', async () => {
    const spec = specOf(320, 180);
    const [first, second, other] = await Promise.all([
      makeVideo(spec),
      makeVideo({ ...spec }),
      makeVideo({ ...spec, prompt: 'another' }),
    ]);
    expect(Buffer.compare(first, second)).toBe(0);
    expect(Buffer.compare(first, other)).not.toBe(0);
  });

  it('does not carry the time when it was made', async () => {
    const file = Buffer.from(await makeVideo(specOf(320, 180)));
    for (const type of ['mvhd', 'tkhd', 'mdhd']) {
      const at = file.indexOf(type);
      expect(file.readUInt32BE(at + 8), type).toBe(0);
      expect(file.readUInt32BE(at + 12), type).toBe(0);
    }
  });

  it('changes the picture from frame to frame, and returns to the same frames each second', async () => {
    const { packets } = await inspect(await makeVideo(specOf(320, 180, { hasAudio: false })));
    const bytes = packets.map(({ data }) => Buffer.from(data).toString('base64'));
    expect(new Set(bytes.slice(1, 24)).size).toBe(23);
    expect(bytes.slice(25, 48)).toEqual(bytes.slice(1, 24));
    expect(bytes[24]).not.toBe(bytes[0]);
  });

  it('refuses what an encoder cannot hold, and works on after that', async () => {
    await expect(makeVideo(specOf(321, 180))).rejects.toThrow('even numbers of pixels: 321×180');
    await expect(makeVideo(specOf(320, 180, { durationSeconds: 0 }))).rejects.toThrow(
      'duration must be above 0',
    );
    expect((await makeVideo(specOf(320, 180))).byteLength).toBeGreaterThan(1000);
  });

  it('leaves what the process does with fatal errors as it was', async () => {
    const before = [process.listeners('uncaughtException'), process.listeners('unhandledRejection')];
    await makeVideo(specOf(320, 180));
    expect([process.listeners('uncaughtException'), process.listeners('unhandledRejection')]).toEqual(before);
    expect(before.flat().map(String).join()).not.toContain('WebAssembly');
  });
});
