import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { sendAnswer, textAnswer } from './answer.ts';
import { changeClip } from './clip-store.ts';
import { isEarly, strikeEarly } from './faults/answer-faults.ts';
import { xmlError } from './faults/fault-body.ts';
import type { Fault } from './faults/fault-types.ts';
import { linkProblem, parseLinkPath } from './result-links.ts';
import type { SandboxContext } from './sandbox-context.ts';
import type { SandboxTask } from './sandbox-task.ts';
import { type Modifiers, sendClip, toClipAnswer, toDisposition } from './send-clip.ts';

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
