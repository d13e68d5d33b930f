import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny';
import { describe, expect, it } from 'vitest';
import type { VideoSpec } from '../../../src/sandbox/clip-store.ts';
import { drawScene } from '../../../src/sandbox/video/draw.ts';
import { makeVideo } from '../../../src/sandbox/video/make-video.ts';
import { fixture } from '../../helpers/media-fixtures.ts';

const specOf = (widthPx: number, heightPx: number, more: Partial<VideoSpec> = {}): VideoSpec => ({
  widthPx,
  heightPx,
  durationSeconds: 4,
  hasAudio: true,
  prompt: '초록빛 유리 개구리, a mdhd of green glass',
  ratio: '16:9',
  quality: '480p',
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
    audioSeconds: await audio?.computeDuration(),
    tags: await input.getMetadataTags(),
    packets,
  };
}

/** The type of the first picture slice in an access unit: 5 for an IDR picture, 1 for another. */
function sliceType(accessUnit: Uint8Array): number {
  const view = new DataView(accessUnit.buffer, accessUnit.byteOffset, accessUnit.byteLength);
  for (let at = 0; at < accessUnit.byteLength; at += 4 + view.getUint32(at)) {
    const type = view.getUint8(at + 4) & 31;
    if (type === 1 || type === 5) return type;
  }
  return 0;
}

describe('makeVideo', () => {
  it.each([
    [864, 496, 4, true],
    [752, 560, 5, false],
    [496, 864, 15, true],
    [1470, 630, 4, true],
    [4398, 1886, 1, false],
  ])('%i×%i, %i s, audio %s', async (widthPx, heightPx, durationSeconds, hasAudio) => {
    const file = await makeVideo(specOf(widthPx, heightPx, { durationSeconds, hasAudio }));
    const { packets, audioSeconds = durationSeconds, ...facts } = await inspect(file);
    expect(facts).toMatchObject({
      widthPx,
      heightPx,
      codec: 'avc',
      audioCodec: hasAudio ? 'aac' : undefined,
    });
    expect(Math.abs(facts.durationSeconds - durationSeconds)).toBeLessThan(0.05);
    expect(Math.abs(audioSeconds - durationSeconds)).toBeLessThan(0.1);
    expect(packets.length).toBe(24 * durationSeconds);
    const keys = packets.map(({ type, data }, index) => [
      type === 'key',
      sliceType(data) === 5,
      index % 24 === 0,
    ]);
    expect(keys.filter((each) => new Set(each).size > 1)).toEqual([]);
  });

  it('has the prompt as its title and says what it was made of', async () => {
    const sources = [{ label: 'image 1', note: '640×480' }];
    const { tags, durationSeconds } = await inspect(
      await makeVideo(specOf(320, 180, { sources, durationSeconds: 4.5 })),
    );
    expect(tags.title).toBe('초록빛 유리 개구리, a mdhd of green glass');
    expect(tags.comment).toContain(
      'seedance-2.0-text-to-video; 16:9 480p 4.5 s; image 1: 640×480; task-unified-',
    );
    expect(Math.abs(durationSeconds - 4.5)).toBeLessThan(0.05);
  });

  it('gives equal bytes for equal specs, even side by side, and other bytes for another prompt', async () => {
    const spec = specOf(320, 180);
    const specs = [spec, { ...spec }, { ...spec, prompt: 'another' }];
    const [first, second, other] = await Promise.all(specs.map(makeVideo));
    expect(first).toEqual(second);
    expect(first).not.toEqual(other);
  });

  it('shows the first and the last frame for a second each', async () => {
    const sources = (['first', 'last'] as const).map((role, index) => ({
      label: `image ${index + 1}`,
      note: '',
      role,
      picturePath: fixture(index === 0 ? 'jpeg.jpg' : 'exif-6.jpg'),
    }));
    const { packets } = await inspect(await makeVideo(specOf(320, 180, { hasAudio: false, sources })));
    const keys = packets
      .filter(({ type }) => type === 'key')
      .map(({ data }) => Buffer.from(data).toString('hex'));
    expect([keys.length, new Set(keys).size, keys[1] === keys[2]]).toEqual([4, 3, true]);
  });

  it('leaves what the process does with fatal errors as it was', async () => {
    const listeners = () => [process.listeners('uncaughtException'), process.listeners('unhandledRejection')];
    const before = listeners();
    await makeVideo(specOf(320, 180));
    expect(listeners()).toEqual(before);
    expect(before.flat().map(String).join()).not.toContain('WebAssembly');
  });
});

describe('drawScene', () => {
  const SIZE = { widthPx: 400, heightPx: 300 };

  /** The fixtures have an orange square near their upper left corner on blue; this says in which corner it is seen. */
  const cornerOf = (pixels: Uint8Array): string => {
    const redAt = (x: number, y: number) => pixels[400 * 300 * 1.25 + (300 * y * 200) / 2 + 200 * x] ?? 0;
    const corners = {
      'upper left': [0.2, 0.2],
      'upper right': [0.8, 0.2],
      'lower left': [0.2, 0.8],
    } as const;
    const found = Object.entries(corners).find(([, [x, y]]) => redAt(x, y) > 140);
    return found?.[0] ?? (redAt(0.8, 0.8) > 140 ? 'lower right' : 'nowhere');
  };

  it.each([
    ['png.png', 'upper left'],
    ['webp-lossy.webp', 'upper left'],
    ['exif-3.jpg', 'lower right'],
    ['exif-6.jpg', 'upper right'],
    ['exif-8.jpg', 'lower left'],
  ])('%s is seen the right way up', async (name, corner) => {
    const source = { label: 'image 1', note: '', role: 'first', picturePath: fixture(name) } as const;
    const { stills } = await drawScene(SIZE, '', [source]);
    expect(cornerOf(stills.first ?? new Uint8Array())).toBe(corner);
  });

  it.each(['truncated.png', 'bomb.png', 'text.png', 'mp4.mp4', 'missing.png'])(
    'a pattern stands for %s',
    async (name) => {
      const source = { label: 'image 1', note: '', role: 'first' } as const;
      const scenes = [{ ...source, picturePath: fixture(name) }, source].map((each) =>
        drawScene(SIZE, '', [each]),
      );
      const [broken, absent] = await Promise.all(scenes);
      expect(broken?.stills.first).toBeUndefined();
      expect(broken?.drawLoop(0)).toEqual(absent?.drawLoop(0));
    },
  );
});
