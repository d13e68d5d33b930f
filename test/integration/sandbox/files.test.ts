import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fixture } from '../../helpers/media-fixtures.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';
import { closeAll, json, start } from './sandbox-under-test.ts';

afterEach(closeAll);

type Running = Awaited<ReturnType<typeof start>>;

async function upload(
  sandbox: Running,
  bytes: Uint8Array<ArrayBuffer>,
  { name = '그림 1.png', type = 'image/png', field = 'file' } = {},
): Promise<Response> {
  const form = new FormData();
  form.set(field, new Blob([bytes], { type }), name);
  return call(sandbox, 'POST', 'upload/stream', form);
}

const call = ({ filesUrl }: Running, method: string, path: string, body: FormData | null = null) =>
  fetch(`${filesUrl}/api/v1/files/${path}`, { method, headers: { authorization: 'Bearer k' }, body });

const PICTURE = Uint8Array.from({ length: 300_000 }, (_, index) => index % 256);
const bytesOf = (name: string): Uint8Array<ArrayBuffer> => Uint8Array.from(readFileSync(fixture(name)));
const REF = { model: 'seedance-2.0-reference-to-video', prompt: 'p' };

describe('uploads', () => {
  it('answers the documented envelope and serves the bytes for 72 h', async () => {
    const sandbox = await start();
    const answer = await json(await upload(sandbox, PICTURE));
    expect(answer).toEqual({
      success: true,
      code: 200,
      msg: 'File uploaded successfully',
      data: {
        file_id: expect.stringMatching(/^file_\w{16}$/),
        file_name: `${answer.data.file_id}.png`,
        original_name: '그림 1.png',
        file_size: 300_000,
        mime_type: 'image/png',
        upload_path: 'uploads',
        file_url: expect.stringContaining(`${sandbox.linkUrl}/f/`),
        download_url: expect.any(String),
        upload_time: new Date(sandbox.clock.now()).toISOString(),
        expires_at: new Date(sandbox.clock.now() + 72 * 3_600_000).toISOString(),
      },
    });
    const served = await fetch(answer.data.file_url);
    expect(served.headers.get('content-type')).toBe('image/png');
    const hash = createHash('sha256')
      .update(new Uint8Array(await served.arrayBuffer()))
      .digest('hex');
    expect(hash).toBe(createHash('sha256').update(PICTURE).digest('hex'));
    sandbox.advanceClock(72 * 3_600_000);
    expect((await fetch(answer.data.file_url)).status).toBe(404);
  });

  it('lists, counts and deletes', async () => {
    const sandbox = await start();
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1)
      ids.unshift((await json(await upload(sandbox, PICTURE))).data.file_id);
    const list = (await json(await sandbox.get('/api/v1/files/list?page=1&pageSize=2'))).data;
    expect(list.files.map((file: { file_id: string }) => file.file_id)).toEqual(ids.slice(0, 2));
    const remove = () => call(sandbox, 'DELETE', `${ids[0]}`);
    expect(await json(await remove())).toMatchObject({ success: true, code: 200 });
    expect(await json(await remove())).toEqual({ success: false, code: 404, msg: 'File not found' });
    expect((await json(await sandbox.get('/api/v1/files/quota'))).data).toMatchObject({
      used_files: 2,
      remain_files: 498,
    });
  });

  it.each([
    ['an empty file', { bytes: 0 }, 400],
    ['another type', { bytes: 9, name: 'a.gif', type: 'image/gif' }, 400],
    ['another field', { bytes: 9, field: 'files' }, 400],
  ])('refuses %s', async (_, { bytes, ...options }, status) => {
    const sandbox = await start();
    const response = await upload(sandbox, new Uint8Array(bytes), options);
    expect([response.status, await json(response)]).toMatchObject([status, { success: false, code: status }]);
    expect((await json(await sandbox.get('/api/v1/files/list'))).data.total).toBe(0);
  });

  it.each([
    ['no multipart', 'application/json', '{}', 400],
    ['a broken one', 'multipart/form-data; boundary=x', '--x\r\n', 400],
    ['no key', 'application/json', '{}', 401],
  ])('refuses %s in its own envelope', async (_, type, body, status) => {
    const { filesUrl } = await start();
    const headers = { 'content-type': type, ...(status === 400 && { authorization: 'Bearer k' }) };
    const response = await fetch(`${filesUrl}/api/v1/files/upload/stream`, { method: 'POST', headers, body });
    expect([response.status, (await json(response)).success]).toEqual([status, false]);
  });

  it('leaves nothing behind, but for a state folder', async () => {
    const folder = await tempFolder();
    vi.stubEnv('TMPDIR', folder);
    const sandbox = await start();
    await upload(sandbox, PICTURE);
    expect(await readdir(folder)).toHaveLength(1);
    await sandbox.close();
    expect(await readdir(folder)).toEqual([]);
    vi.unstubAllEnvs();

    const stateFolder = await tempFolder();
    const first = await start({ stateFolder });
    const { data } = await json(await upload(first, PICTURE));
    await first.close();
    const second = await start({ stateFolder });
    expect((await json(await second.get('/api/v1/files/list'))).data.files).toMatchObject([
      { file_id: data.file_id },
    ]);
  });
});

describe('uploads in a request', () => {
  it('work where they fit, alone and together', async () => {
    const sandbox = await start();
    const image = (await json(await upload(sandbox, bytesOf('png.png')))).data.file_url;
    const sound = { name: 'a.wav', type: 'audio/wav' };
    const audio = (await json(await upload(sandbox, bytesOf('seconds-15.wav'), sound))).data.file_url;
    expect((await sandbox.submit({ ...REF, image_urls: [image], audio_urls: [audio] })).status).toBe(200);
    const wrong = await sandbox.submit({ ...REF, image_urls: [audio] });
    expect([wrong.status, (await json(wrong)).error.param]).toEqual([400, 'image_urls.0']);
    const long = await sandbox.submit({ ...REF, image_urls: [image], audio_urls: [audio, audio] });
    expect([long.status, (await json(long)).error.param]).toEqual([400, 'audio_urls']);
  });

  it('may be a result link of this server, whose length it knows', async () => {
    const sandbox = await start();
    const { link } = await sandbox.finish({
      model: 'seedance-2.0-mini-text-to-video',
      prompt: 'p',
      duration: 12,
    });
    const body = { ...REF, video_urls: [link], duration: 4 };
    expect((await json(await sandbox.submit(body))).usage.credits_reserved).toBe(131.544);
    sandbox.advanceClock(25 * 3_600_000);
    expect((await sandbox.submit(body)).status).toBe(400);
  });

  it('are gone after deletion', async () => {
    const sandbox = await start();
    const response = await sandbox.submit({ ...REF, image_urls: [`${sandbox.linkUrl}/f/file_0/x.png`] });
    expect([response.status, (await json(response)).error.param]).toEqual([400, 'image_urls.0']);
  });
});
