import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { type CliHome, createCliHome, type RunningCli } from '../helpers/spawn-cli.ts';

const KEY = 'Bearer sandbox-key-0001';
const UPLOAD = '/api/v1/files/upload/stream';
const MAX_MEMORY_KILOBYTES = 300 * 1024;
const MODEL = 'seedance-2.0-reference-to-video';
const REFERENCE = { model: MODEL, prompt: 'a boat', duration: 4, quality: '480p' };

let home: CliHome;
let running: RunningCli;
let api: URL;
let links: URL;

beforeAll(async () => {
  home = createCliHome();
  running = home.start(['sandbox', '--port', '0', '--json'], { env: { TMPDIR: home.folder } });
  let said = '';
  running.child.stdout.on('data', (chunk) => (said += chunk));
  await running.sees(/"link_url"[^}]*\}/);
  const document = JSON.parse(said);
  api = new URL(document.api_url);
  links = new URL(document.link_url);
});

afterAll(async () => {
  running.child.kill('SIGTERM');
  // Ended by the signal itself, which is 143 in a shell.
  expect([null, 143]).toContain((await running.done).code);
  home.remove();
});

/** One request as written, and the status of its answer. */
function ask(to: URL, target: string, host = to.host, method = 'GET'): Promise<number> {
  const key = to === api ? `authorization: ${KEY}\r\n` : '';
  return new Promise((resolve, reject) => {
    const socket = connect(Number(to.port), to.hostname);
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1])));
    socket.write(`${method} ${target} HTTP/1.1\r\nhost: ${host}\r\n${key}connection: close\r\n\r\n`);
  });
}

// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the server says.
async function readJson(path: string, init: RequestInit = {}): Promise<{ status: number; body: any }> {
  const headers = { authorization: KEY, ...init.headers };
  const response = await fetch(new URL(path, api), { ...init, headers });
  return { status: response.status, body: await response.json() };
}

async function upload(bytes: Uint8Array, name: string, type: string): Promise<string> {
  const form = new FormData();
  form.set('file', new Blob([Uint8Array.from(bytes)], { type }), name);
  return (await readJson(UPLOAD, { method: 'POST', body: form })).body.data.file_url;
}

const SUBMIT = '/v1/videos/generations';
const asJson = { method: 'POST', headers: { 'content-type': 'application/json' } };
const submit = (body: unknown) => readJson(SUBMIT, { ...asJson, body: JSON.stringify(body) });

describe('a web page that gave its own name the address of this machine', () => {
  const STRANGERS = ['evil.example', '192.168.1.7', '169.254.169.254', 'localhost.evil.example', ''];
  it.each(STRANGERS)('gets nothing as "%s"', async (name) => {
    const as = (server: URL) => ask(server, '/v1/credits', `${name}:${server.port}`);
    expect(await Promise.all([as(api), as(links)])).toEqual([403, 403]);
  });

  it('cannot add faults, read the ledger or submit', async () => {
    const host = `evil.example:${api.port}`;
    expect(await ask(api, '/__sandbox/ledger', host)).toBe(403);
    for (const target of ['/__sandbox/faults', SUBMIT])
      expect(await ask(api, target, host, 'POST')).toBe(403);
    expect((await readJson('/__sandbox/ledger')).body.charges).toEqual([]);
  });

  it.each(['localhost', '127.0.0.1', '127.0.0.2', '[::1]', 'LOCALHOST'])('is not "%s"', async (name) => {
    expect(await ask(api, '/v1/credits', `${name}:${api.port}`)).toBe(200);
  });
});

describe('odd URLs', () => {
  const TARGETS = '// //evil.example/v1/credits http://[::1 http://127.0.0.1/v1/credits /v1/tasks/%zz /% *';
  it.each(TARGETS.split(' '))('%s is refused by both servers', async (target) => {
    expect(await Promise.all([ask(api, target), ask(links, target)])).toEqual([400, 400]);
  });

  const URLS = ['http://a b/x.png', 'http://[::1', 'https://', 'x'.repeat(300_000)];
  it.each(URLS)('in a request: %.20s', async (url) => {
    const callback_url = 'https://example.com/';
    const { status, body } = await submit({ ...REFERENCE, image_urls: [url], callback_url });
    expect([status, body.error.param]).toEqual([400, 'image_urls.0']);
  });
});

describe('an upload that is cut off', () => {
  const filesBelow = (): string[] =>
    readdirSync(home.folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.bin'));
  const ledger = async () => (await readJson('/__sandbox/ledger')).body;

  it('leaves no file, is counted, and is never listed', async () => {
    const before = await ledger();
    const sockets = Array.from({ length: 3 }, () => connect(Number(api.port), api.hostname));
    const head = [`POST ${UPLOAD} HTTP/1.1`, `host: ${api.host}`, `authorization: ${KEY}`];
    const form = ['content-length: 9000000', 'content-type: multipart/form-data; boundary=x', '', '--x'];
    const part = ['content-disposition: form-data; name="file"; filename="a.png"', 'content-type: image/png'];
    const text = [...head, ...form, ...part, '', 'y'.repeat(100_000)].join('\r\n');
    for (const socket of sockets) socket.write(text);
    await expect.poll(() => filesBelow().length).toBe(3);
    const { body: quota } = await readJson('/api/v1/files/quota');
    expect(quota.data.used_files).toBe(3);
    for (const socket of sockets) socket.destroy();
    await expect.poll(filesBelow).toEqual([]);
    await expect.poll(async () => (await ledger()).aborted_uploads).toBe((before.aborted_uploads ?? 0) + 3);
    expect((await readJson('/api/v1/files/list')).body.data.total).toBe(0);
    expect((await readJson('/api/v1/files/quota')).body.data.used_files).toBe(0);
  });
});

/** A few kilobytes whose one run claims twenty million samples: read to its end, that takes a minute and gigabytes. */
function endlessClip(): Buffer {
  const bytes = readFileSync(fixture('mp4-fragmented.mp4'));
  const at = bytes.indexOf('trun');
  bytes.writeUInt32BE(0, at + 4);
  bytes.writeUInt32BE(20_000_000, at + 8);
  return bytes;
}

describe('media that never end', () => {
  it('are refused, and cost neither memory nor the next request', async () => {
    const url = await upload(endlessClip(), 'a.mp4', 'video/mp4');
    const refused = await submit({ ...REFERENCE, video_urls: [url] });
    expect([refused.status, refused.body.error.param]).toEqual([400, 'video_urls.0']);
    const good = await upload(readFileSync(fixture('mp4.mp4')), 'b.mp4', 'video/mp4');
    expect((await submit({ ...REFERENCE, video_urls: [good] })).status).toBe(200);
    expect(peakKilobytes()).toBeLessThan(MAX_MEMORY_KILOBYTES);
  });
});

/** Most memory that the process has held at once; 0 where the system does not say. */
function peakKilobytes(): number {
  if (process.platform !== 'linux') return 0;
  const status = readFileSync(join('/proc', String(running.child.pid), 'status'), 'utf8');
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]);
}
