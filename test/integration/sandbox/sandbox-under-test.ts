import { Buffer } from 'node:buffer';
import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http';
import { onTestFinished } from 'vitest';
import type { VideoSpec } from '../../../src/sandbox/clip-store.ts';
import type { SandboxOptions } from '../../../src/sandbox/context.ts';
import { startSandbox } from '../../../src/sandbox/start-sandbox.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';

export const KEY = 'sk-test-1234567890';
export const BODY = {
  model: 'seedance-2.0-text-to-video',
  prompt: 'A glass frog on a leaf',
  duration: 5,
  quality: '720p',
  aspect_ratio: '16:9',
};

/** 100,000 bytes that depend on nothing, so that every cut can be compared. */
export const CLIP = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));

export type SandboxUnderTest = Awaited<ReturnType<typeof start>>;

/** Ends with the running test. */
export async function start(options: Partial<SandboxOptions> = {}) {
  const clock = createFakeClock();
  /** What the video maker was asked for. */
  const specs: VideoSpec[] = [];
  const videoMaker = async (spec: VideoSpec): Promise<Uint8Array> => {
    specs.push(spec);
    return CLIP;
  };
  const sandbox = await startSandbox({ clock, seed: 7, videoMaker, ...options });
  onTestFinished(() => sandbox.close());
  const call = (method: string, path: string, headers: object, body?: RequestInit['body']) => {
    const all = { authorization: `Bearer ${KEY}`, ...headers };
    return fetch(sandbox.apiUrl + path, { method, headers: all, body: body ?? null, redirect: 'manual' });
  };
  const get = (path: string) => call('GET', path, {});
  const post = (path: string, body: unknown, headers = {}) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return call('POST', path, { 'content-type': 'application/json', ...headers }, text);
  };
  const submit = (body: unknown = BODY, headers = {}) => post('/v1/videos/generations', body, headers);
  return {
    ...sandbox,
    clock,
    specs,
    call,
    get,
    /** The document at a path. */
    read: async (path: string) => json(await get(path)),
    post,
    submit,
    /** Uploads bytes as a file of this name and type. */
    upload(bytes: Uint8Array, name = '그림 1.png', type = 'image/png', field = 'file') {
      const form = new FormData();
      form.set(field, new Blob([Uint8Array.from(bytes)], { type }), name);
      return call('POST', '/api/v1/files/upload/stream', {}, form);
    },
    /** Submits, lets the task end, and reads it. */
    async finish(
      body?: unknown,
    ): Promise<{ id: string; link: string; task: Awaited<ReturnType<typeof json>> }> {
      const { id } = await json(await submit(body));
      await clock.advance(200_000);
      const task = await json(await get(`/v1/tasks/${id}`));
      return { id, task, link: task.results?.[0] ?? '' };
    },
  };
}

/** The body, loosely: tests compare single fields. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the server says.
export async function json(response: Response): Promise<any> {
  return response.json();
}

/** Status, and the code of the error. */
export async function refusal(answer: Promise<Response>): Promise<readonly [number, unknown]> {
  const response = await answer;
  const { error } = await json(response);
  return [response.status, error?.code];
}

/** One GET by node:http, which shows what fetch hides: lengths and cuts. `error`: of what ended the answer. */
export function rawGet(url: string, headers: Record<string, string> = {}, method = 'GET') {
  interface Raw {
    readonly status: number | undefined;
    readonly headers: IncomingHttpHeaders;
    readonly body: Buffer;
    readonly error: Error | undefined;
  }
  return new Promise<Raw>((resolve) => {
    const chunks: Buffer[] = [];
    let answer: IncomingMessage | undefined;
    const finish = (error?: Error) => {
      const { statusCode: status, headers: got = {} } = answer ?? {};
      resolve({ status, headers: got, body: Buffer.concat(chunks), error });
    };
    const all = { 'user-agent': 'evolink-test/1', ...headers };
    const request = requestHttp(url, { method, headers: all, agent: false });
    request.on('response', (response) => {
      answer = response;
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => finish());
      response.on('error', finish);
    });
    request.on('error', finish);
    request.end();
  });
}
