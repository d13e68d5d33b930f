import { createReadStream } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { changeClip } from './clip-store.ts';
import type { SandboxContext } from './context.ts';
import type { Fault } from './fault-plan.ts';
import { type Handler, readTarget, sendAnswer, xmlAnswer } from './http.ts';
import { type Exchange, sendCut, strikeEarly, takeFaults } from './strike-fault.ts';
import type { SandboxTask } from './tasks.ts';

/** Modifiers by kind. */
type Modifiers = ReadonlyMap<string, Fault>;

/** Modifiers that strike only a request with a `Range`. */
const RANGE_KINDS = ['ignore-range', 'wrong-start', 'wrong-total'];
/** User agents of libraries that nobody named: the real link host was seen to answer them with 403. */
const LIBRARY_AGENT = /^(got|axios|node-fetch|undici|python-|go-http-client|okhttp)\b/i;

/** Serves result links (`/v/…`) and uploaded files (`/f/…`). Credentials are refused: no client should send one. */
export function createLinkHandler(context: SandboxContext): Handler {
  return async (request, response) => {
    const url = readTarget(request);
    response.setHeader('date', new Date(context.clock.now()).toUTCString());
    const refuse = (status: number, code: string, message: string): void =>
      sendAnswer(response, xmlAnswer(status, code, message));
    const redirect = (location: string): void =>
      void response.writeHead(302, { location, 'content-length': 0 }).end();
    if ('authorization' in request.headers || 'x-api-key' in request.headers)
      return refuse(400, 'InvalidArgument', 'The signature in the URL is the only credential here');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return refuse(405, 'MethodNotAllowed', 'GET and HEAD only');
    if (url.pathname === '/loop') return redirect('/loop');
    if (url.pathname.startsWith('/f/')) {
      const upload = context.files.find(url);
      if (upload === undefined) return refuse(404, 'NoSuchKey', 'The specified key does not exist');
      response.writeHead(200, { 'content-type': upload.mime_type, 'content-length': upload.file_size });
      if (request.method === 'HEAD') return void response.end();
      return pipeline(createReadStream(upload.path), response);
    }
    const found = context.tasks.atLink(url);
    if (found === undefined) return refuse(404, 'NoSuchKey', 'The specified key does not exist');
    if (LIBRARY_AGENT.test(request.headers['user-agent'] ?? ''))
      return refuse(403, 'AccessDenied', 'This user agent is not allowed');
    const { task, index, problem } = found;
    if (problem !== undefined)
      return refuse(403, problem, 'Request has expired or its signature does not fit');

    const exchange = { request, response, context };
    const isWanted = (kind: string) => request.headers.range !== undefined || !RANGE_KINDS.includes(kind);
    const { exclusive, modifiers } = await takeFaults(exchange, 'link', isWanted, index);
    if (exclusive?.kind === 'redirect-loop') return redirect('/loop');
    if (exclusive?.kind === 'redirect') return redirect(exclusive.options.to ?? '/loop');
    if (exclusive?.kind === 'expire') context.tasks.raise(task.id, 'linkRevision');
    if (exclusive?.kind === 'xml' || exclusive?.kind === 'expire')
      return refuse(exclusive.kind === 'xml' ? 200 : 403, 'AccessDenied', 'Request has expired');
    // Nothing takes effect at a link, so early and late are one.
    if (exclusive !== undefined) return strikeEarly(exclusive, exchange);
    if (modifiers.has('change')) context.tasks.raise(task.id, 'clipVersion');
    await sendClip(exchange, modifiers, context.tasks.find(task.id) ?? task);
  };
}

/**
 * What a `Range` header asks for (RFC 9110 §14.2). Several ranges and foreign units are answered whole, and so is a
 * range whose `If-Range` does not fit: strong comparison only (§13.1.5). First and last byte are both included.
 */
export function chooseRange(
  { range, 'if-range': ifRange }: IncomingHttpHeaders,
  sizeBytes: number,
  validators: readonly string[],
) {
  const known = ifRange?.toString();
  const isFit = known === undefined || (!known.startsWith('W/') && validators.includes(known));
  const [, start = '', end = ''] = /^bytes=\s*(\d*)-(\d*)\s*$/.exec(range ?? '') ?? [];
  if (!isFit || (start === '' && end === '')) return 'whole';
  const first = start === '' ? Math.max(0, sizeBytes - Number(end)) : Number(start);
  const last = start === '' || end === '' ? sizeBytes - 1 : Math.min(Number(end), sizeBytes - 1);
  if (start !== '' && end !== '' && Number(end) < first) return 'whole';
  return first >= sizeBytes ? 'unsatisfiable' : { first, last };
}

/** Sends a clip as 200, 206 or 416, as slowly and as incompletely as the modifiers say. */
async function sendClip(exchange: Exchange, modifiers: Modifiers, task: SandboxTask): Promise<void> {
  const { request, response, context } = exchange;
  const amount = (kind: string): number => modifiers.get(kind)?.amount ?? 0;
  const hasAny = (...kinds: string[]): boolean => kinds.some((kind) => modifiers.has(kind));
  const disposition = (kind: string, fallback: string) =>
    `attachment; filename="${modifiers.get(kind)?.options.name ?? fallback}"`;
  const { bytes, etag } = changeClip(await context.findClip(task.spec).clip, task.clipVersion);
  if (modifiers.has('early-hints')) {
    const link = '</poster.jpg>; rel=preload; as=image';
    const trap = { link, 'content-disposition': disposition('early-hints', 'evil.sh') };
    await new Promise<void>((resolve) => response.writeEarlyHints(trap, () => resolve()));
  }
  const lastModified = new Date((task.end?.atMs ?? 0) + task.clipVersion * 1000).toUTCString();
  const shownEtag = modifiers.has('weak-etag') ? `W/${etag}` : etag;
  const validators = modifiers.has('no-etag') ? {} : { etag: shownEtag, 'last-modified': lastModified };
  const headers: Record<string, string | number> = { 'content-type': 'video/mp4', ...validators };
  const choice = hasAny('gzip', 'ignore-range')
    ? 'whole'
    : chooseRange(request.headers, bytes.length, Object.values(validators));
  if (choice === 'unsatisfiable') {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}`, 'content-length': 0 });
    return void response.end();
  }
  let body: Uint8Array = bytes;
  if (modifiers.has('disposition'))
    headers['content-disposition'] = disposition('disposition', '../../evil.sh');
  if (modifiers.has('gzip')) {
    headers['content-encoding'] = 'gzip';
    body = gzipSync(bytes);
  } else headers['accept-ranges'] = 'bytes';
  if (choice !== 'whole') {
    const first = Math.min(choice.first + amount('wrong-start'), choice.last);
    headers['content-range'] = `bytes ${first}-${choice.last}/${bytes.length + amount('wrong-total')}`;
    body = bytes.subarray(first, choice.last + 1);
  }
  if (!hasAny('no-length', 'chunked'))
    headers['content-length'] = Math.max(0, body.length + amount('wrong-length'));
  if (hasAny('no-length', 'wrong-length', 'extra')) headers.connection = 'close';
  // Neither length nor chunks: the end of the connection ends the body.
  if (modifiers.has('no-length')) response.removeHeader('transfer-encoding');
  response.writeHead(choice === 'whole' ? 200 : 206, headers);
  if (request.method === 'HEAD') return void response.end();

  if (modifiers.has('extra')) body = Buffer.concat([body, Buffer.alloc(amount('extra'))]);
  const cut = modifiers.get('cut');
  if (cut !== undefined) body = body.subarray(0, cut.amount);
  if (modifiers.has('drip')) {
    await drip(body, amount('drip'), exchange);
    body = new Uint8Array();
  }
  if (cut === undefined && !modifiers.has('wrong-length')) return void response.end(body);
  if (cut === undefined || !('stall' in cut.options))
    return sendCut(response, body, !('rst' in (cut?.options ?? {})));
  if (body.length > 0) response.write(body);
  else response.flushHeaders();
}

/** Sends so many bytes a second: ten slices a second, or one byte at a time when that is too many. */
async function drip(bytes: Uint8Array, bytesPerSecond: number, { response, context }: Exchange) {
  const slice = Math.max(1, Math.floor(bytesPerSecond / 10));
  const pauseMs = (slice / Math.max(1, bytesPerSecond)) * 1000;
  for (let sent = 0; sent < bytes.length && !response.destroyed; sent += slice) {
    response.write(bytes.subarray(sent, sent + slice));
    await context.clock.sleep(pauseMs, context.signal).catch(() => response.destroy());
  }
}
