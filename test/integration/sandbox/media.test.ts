import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixture } from '../../helpers/media-fixtures.ts';
import { FIXTURES } from '../media/fixture-table.ts';
import { json, type SandboxUnderTest, start } from './sandbox-under-test.ts';

const REF = { model: 'seedance-2.0-reference-to-video', prompt: 'p', duration: 4, quality: '480p' };
/** What a client that lies says of whatever it sends. */
const CLAIMED = {
  image: ['a.png', 'image/png'],
  video: ['a.mp4', 'video/mp4'],
  audio: ['a.mp3', 'audio/mpeg'],
};

async function send(sandbox: SandboxUnderTest, name: string, kind: keyof typeof CLAIMED): Promise<string> {
  const answer = await json(await sandbox.upload(readFileSync(fixture(name)), ...CLAIMED[kind]));
  return answer.data?.file_url;
}

/** Where the server sees less than the client: what breaks off at the end of an MP3 still plays. */
const SEEN_BY_CLIENT_ONLY = ['truncated.mp3', 'truncated-mp4-faststart.mp4', 'truncated.wav'];

it.each(FIXTURES.filter(({ name }) => !SEEN_BY_CLIENT_ONLY.includes(name)))(
  'media that lie about themselves: $name as $kind: $verdict by the server too, from the bytes',
  async ({ name, kind, verdict }) => {
    const sandbox = await start();
    const picture = await send(sandbox, 'png.png', 'image');
    const url = await send(sandbox, name, kind);
    if (url === undefined) return expect(verdict).toEqual(['whole']);
    const response = await sandbox.submit({ ...REF, image_urls: [picture], [`${kind}_urls`]: [url] });
    expect(response.status).toBe(typeof verdict === 'string' ? 200 : 400);
    if (response.status === 400) expect((await json(response)).error.param).toBe(`${kind}_urls.0`);
  },
);

describe('the media of a request', () => {
  it('are handed to the video maker: own files with their pictures, others by name alone', async () => {
    const sandbox = await start();
    const first = await send(sandbox, 'jpeg.jpg', 'image');
    const model = 'seedance-2.0-image-to-video';
    await sandbox.finish({ model, prompt: 'p', image_urls: [first, 'https://example.com/b.png'] });
    expect(sandbox.specs[0]?.sources).toEqual([
      { label: 'image 1', note: 'a.png', role: 'first', picturePath: expect.any(String) },
      { label: 'image 2', note: 'example.com', role: 'last' },
    ]);
  });

  it('of ref tell what they are; only what can be shown has a place to be read from', async () => {
    const sandbox = await start();
    await sandbox.finish({
      ...REF,
      image_urls: [await send(sandbox, 'png.png', 'image')],
      video_urls: [await send(sandbox, 'mp4.mp4', 'video')],
      audio_urls: [await send(sandbox, 'wav.wav', 'audio')],
    });
    expect(sandbox.specs[0]?.sources).toEqual([
      { label: 'image 1', note: 'a.png', picturePath: expect.any(String) },
      { label: 'video 1', note: 'a.mp4' },
      { label: 'audio 1', note: 'a.mp3' },
    ]);
  });
});
