import { Buffer } from 'node:buffer';
import { request as requestHttp } from 'node:http';
import type { VideoSpec } from '../../../src/sandbox/clip-store.ts';
import type { SandboxOptions } from '../../../src/sandbox/context.ts';
import { type Sandbox, startSandbox } from '../../../src/sandbox/start-sandbox.ts';
import { createFakeClock, type FakeClock } from '../../helpers/fake-clock.ts';

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

export interface SandboxUnderTest extends Sandbox {
  readonly clock: FakeClock;
  /** What the video maker was asked for. */
  readonly specs: VideoSpec[];
  submit(body?: unknown, headers?: Record<string, string>): Promise<Response>;
  get(path: string): Promise<Response>;
  /** Submits, lets the task end, and reads it. */
  finish(body?: unknown): Promise<{ id: string; link: string }>;
}

const open: Sandbox[] = [];

export async function closeAll(): Promise<void> {
  for (const sandbox of open.splice(0)) await sandbox.close();
}

export async function start(options: Partial<SandboxOptions> = {}): Promise<SandboxUnderTest> {
  const clock = createFakeClock();
  const specs: VideoSpec[] = [];
  const videoMaker = async (spec: VideoSpec): Promise<Uint8Array> => {
    specs.push(spec);
    return CLIP;
  };
  const sandbox = await startSandbox({ clock, seed: 7, videoMaker, ...options });
  open.push(sandbox);
  const auth = { authorization: `Bearer ${KEY}` };
  const submit = (body: unknown = BODY, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${sandbox.apiUrl}/v1/videos/generations`, {
      method: 'POST',
      headers: { ...auth, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      redirect: 'manual',
    });
  const get = (path: string): Promise<Response> =>
    fetch(sandbox.apiUrl + path, { headers: auth, redirect: 'manual' });
  const finish = async (body?: unknown): Promise<{ id: string; link: string }> => {
    const { id } = await json(await submit(body));
    await clock.advance(200_000);
    const task = await json(await get(`/v1/tasks/${id}`));
    return { id, link: task.results?.[0] ?? '' };
  };
  return { ...sandbox, clock, specs, submit, get, finish };
}

/** The body, loosely: tests compare single fields. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the server says.
export async function json(response: Response): Promise<any> {
  return response.json();
}

export interface RawAnswer {
  readonly status: number | undefined;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
  readonly hints: readonly Record<string, unknown>[];
  /** Code of the error that ended the answer, if one did. */
  readonly error: string | undefined;
}

/** One GET by node:http, which shows what fetch hides: lengths, cuts, 103s. */
export function rawGet(
  url: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const hints: Record<string, unknown>[] = [];
    let status: number | undefined;
    let got: RawAnswer['headers'] = {};
    const finish = (error?: Error): void =>
      resolve({
        status,
        headers: got,
        body: Buffer.concat(chunks),
        hints,
        error: error === undefined ? undefined : 'code' in error ? String(error.code) : error.message,
      });
    const request = requestHttp(url, {
      method,
      headers: { 'user-agent': 'evolink-test/1', ...headers },
      agent: false,
    });
    request.on('information', (info) => hints.push(info.headers));
    request.on('response', (response) => {
      status = response.statusCode;
      got = response.headers;
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => finish());
      response.on('error', finish);
    });
    request.on('error', finish);
    request.end();
  });
}
