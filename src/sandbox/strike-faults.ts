import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { ServerClock } from './clock.ts';
import type { Fault } from './fault-table.ts';
import { type Answer, documentedError, isRecord, sendAnswer, textAnswer } from './http.ts';

/** Ends the connection without an answer: RST, or FIN when asked for. */
function breakConnection(response: ServerResponse, isPolite: boolean): void {
  const { socket } = response;
  if (socket === null || socket.destroyed) return;
  if (isPolite) socket.end();
  else socket.resetAndDestroy();
}

/** Sends the first bytes of a body under an announced length, then ends the connection. */
export async function sendCut(response: ServerResponse, bytes: Uint8Array, isPolite: boolean): Promise<void> {
  if (bytes.length > 0) await new Promise<void>((resolve) => response.write(bytes, () => resolve()));
  else response.flushHeaders();
  breakConnection(response, isPolite);
}

/** Reads a request to its end and throws the bytes away. */
export async function drain(request: IncomingMessage): Promise<void> {
  request.resume();
  if (request.readableEnded || request.destroyed) return;
  await new Promise<void>((resolve) => {
    request.on('end', resolve);
    request.on('close', resolve);
  });
}

const MEGABYTE = 1024 * 1024;

/** Answers 200 with a JSON object of that many megabytes, written piece by piece. */
async function sendHugeJson(response: ServerResponse, id: string, megabytes: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write(`{"id":${JSON.stringify(id)},"padding":"`);
  const piece = Buffer.alloc(MEGABYTE, 'a');
  for (let sent = 0; sent < megabytes && !response.destroyed; sent += 1) {
    // A reader that gives up never drains: the wait ends with the connection as well.
    if (!response.write(piece)) await drainOrClose(response);
  }
  response.end('"}');
}

function drainOrClose(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      response.off('drain', finish);
      response.off('close', finish);
      resolve();
    };
    response.on('drain', finish);
    response.on('close', finish);
  });
}

/** A JSON object that nests that many arrays. */
function deepJson(id: string, levels: number): string {
  return `{"id":${JSON.stringify(id)},"nested":${'['.repeat(levels)}${']'.repeat(levels)}}`;
}

export interface FaultBody {
  readonly contentType: string;
  readonly body: string;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const HTML_TYPE = 'text/html; charset=utf-8';

/** The error body of a status fault in the form that was asked for. */
function faultBody(fault: Fault, status: number): FaultBody {
  const documented = documentedError(status);
  const code = fault.options.code ?? documented.code;
  const message = fault.options.message ?? documented.message;
  const form = fault.options.form ?? defaultForm(fault, status);
  const nested = (shownCode: unknown): FaultBody =>
    json({ error: { code: shownCode, message, type: documented.type } });
  switch (form) {
    case 'upper':
      return nested(code.toUpperCase());
    case 'number':
      return nested(status);
    case 'flat':
      return json({ error: code, error_description: message });
    case 'files':
      return json({ success: false, code: status, msg: message });
    case 'text':
      return { contentType: 'text/plain; charset=utf-8', body: message };
    case 'html':
      return gatewayPage(status);
    case 'xml':
      return xmlError(fault.options.code ?? 'AccessDenied', message);
    default:
      return nested(code);
  }
}

function defaultForm(fault: Fault, status: number): string {
  if (fault.point === 'link') return 'xml';
  if (status === 502 || status === 504) return 'html';
  return fault.point === 'upload' || fault.point === 'files' ? 'files' : 'json';
}

function json(value: unknown): FaultBody {
  return { contentType: JSON_TYPE, body: JSON.stringify(value) };
}

/** The page of a gateway that stands before the service. */
function gatewayPage(status: number): FaultBody {
  const title = `${status} ${STATUS_CODES[status] ?? 'Error'}`;
  const body = `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`;
  return { contentType: HTML_TYPE, body };
}

/** The error document of an object store. */
export function xmlError(code: string, message: string): FaultBody {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>\n`;
  return { contentType: 'application/xml', body };
}

/** Headers of a status fault: `Retry-After`, `Location`. */
function faultHeaders(fault: Fault, nowMs: number): Record<string, string> {
  const headers: Record<string, string> = {};
  const { 'retry-after': seconds, 'retry-after-date': ahead, to } = fault.options;
  if (seconds !== undefined) headers['retry-after'] = seconds;
  if (ahead !== undefined) headers['retry-after'] = new Date(nowMs + Number(ahead) * 1000).toUTCString();
  if (to !== undefined) headers.location = to;
  return headers;
}

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly clock: ServerClock;
}

/** Kinds that let the request take effect first, unless told `before`. */
const LATE_KINDS = ['html', 'empty', 'cut', 'no-id', 'huge', 'deep'];

/** Says whether a fault strikes before the request takes effect. */
export function isEarly(fault: Fault): boolean {
  if ('before' in fault.options) return true;
  return !('after' in fault.options) && !LATE_KINDS.includes(fault.kind);
}

/** Answers (or does not) as the fault says, in place of the endpoint. */
export async function strikeEarly(fault: Fault, exchange: Exchange): Promise<void> {
  if (fault.kind === 'reset' && !('read' in fault.options)) {
    return breakConnection(exchange.response, 'fin' in fault.options);
  }
  await drain(exchange.request);
  await strikeLate(fault, exchange, textAnswer(200, 'application/json', '{}'));
}

/** Spoils an answer that the endpoint has already made. */
export async function strikeLate(fault: Fault, exchange: Exchange, answer: Answer): Promise<void> {
  const { response, clock } = exchange;
  switch (fault.kind) {
    case 'reset':
      return breakConnection(response, 'fin' in fault.options);
    case 'hang':
      return;
    case 'status':
      return sendAnswer(response, statusAnswer(fault, clock.now()));
    case 'html':
      return sendAnswer(response, pageAnswer());
    case 'empty':
      return sendAnswer(response, { ...answer, status: 200, body: '' });
    case 'no-id':
      return sendAnswer(response, withoutId(answer));
    case 'huge':
      return sendHugeJson(response, idOf(answer), fault.amount ?? 50);
    case 'deep':
      return sendAnswer(response, { ...answer, body: deepJson(idOf(answer), fault.amount ?? 10_000) });
    case 'cut':
      return cutAnswer(fault, response, answer);
    default:
      return sendAnswer(response, answer);
  }
}

function statusAnswer(fault: Fault, nowMs: number): Answer {
  const status = fault.status ?? 500;
  const { contentType, body } = faultBody(fault, status);
  const headers = { 'content-type': contentType, ...faultHeaders(fault, nowMs) };
  return { status: 'http200' in fault.options ? 200 : status, headers, body };
}

function pageAnswer(): Answer {
  const { contentType, body } = gatewayPage(200);
  return textAnswer(200, contentType, body);
}

async function cutAnswer(fault: Fault, response: ServerResponse, answer: Answer): Promise<void> {
  const bytes = Buffer.from(answer.body);
  const kept = bytes.subarray(0, fault.amount ?? afterId(bytes, idOf(answer)));
  if ('whole' in fault.options) return sendAnswer(response, { ...answer, body: kept.toString() });
  response.writeHead(answer.status, { ...answer.headers, 'content-length': bytes.length });
  await sendCut(response, kept, !('rst' in fault.options));
}

/** The place right behind the id and its closing quote; the middle of a body without one. */
function afterId(bytes: Buffer, id: string): number {
  const start = id === '' ? -1 : bytes.indexOf(`${id}"`);
  return start < 0 ? Math.floor(bytes.length / 2) : start + id.length + 1;
}

function idOf(answer: Answer): string {
  return isRecord(answer.json) && typeof answer.json.id === 'string' ? answer.json.id : '';
}

function withoutId(answer: Answer): Answer {
  if (!isRecord(answer.json)) return answer;
  const { id: _, ...rest } = answer.json;
  return { ...answer, body: JSON.stringify(rest), json: rest };
}
