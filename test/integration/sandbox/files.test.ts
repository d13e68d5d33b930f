import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import { fixture } from '../../helpers/media-fixtures.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';
import { json, type SandboxUnderTest, start } from './sandbox-under-test.ts';

const PICTURE = Uint8Array.from({ length: 300_000 }, (_, index) => index % 256);
const REF = { model: 'seedance-2.0-reference-to-video', prompt: 'p' };
const HOUR_MS = 3_600_000;
const list = async (sandbox: SandboxUnderTest, query = '') =>
  (await sandbox.read(`/api/v1/files/list${query}`)).data;

describe('uploads', () => {
  it('answers the documented envelope and serves the bytes for 72 h', async () => {
    const sandbox = await start();
    const answer = await json(await sandbox.upload(PICTURE));
    const nowMs = sandbox.clock.now();
    expect(answer).toMatchObject({
      ...{ success: true, code: 200, msg: 'File uploaded successfully' },
      data: {
        file_name: `${answer.data.file_id}.png`,
        original_name: '그림 1.png',
        file_size: 300_000,
        mime_type: 'image/png',
        expires_at: new Date(nowMs + 72 * HOUR_MS).toISOString(),
      },
    });
    const served = await fetch(answer.data.file_url);
    expect(served.headers.get('content-type')).toBe('image/png');
    expect(Buffer.from(await served.arrayBuffer()).equals(PICTURE)).toBe(true);
    sandbox.advanceClock(72 * HOUR_MS);
    expect((await fetch(answer.data.file_url)).status).toBe(404);
  });

  it('lists, counts and deletes', async () => {
    const sandbox = await start();
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1)
      ids.unshift((await json(await sandbox.upload(PICTURE))).data.file_id);
    const { files } = await list(sandbox, '?page=1&pageSize=2');
    expect(files).toMatchObject(ids.slice(0, 2).map((file_id) => ({ file_id })));
    const remove = async () => json(await sandbox.call('DELETE', `/api/v1/files/${ids[0]}`, {}));
    expect(await remove()).toMatchObject({ success: true, code: 200 });
    expect(await remove()).toEqual({ success: false, code: 404, msg: 'File not found' });
    const quota = await sandbox.read('/api/v1/files/quota');
    expect(quota.data).toMatchObject({ used_files: 2, remain_files: 498 });
  });

  it.each([
    ['an empty file', 0, 'a.png', 'image/png', 'file'],
    ['another type', 9, 'a.gif', 'image/gif', 'file'],
    ['another field', 9, 'a.png', 'image/png', 'files'],
  ])('refuses %s', async (_, sizeBytes, name, type, field) => {
    const sandbox = await start();
    const response = await sandbox.upload(new Uint8Array(sizeBytes), name, type, field);
    expect(response.status).toBe(400);
    expect(await json(response)).toMatchObject({ success: false, code: 400 });
    expect((await list(sandbox)).total).toBe(0);
  });

  it.each([
    ['no multipart', 'application/json', 'Bearer k', 400],
    ['a broken one', 'multipart/form-data; boundary=x', 'Bearer k', 400],
    ['no key', 'application/json', '', 401],
  ])('refuses %s in its own envelope', async (_, type, authorization, status) => {
    const { call } = await start();
    const headers = { 'content-type': type, authorization };
    const response = await call('POST', '/api/v1/files/upload/stream', headers, '--x\r\n');
    expect([response.status, (await json(response)).success]).toEqual([status, false]);
  });

  it('leaves nothing behind, but for a state folder', async () => {
    const folder = await tempFolder();
    vi.stubEnv('TMPDIR', folder);
    const sandbox = await start();
    await sandbox.upload(PICTURE);
    expect(await readdir(folder)).toHaveLength(1);
    await sandbox.close();
    expect(await readdir(folder)).toEqual([]);
    vi.unstubAllEnvs();

    const stateFolder = await tempFolder();
    const first = await start({ stateFolder });
    const { file_id } = (await json(await first.upload(PICTURE))).data;
    await first.close();
    expect((await list(await start({ stateFolder }))).files).toMatchObject([{ file_id }]);
  });
});

describe('uploads in a request', () => {
  /** Status, and the field that is wrong. */
  const submit = async (sandbox: SandboxUnderTest, media: object) => {
    const response = await sandbox.submit({ ...REF, ...media });
    return [response.status, (await json(response)).error?.param];
  };

  it('work where they fit, alone and together', async () => {
    const sandbox = await start();
    const send = async (name: string, type: string) =>
      (await json(await sandbox.upload(readFileSync(fixture(name)), name, type))).data.file_url;
    const image = await send('png.png', 'image/png');
    const audio = await send('seconds-15.wav', 'application/octet-stream');
    const good = { image_urls: [image], audio_urls: [audio] };
    expect(await submit(sandbox, good)).toEqual([200, undefined]);
    expect(await submit(sandbox, { image_urls: [audio] })).toEqual([400, 'image_urls.0']);
    expect(await submit(sandbox, { ...good, audio_urls: [audio, audio] })).toEqual([400, 'audio_urls']);
  });

  it('may be a result link of this server, whose length it knows', async () => {
    const sandbox = await start();
    const model = 'seedance-2.0-mini-text-to-video';
    const { link } = await sandbox.finish({ model, prompt: 'p', duration: 12 });
    const body = { ...REF, video_urls: [link], duration: 4 };
    expect((await json(await sandbox.submit(body))).usage.credits_reserved).toBe(131.544);
    sandbox.advanceClock(25 * HOUR_MS);
    expect((await sandbox.submit(body)).status).toBe(400);
  });
});
