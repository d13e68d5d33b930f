import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { type Clip, changeClip } from './clip-store.ts';
import type { SandboxContext } from './context.ts';
import type { Fault } from './fault-table.ts';
import { readTarget, sendAnswer, xmlAnswer } from './http.ts';
import { sendCut, strikeEarly, takeFaults } from './strike-fault.ts';
import { linkProblem, parseLinkPath, type SandboxTask } from './tasks.ts';

/** Modifiers by kind. */
type Modifiers = ReadonlyMap<string, Fault>;

/** Modifiers that strike only a request with a `Range`. */
const RANGE_KINDS = ['ignore-range', 'wrong-start', 'wrong-total'];
/** User agents of libraries that nobody named: the real link host was seen to answer them with 403. */
const LIBRARY_AGENT = /^(got|axios|node-fetch|undici|python-|go-http-client|okhttp)\b/i;

interface LinkCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly context: SandboxContext;
}

/** Serves result links (`/v/…`) and uploaded files (`/f/…`). Credentials are refused: no client should send one. */
export function createLinkHandler(context: SandboxContext) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = readTarget(request);
    const call: LinkCall = { request, response, context };
    response.setHeader('date', new Date(context.clock.now()).toUTCString());
    if ('authorization' in request.headers || 'x-api-key' in request.headers)
      return refuse(response, 400, 'InvalidArgument', 'The signature in the URL is the only credential here');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return refuse(response, 405, 'MethodNotAllowed', 'GET and HEAD only');
    if (url.pathname === '/loop') return redirect(response, '/loop');
    if (url.pathname.startsWith('/f/')) return serveUpload(call, url);
    return serveClip(call, url);
  };
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  sendAnswer(response, xmlAnswer(status, code, message));
}

function redirect(response: ServerResponse, to: string): void {
  response.writeHead(302, { location: to, 'content-length': 0 });
  response.end();
}

async function serveUpload({ request, response, context }: LinkCall, url: URL): Promise<void> {
  const upload = context.files.find(url.pathname.split('/')[2] ?? '');
  if (upload === undefined)
    return refuse(response, 404, 'NoSuchKey', 'The file does not exist or has expired');
  response.writeHead(200, { 'content-type': upload.mimeType, 'content-length': upload.sizeBytes });
  if (request.method === 'HEAD') response.end();
  else await pipeline(createReadStream(upload.filePath), response);
}

async function serveClip(call: LinkCall, url: URL): Promise<void> {
  const { request, response, context } = call;
  const name = parseLinkPath(url.pathname);
  const task = name === undefined ? undefined : context.tasks.find(name.taskId);
  if (name === undefined || task?.end?.status !== 'completed' || name.index > task.linkCount)
    return refuse(response, 404, 'NoSuchKey', 'The specified key does not exist');
  if (LIBRARY_AGENT.test(request.headers['user-agent'] ?? ''))
    return refuse(response, 403, 'AccessDenied', 'This user agent is not allowed');
  const problem = linkProblem(url, task, context.clock.now());
  if (problem !== undefined)
    return refuse(response, 403, problem, 'Request has expired or its signature does not fit');

  const later = request.headers.range === undefined ? RANGE_KINDS : [];
  const at = { point: 'link', linkIndex: name.index, later } as const;
  const { exclusive, modifiers } = await takeFaults(context, call, at);
  if (exclusive !== undefined) return strike(exclusive, call, task);
  if (modifiers.has('change')) context.tasks.raise(task.id, 'clipVersion');
  await sendTaskClip(call, modifiers, context.tasks.find(task.id) ?? task);
}

async function strike(fault: Fault, call: LinkCall, task: SandboxTask): Promise<void> {
  const { request, response, context } = call;
  switch (fault.kind) {
    case 'redirect-loop':
      return redirect(response, '/loop');
    case 'redirect':
      return redirect(response, fault.options.to ?? '/loop');
    case 'xml':
      return refuse(response, 200, 'AccessDenied', 'Request has expired');
    case 'expire':
      context.tasks.raise(task.id, 'linkRevision');
      return refuse(response, 403, 'AccessDenied', 'Request has expired');
    default:
      // Nothing takes effect at a link, so early and late are one.
      return strikeEarly(fault, { request, response, clock: context.clock });
  }
}

async function sendTaskClip(call: LinkCall, modifiers: Modifiers, task: SandboxTask): Promise<void> {
  const { request, response, context } = call;
  const clip = changeClip(await context.clips.get(task.spec), task.clipVersion);
  const lastModified = new Date((task.end?.atMs ?? 0) + task.clipVersion * 1000).toUTCString();
  const hints = modifiers.get('early-hints');
  if (hints !== undefined) {
    const link = '</poster.jpg>; rel=preload; as=image';
    const trap = { link, 'content-disposition': dispositionOf(hints, 'evil.sh') };
    await new Promise<void>((resolve) => response.writeEarlyHints(trap, () => resolve()));
  }
  const { range, 'if-range': ifRange } = request.headers;
  const answer = clipAnswer(clip, { lastModified, range, ifRange: ifRange?.toString(), modifiers });
  await sendClip(answer, call, modifiers);
}

export type RangeAnswer =
  | { readonly kind: 'whole' | 'unsatisfiable' }
  /** First and last byte, both included. */
  | { readonly kind: 'part'; readonly first: number; readonly last: number };

export interface RangeQuestion {
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly sizeBytes: number;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

/**
 * What a `Range` header asks for (RFC 9110 §14.2). Several ranges and foreign units are answered whole, and so is a
 * range whose `If-Range` does not fit: strong comparison only (§13.1.5).
 */
export function chooseRange({ range, ifRange, sizeBytes, etag, lastModified }: RangeQuestion): RangeAnswer {
  const isFit =
    ifRange === undefined || (!ifRange.startsWith('W/') && (ifRange === etag || ifRange === lastModified));
  const [, start = '', end = ''] = /^bytes=\s*(\d*)-(\d*)\s*$/.exec(range ?? '') ?? [];
  if (!isFit || (start === '' && end === '')) return { kind: 'whole' };
  if (start === '') {
    const length = Math.min(Number(end), sizeBytes);
    if (length === 0) return { kind: 'unsatisfiable' };
    return { kind: 'part', first: sizeBytes - length, last: sizeBytes - 1 };
  }
  const first = Number(start);
  if (end !== '' && Number(end) < first) return { kind: 'whole' };
  if (first >= sizeBytes) return { kind: 'unsatisfiable' };
  return { kind: 'part', first, last: end === '' ? sizeBytes - 1 : Math.min(Number(end), sizeBytes - 1) };
}

interface ClipAnswer {
  readonly status: number;
  readonly headers: Record<string, string | number>;
  readonly body: Uint8Array;
}

interface ClipQuestion extends Pick<RangeQuestion, 'range' | 'ifRange'> {
  readonly lastModified: string;
  readonly modifiers: Modifiers;
}

/** Status, headers and bytes of a clip, modifiers applied: 200, 206 or 416. */
function clipAnswer(
  { bytes, etag }: Clip,
  { modifiers, lastModified, ...question }: ClipQuestion,
): ClipAnswer {
  const amount = (kind: string): number => modifiers.get(kind)?.amount ?? 0;
  const shownEtag = modifiers.has('weak-etag') ? `W/${etag}` : etag;
  const validators = modifiers.has('no-etag') ? {} : { etag: shownEtag, 'last-modified': lastModified };
  const disposition = modifiers.get('disposition');
  const headers = {
    ...validators,
    'content-type': 'video/mp4',
    ...(disposition && { 'content-disposition': dispositionOf(disposition, '../../evil.sh') }),
  };
  const finish = (status: number, more: Record<string, string>, sent: Uint8Array): ClipAnswer => {
    const hasLength = !modifiers.has('no-length') && !modifiers.has('chunked');
    const length = { 'content-length': Math.max(0, sent.length + amount('wrong-length')) };
    const body = amount('extra') > 0 ? Buffer.concat([sent, Buffer.alloc(amount('extra'))]) : sent;
    return { status, headers: { ...headers, ...more, ...(hasLength ? length : {}) }, body };
  };
  if (modifiers.has('gzip')) return finish(200, { 'content-encoding': 'gzip' }, gzipSync(bytes));
  const sizeBytes = bytes.length;
  const choice: RangeAnswer = modifiers.has('ignore-range')
    ? { kind: 'whole' }
    : chooseRange({
        ...question,
        sizeBytes,
        etag: validators.etag,
        lastModified: validators['last-modified'],
      });
  if (choice.kind === 'part') {
    const first = Math.min(choice.first + amount('wrong-start'), choice.last);
    const contentRange = `bytes ${first}-${choice.last}/${sizeBytes + amount('wrong-total')}`;
    const more = { 'accept-ranges': 'bytes', 'content-range': contentRange };
    return finish(206, more, bytes.subarray(first, choice.last + 1));
  }
  if (choice.kind === 'whole') return finish(200, { 'accept-ranges': 'bytes' }, bytes);
  const unsatisfied = { 'content-range': `bytes */${sizeBytes}`, 'content-length': 0 };
  return { status: 416, headers: unsatisfied, body: new Uint8Array() };
}

/** The header of a `disposition` or `early-hints` fault. */
function dispositionOf(fault: Fault, fallback: string): string {
  return `attachment; filename="${fault.options.name ?? fallback}"`;
}

/** Writes a clip's answer, as slowly and as incompletely as the modifiers say. */
async function sendClip(answer: ClipAnswer, call: LinkCall, modifiers: Modifiers): Promise<void> {
  const { request, response } = call;
  const isOff = ['no-length', 'wrong-length', 'extra'].some((kind) => modifiers.has(kind));
  // Neither length nor chunks: the end of the connection ends the body.
  if (modifiers.has('no-length')) response.removeHeader('transfer-encoding');
  response.writeHead(answer.status, isOff ? { ...answer.headers, connection: 'close' } : answer.headers);
  if (request.method === 'HEAD') return void response.end();
  const cut = modifiers.get('cut');
  const body = cut === undefined ? answer.body : answer.body.subarray(0, cut.amount);
  const rate = modifiers.get('drip')?.amount;
  if (rate !== undefined) await drip(body, rate, call);
  const rest = rate === undefined ? body : new Uint8Array();
  if (cut === undefined) {
    if (modifiers.has('wrong-length')) return sendCut(response, rest, true);
    return void response.end(rest);
  }
  if (!('stall' in cut.options)) return sendCut(response, rest, !('rst' in cut.options));
  if (rest.length > 0) response.write(rest);
  else response.flushHeaders();
}

/** Sends so many bytes a second: ten slices a second, or one byte at a time when that is too many. */
async function drip(
  bytes: Uint8Array,
  bytesPerSecond: number,
  { response, context }: LinkCall,
): Promise<void> {
  const slice = Math.max(1, Math.floor(bytesPerSecond / 10));
  const pauseMs = (slice / Math.max(1, bytesPerSecond)) * 1000;
  for (let sent = 0; sent < bytes.length && !response.destroyed; sent += slice) {
    response.write(bytes.subarray(sent, sent + slice));
    await context.clock.sleep(pauseMs, context.signal).catch(() => response.destroy());
  }
}
