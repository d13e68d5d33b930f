import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { fixture } from '../../helpers/media-fixtures.ts';
import { FIXTURES } from '../media/fixture-table.ts';
import { closeAll, json, start } from './sandbox-under-test.ts';

afterEach(closeAll);

const REF = { model: 'seedance-2.0-reference-to-video', prompt: 'p', duration: 4, quality: '480p' };
/** What a client that lies says of whatever it sends. */
const CLAIMED = {
  image: ['a.png', 'image/png', 'image_urls'],
  video: ['a.mp4', 'video/mp4', 'video_urls'],
  audio: ['a.mp3', 'audio/mpeg', 'audio_urls'],
} as const;

async function uploadAs(
  sandbox: Awaited<ReturnType<typeof start>>,
  path: string,
  [name, type]: readonly [string, string, string],
): Promise<string | undefined> {
  const form = new FormData();
  form.set('file', new Blob([Uint8Array.from(readFileSync(path))], { type }), name);
  const response = await fetch(`${sandbox.filesUrl}/api/v1/files/upload/stream`, {
    method: 'POST',
    headers: { authorization: 'Bearer k' },
    body: form,
  });
  return (await json(response)).data?.file_url;
}

describe('media that lie about themselves', () => {
  /** Where the server sees less than the client: what breaks off at the end of an MP3 still plays. */
  const SEEN_BY_CLIENT_ONLY = ['truncated.mp3', 'truncated-mp4-faststart.mp4', 'truncated.wav'];

  it.each(FIXTURES.filter(({ name }) => !SEEN_BY_CLIENT_ONLY.includes(name)))(
    '$name as $kind: $verdict by the server too, from the bytes',
    async ({ name, kind, verdict }) => {
      const sandbox = await start();
      const picture = await uploadAs(sandbox, fixture('png.png'), CLAIMED.image);
      const url = await uploadAs(sandbox, fixture(name), CLAIMED[kind]);
      if (url === undefined) return expect(verdict).toEqual(['whole']);
      const field = CLAIMED[kind][2];
      const response = await sandbox.submit({ ...REF, image_urls: [picture], [field]: [url] });
      expect(response.status).toBe(typeof verdict === 'string' ? 200 : 400);
      if (response.status === 400) expect((await json(response)).error.param).toBe(`${field}.0`);
    },
  );
});

describe('the media of a request', () => {
  it('are handed to the video maker: own files with their pictures, others by name alone', async () => {
    const sandbox = await start();
    const first = await uploadAs(sandbox, fixture('jpeg.jpg'), CLAIMED.image);
    const body = {
      model: 'seedance-2.0-image-to-video',
      prompt: 'p',
      image_urls: [first, 'https://example.com/b.png'],
    };
    await sandbox.finish(body);
    expect(sandbox.specs[0]?.sources).toEqual([
      { label: 'image 1', note: '640×480', role: 'first', picturePath: expect.any(String) },
      { label: 'image 2', note: 'example.com', role: 'last' },
    ]);
  });

  it('of ref tell what they are', async () => {
    const sandbox = await start();
    const image = await uploadAs(sandbox, fixture('png.png'), CLAIMED.image);
    const video = await uploadAs(sandbox, fixture('mp4.mp4'), CLAIMED.video);
    const audio = await uploadAs(sandbox, fixture('wav.wav'), ['a.wav', 'audio/wav', '']);
    await sandbox.finish({ ...REF, image_urls: [image], video_urls: [video], audio_urls: [audio] });
    expect(sandbox.specs[0]?.sources?.map(({ label, note }) => [label, note])).toEqual([
      ['image 1', '640×480'],
      ['video 1', '720×576 2.5 s'],
      ['audio 1', '2.5 s'],
    ]);
    // Only what can be shown has a place to be read from.
    expect(sandbox.specs[0]?.sources?.map(({ picturePath }) => typeof picturePath)).toEqual([
      'string',
      'undefined',
      'undefined',
    ]);
  });
});
