import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { type Clip, changeClip } from './clip-store.ts';
import type { ServerClock } from './clock.ts';
import type { SandboxContext } from './context.ts';
import type { Fault } from './fault-table.ts';
import { sendAnswer, textAnswer } from './http.ts';
import { isEarly, sendCut, strikeEarly, xmlError } from './strike-faults.ts';
import { linkProblem, parseLinkPath, type SandboxTask } from './task-object.ts';

export type RangeAnswer =
  | { readonly kind: 'whole' }
  /** First and last byte, both included. */
  | { readonly kind: 'part'; readonly first: number; readonly last: number }
  | { readonly kind: 'unsatisfiable' };

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
export function chooseRange(question: RangeQuestion): RangeAnswer {
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/.exec(question.range ?? '');
  if (match === null || !isValidatorGood(question)) return { kind: 'whole' };
  const { sizeBytes } = question;
  const [, start = '', end = ''] = match;
  if (start === '' && end === '') return { kind: 'whole' };
  if (start === '') {
    const length = Math.min(Number(end), sizeBytes);
    return length === 0
      ? { kind: 'unsatisfiable' }
      : { kind: 'part', first: sizeBytes - length, last: sizeBytes - 1 };
  }
  const first = Number(start);
  const last = end === '' ? sizeBytes - 1 : Math.min(Number(end), sizeBytes - 1);
  if (end !== '' && Number(end) < first) return { kind: 'whole' };
  return first >= sizeBytes ? { kind: 'unsatisfiable' } : { kind: 'part', first, last };
}

function isValidatorGood({ ifRange, etag, lastModified }: RangeQuestion): boolean {
  if (ifRange === undefined) return true;
  if (ifRange.startsWith('"')) return ifRange === etag;
  return !ifRange.startsWith('W/') && lastModified !== undefined && ifRange === lastModified;
}

/** Modifiers by kind. */
type Modifiers = ReadonlyMap<string, Fault>;

interface ClipAnswer {
  readonly status: number;
  readonly headers: Record<string, string | number>;
  readonly body: Uint8Array;
}

interface ClipQuestion {
  readonly clip: Clip;
  readonly lastModified: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly modifiers: Modifiers;
}

/** Status, headers and bytes of a clip, modifiers applied: 200, 206 or 416. */
function toClipAnswer({ clip, modifiers, ...question }: ClipQuestion): ClipAnswer {
  const amount = (kind: string): number => modifiers.get(kind)?.amount ?? 0;
  const validators = toValidators(clip, question.lastModified, modifiers);
  const headers: Record<string, string | number> = { ...validators, 'content-type': 'video/mp4' };
  const disposition = modifiers.get('disposition');
  if (disposition !== undefined) headers['content-disposition'] = toDisposition(disposition, '../../evil.sh');
  if (modifiers.has('gzip')) {
    return finish(
      { status: 200, headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(clip.bytes) },
      modifiers,
    );
  }
  headers['accept-ranges'] = 'bytes';
  const total = clip.bytes.length;
  const choice = modifiers.has('ignore-range')
    ? ({ kind: 'whole' } as const)
    : chooseRange({ ...question, sizeBytes: total, etag: validators.etag });
  if (choice.kind === 'unsatisfiable') {
    return {
      status: 416,
      headers: { 'content-range': `bytes */${total}`, 'content-length': 0 },
      body: new Uint8Array(),
    };
  }
  if (choice.kind === 'whole') return finish({ status: 200, headers, body: clip.bytes }, modifiers);
  const first = Math.min(choice.first + amount('wrong-start'), choice.last);
  headers['content-range'] = `bytes ${first}-${choice.last}/${total + amount('wrong-total')}`;
  return finish({ status: 206, headers, body: clip.bytes.subarray(first, choice.last + 1) }, modifiers);
}

function toValidators(
  clip: Clip,
  lastModified: string,
  modifiers: Modifiers,
): { etag?: string; 'last-modified'?: string } {
  if (modifiers.has('no-etag')) return {};
  return { etag: modifiers.has('weak-etag') ? `W/${clip.etag}` : clip.etag, 'last-modified': lastModified };
}

function finish(answer: ClipAnswer, modifiers: Modifiers): ClipAnswer {
  const length = Math.max(0, answer.body.length + (modifiers.get('wrong-length')?.amount ?? 0));
  const extra = modifiers.get('extra')?.amount ?? 0;
  const body = extra > 0 ? Buffer.concat([answer.body, Buffer.alloc(extra)]) : answer.body;
  const hasLength = !modifiers.has('no-length') && !modifiers.has('chunked');
  return {
    ...answer,
    body,
    headers: hasLength ? { ...answer.headers, 'content-length': length } : answer.headers,
  };
}

/** The header of a `disposition` or `early-hints` fault. */
function toDisposition(fault: Fault, fallback: string): string {
  return `attachment; filename="${fault.options.name ?? fallback}"`;
}

interface ClipSending {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly clock: ServerClock;
  readonly modifiers: Modifiers;
  /** Ends drips when the server closes. */
  readonly signal: AbortSignal;
}

/** Writes a clip's answer, as slowly and as incompletely as the modifiers say. */
async function sendClip(answer: ClipAnswer, sending: ClipSending): Promise<void> {
  const { response, modifiers } = sending;
  if (modifiers.has('no-length')) {
    response.removeHeader('transfer-encoding'); // Neither length nor chunks: the end of the connection ends the body.
    response.removeHeader('content-length');
  }
  const isOff = ['no-length', 'wrong-length', 'extra'].some((kind) => modifiers.has(kind));
  response.writeHead(answer.status, isOff ? { ...answer.headers, connection: 'close' } : answer.headers);
  if (sending.request.method === 'HEAD') {
    response.end();
    return;
  }
  const cut = modifiers.get('cut');
  const body = cut === undefined ? answer.body : answer.body.subarray(0, cut.amount);
  const rate = modifiers.get('drip')?.amount;
  if (rate !== undefined) await drip(body, rate, sending);
  if (cut !== undefined) return endCut(response, rate === undefined ? body : new Uint8Array(), cut);
  if (modifiers.has('wrong-length'))
    return sendCut(response, rate === undefined ? body : new Uint8Array(), true);
  if (rate === undefined) response.end(body);
  else response.end();
}

async function endCut(response: ServerResponse, bytes: Uint8Array, cut: Fault): Promise<void> {
  if (!('stall' in cut.options)) return sendCut(response, bytes, !('rst' in cut.options));
  if (bytes.length > 0) response.write(bytes);
  else response.flushHeaders();
}

/** Sends so many bytes a second: ten slices a second, or one byte at a time when that is too many. */
async function drip(
  bytes: Uint8Array,
  bytesPerSecond: number,
  { response, clock, signal }: ClipSending,
): Promise<void> {
  const slice = Math.max(1, Math.floor(bytesPerSecond / 10));
  const pauseMs = (slice / Math.max(1, bytesPerSecond)) * 1000;
  for (let sent = 0; sent < bytes.length && !response.destroyed; sent += slice) {
    response.write(bytes.subarray(sent, sent + slice));
    const isStopped = await clock.sleep(pauseMs, signal).then(
      () => false,
      () => true,
    );
    if (isStopped) return;
  }
}

/** Modifiers that strike only a request with a `Range`. */
const RANGE_KINDS = ['ignore-range', 'wrong-start', 'wrong-total'];
/** User agents of libraries that nobody named: the real link host was seen to answer them with 403. */
const LIBRARY_AGENT = /^(got|axios|node-fetch|undici|python-|go-http-client|okhttp)\b/i;

interface LinkCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

/** Serves result links (`/v/…`) and uploaded files (`/f/…`). Credentials are refused: no client should send one. */
export function createLinkHandler(context: SandboxContext) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const call: LinkCall = { request, response, url: new URL(request.url ?? '/', 'http://link') };
    response.setHeader('date', new Date(context.clock.now()).toUTCString());
    if ('authorization' in request.headers || 'x-api-key' in request.headers) {
      return refuse(response, {
        status: 400,
        code: 'InvalidArgument',
        message: 'Only one auth mechanism allowed: the signature in the URL',
      });
    }
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return refuse(response, { status: 405, code: 'MethodNotAllowed', message: 'GET and HEAD only' });
    if (call.url.pathname === '/loop') return redirect(response, '/loop');
    if (call.url.pathname.startsWith('/f/')) return serveUpload(call, context);
    return serveClip(call, context);
  };
}

async function serveUpload({ request, response, url }: LinkCall, { uploads }: SandboxContext): Promise<void> {
  const upload = uploads.find(url.pathname.split('/')[2] ?? '');
  if (upload === undefined)
    return refuse(response, {
      status: 404,
      code: 'NoSuchKey',
      message: 'The file does not exist or has expired',
    });
  response.writeHead(200, { 'content-type': upload.mimeType, 'content-length': upload.sizeBytes });
  if (request.method === 'HEAD') response.end();
  else await pipeline(createReadStream(upload.filePath), response);
}

async function serveClip(call: LinkCall, context: SandboxContext): Promise<void> {
  const { request, response, url } = call;
  const name = parseLinkPath(url.pathname);
  const task = name === undefined ? undefined : context.tasks.find(name.taskId);
  if (name === undefined || task?.end?.status !== 'completed' || name.index > task.linkCount) {
    return refuse(response, { status: 404, code: 'NoSuchKey', message: 'The specified key does not exist' });
  }
  if (LIBRARY_AGENT.test(request.headers['user-agent'] ?? ''))
    return refuse(response, { status: 403, code: 'AccessDenied', message: 'This user agent is not allowed' });
  const problem = linkProblem(url, task, context.clock.now());
  if (problem !== undefined)
    return refuse(response, {
      status: 403,
      code: problem,
      message: 'Request has expired or its signature does not fit',
    });

  const struck = takeFaults(call, name.index, context);
  const modifiers: Modifiers = new Map(
    struck.filter((fault) => fault.isModifier).map((fault) => [fault.kind, fault]),
  );
  const delay = modifiers.get('delay');
  if (delay?.amount !== undefined) await context.clock.sleep(delay.amount, context.signal);
  const exclusive = struck.find((fault) => !fault.isModifier);
  if (exclusive !== undefined) return strike(exclusive, call, { context, task });
  if (modifiers.has('change')) context.tasks.changeClip(task.id);
  await sendTaskClip(call, modifiers, { context, taskId: task.id });
}

function takeFaults(
  { request, response }: LinkCall,
  linkIndex: number,
  context: SandboxContext,
): readonly Fault[] {
  const later = request.headers.range === undefined ? RANGE_KINDS : [];
  const struck = context.faults.take(
    'link',
    { linkIndex, isReusedConnection: context.isReused(request.socket) },
    later,
  );
  context.noteFaults(response, struck);
  return struck;
}

async function strike(
  fault: Fault,
  call: LinkCall,
  place: { context: SandboxContext; task: SandboxTask },
): Promise<void> {
  const { response } = call;
  switch (fault.kind) {
    case 'redirect-loop':
      return redirect(response, '/loop');
    case 'redirect':
      return redirect(response, fault.options.to ?? '/loop');
    case 'xml': {
      const { contentType, body } = xmlError('AccessDenied', 'Request has expired');
      return sendAnswer(response, textAnswer(200, contentType, body));
    }
    case 'expire':
      place.context.tasks.revokeLinks(place.task.id);
      return refuse(response, { status: 403, code: 'AccessDenied', message: 'Request has expired' });
    default:
      // Nothing takes effect at a link, so early and late are one.
      return strikeEarly(isEarly(fault) ? fault : { ...fault, options: { ...fault.options, before: '' } }, {
        ...call,
        clock: place.context.clock,
      });
  }
}

async function sendTaskClip(
  call: LinkCall,
  modifiers: Modifiers,
  { context, taskId }: { context: SandboxContext; taskId: string },
): Promise<void> {
  const { request, response } = call;
  const task = context.tasks.find(taskId);
  if (task === undefined)
    return refuse(response, { status: 404, code: 'NoSuchKey', message: 'The specified key does not exist' });
  const clip = changeClip(await context.clips.get(task.spec), task.clipVersion);
  const changedAtMs = (task.end?.atMs ?? 0) + task.clipVersion * 1000;
  const hints = modifiers.get('early-hints');
  if (hints !== undefined) {
    const trap = {
      link: '</poster.jpg>; rel=preload; as=image',
      'content-disposition': toDisposition(hints, 'evil.sh'),
    };
    await new Promise<void>((resolve) => response.writeEarlyHints(trap, () => resolve()));
  }
  const ifRange = request.headers['if-range'];
  const answer = toClipAnswer({
    clip,
    lastModified: new Date(changedAtMs).toUTCString(),
    range: request.headers.range,
    ifRange: typeof ifRange === 'string' ? ifRange : undefined,
    modifiers,
  });
  await sendClip(answer, { request, response, clock: context.clock, modifiers, signal: context.signal });
}

function redirect(response: ServerResponse, to: string): void {
  response.writeHead(302, { location: to, 'content-length': 0 });
  response.end();
}

interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

function refuse(response: ServerResponse, { status, code, message }: Refusal): void {
  const { contentType, body } = xmlError(code, message);
  sendAnswer(response, textAnswer(status, contentType, body));
}
