import { readdirSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createFilesClient } from '../../../src/api/files.ts';
import { hashFile } from '../../../src/download/target.ts';
import type { EvolinkError } from '../../../src/errors.ts';
import {
  createUploadCache,
  type LocalMedia,
  type UploadProgress,
  uploadFile,
} from '../../../src/media/upload.ts';
import { CANARY_KEY, makeHttp } from '../../helpers/api-client.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { fixture } from '../../helpers/media-fixtures.ts';
import { serve } from '../../helpers/serve.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';
import { json, start } from '../sandbox/sandbox-under-test.ts';

const HOUR_MS = 3_600_000;

/** Answers every request as told, after having read all of it. */
async function answering(
  answers: readonly { status?: number; headers?: Record<string, string>; body: unknown }[],
) {
  const requests: { method: string; url: string; headers: NodeJS.Dict<string | string[]>; bytes: number }[] =
    [];
  const url = await serve((request, response) => {
    const seen = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, bytes: 0 };
    requests.push(seen);
    const answer = answers[Math.min(requests.length, answers.length) - 1];
    request.on('data', (chunk: Buffer) => {
      seen.bytes += chunk.length;
    });
    request.on('end', () => {
      response.writeHead(answer?.status ?? 200, { 'content-type': 'application/json', ...answer?.headers });
      response.end(typeof answer?.body === 'string' ? answer.body : JSON.stringify(answer?.body));
    });
  });
  return { url, requests };
}

let stateFolder: string;
beforeEach(async () => {
  stateFolder = await tempFolder();
});

function depsOf(url: string, { clock = createFakeClock({ autoAdvance: true }), apiKey = CANARY_KEY } = {}) {
  const http = makeHttp();
  const files = createFilesClient({ http, baseUrl: url, apiKey, clock });
  const owner = { pid: process.pid, host: 'test' };
  const cache = createUploadCache(join(stateFolder, 'uploads', files.accountId), clock, owner);
  return { files, cache, clock, isThere: async () => true };
}

async function hashed(name: string): Promise<LocalMedia> {
  const path = fixture(name);
  const { size } = await stat(path);
  const type = { mimeType: 'image/png', extension: '.png' };
  return { name, path, sha256: await hashFile(path), sizeBytes: size, ...type };
}

async function send(deps: ReturnType<typeof depsOf>, file: LocalMedia) {
  const events: UploadProgress[] = [];
  const upload = await uploadFile(deps, file, (event) => events.push(event));
  return { upload, events, kinds: events.map(({ kind }) => kind) };
}

const STORED = {
  success: true,
  code: 200,
  msg: 'ok',
  data: { file_id: 'f1', file_url: 'http://127.0.0.1:9/f1.png' },
};

describe('an upload', () => {
  it('arrives whole under a plain name and the type of its bytes; what is kept of it holds no key', async () => {
    const sandbox = await start();
    const deps = depsOf(sandbox.filesUrl, { clock: sandbox.clock });
    const { upload, events } = await send(deps, await hashed("a picture's name $(x) 그림.png"));
    const served = Buffer.from(await (await fetch(upload.fileUrl)).arrayBuffer());
    expect(served.equals(await readFile(fixture("a picture's name $(x) 그림.png")))).toBe(true);
    const { files } = (await json(await sandbox.get('/api/v1/files/list'))).data;
    expect(files).toMatchObject([{ original_name: 'a-picture-s-name-x.png', mime_type: 'image/png' }]);
    expect(events.at(-1)).toMatchObject({ kind: 'uploaded', isReused: false, url: upload.fileUrl });
    const whole = { sentBytes: served.length, totalBytes: served.length };
    expect(events).toContainEqual({ kind: 'upload-bytes', ...whole });
    const [path = ''] = readdirSync(stateFolder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.json'),
    );
    const kept = join(stateFolder, path);
    expect((await stat(kept)).mode & 0o777).toBe(0o600);
    expect(kept + (await readFile(kept, 'utf8'))).not.toContain(CANARY_KEY);
  });

  it('is repeated where that may help, and each try sends all of the file', async () => {
    const { url, requests } = await answering([
      { status: 503, body: { error: { code: 'service_unavailable', message: 'later' } } },
      { status: 200, body: { success: false, code: 500, msg: 'storage is busy' } },
      { status: 429, headers: { 'retry-after': '3' }, body: { success: false, code: 429, msg: 'slow down' } },
      { body: STORED },
    ]);
    const deps = depsOf(url);
    const { kinds, events } = await send(deps, await hashed('png.png'));
    expect(kinds.filter((kind) => kind === 'upload-retry')).toHaveLength(3);
    expect(new Set(requests.map(({ bytes }) => bytes)).size).toBe(1);
    const waits = events.flatMap((event) => (event.kind === 'upload-retry' ? [event.delayMs] : []));
    expect(waits[2]).toBeGreaterThanOrEqual(3_000);
  });

  const files = (code: number, msg: string) => ({ success: false, code, msg });
  const api = (code: string, message: string) => ({ error: { code, message } });
  const data = (content: object) => ({ success: true, data: content });
  it.each<[string, number, object, string, string]>([
    ['the files envelope with status 200', 200, files(400, 'only images'), 'usage', 'only images'],
    ['the error object', 400, api('invalid_parameter', 'only images'), 'usage', 'only images'],
    ['a file too large', 413, files(413, 'File size exceeds'), 'usage', 'too large'],
    ['a wrong key', 401, files(401, 'Invalid token'), 'auth', 'API key'],
    ['no address in a success', 200, data({ file_id: 'x' }), 'network', 'names no address'],
    ['a strange address', 200, data({ file_url: 'file:///etc/passwd' }), 'network', 'names no address'],
  ])(
    'refused by %s ends at once, names the file, and shows no key',
    async (_what, status, body, kind, text) => {
      const { url, requests } = await answering([{ status, body }]);
      const sending = send(depsOf(url), await hashed('png.png'));
      const failure: EvolinkError = await sending.catch((error) => error);
      expect(failure.kind).toBe(kind);
      expect(failure.message).toContain(text);
      expect(failure.message).toContain('png.png');
      expect(failure.message).toContain('nothing was submitted');
      expect(JSON.stringify(failure) + failure.message + failure.stack).not.toContain(CANARY_KEY);
      expect(requests.filter(({ url: path }) => path.endsWith('/upload/stream'))).toHaveLength(1);
    },
  );

  it('refused for want of room says how much there is, and what makes room', async () => {
    const { url } = await answering([
      { status: 403, body: { success: false, code: 403, msg: 'File quota exceeded' } },
      { body: { success: true, data: { used_files: 500, max_files: 500, remain_files: 0 } } },
    ]);
    const details = ['files of this account: 500 of 500 in use, room for 0'];
    const hint = expect.stringContaining('evolink upload --delete');
    const failure = { kind: 'usage', facts: { details, hint } };
    await expect(send(depsOf(url), await hashed('png.png'))).rejects.toMatchObject(failure);
  });

  it('of a file that changed since it was looked at is never finished', async () => {
    const { url, requests } = await answering([{ body: STORED }]);
    const path = join(await tempFolder(), 'a.png');
    await writeFile(path, 'AAAA');
    const file = { ...(await hashed('png.png')), path, sizeBytes: 4, sha256: await hashFile(path) };
    await writeFile(path, 'BBBB');
    await expect(send(depsOf(url), file)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('changed while'),
    });
    expect(requests.every(({ bytes }) => bytes < 200)).toBe(true);
  });
});

describe('the memory of uploads', () => {
  it.each([
    ['69 h later: still', 69, 1],
    ['71 h later: no more, as a task may wait', 71, 2],
  ])('counts on an upload %s', async (_when, hours, uploads) => {
    const sandbox = await start();
    const deps = depsOf(sandbox.filesUrl, { clock: sandbox.clock });
    await send(deps, await hashed('png.png'));
    sandbox.clock.setNow(sandbox.clock.now() + hours * HOUR_MS);
    await send(deps, await hashed('png.png'));
    const ledger = sandbox.ledger.requests().filter(({ path }) => path.includes('upload/stream'));
    expect(ledger).toHaveLength(uploads);
  });

  it('is not used for another key', async () => {
    const { url, requests } = await answering([{ body: STORED }]);
    await send(depsOf(url), await hashed('png.png'));
    await send(depsOf(url, { apiKey: 'sk-other-0123456789' }), await hashed('png.png'));
    expect(requests).toHaveLength(2);
  });
});
