import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { finished } from 'node:stream/promises';
import type { SandboxContext } from './context.ts';
import type { Fault } from './fault-plan.ts';
import type { FaultPoint } from './fault-table.ts';
import {
  type Answer,
  documentedError,
  isRecord,
  jsonAnswer,
  sendAnswer,
  textAnswer,
  xmlAnswer,
} from './http.ts';

/** One request of the one context. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly context: SandboxContext;
}

/** Takes the faults that strike a request, into the ledger as well, and waits where one of them delays the answer. */
export async function takeFaults(
  { response, context: { clock, faults, ledger, signal } }: Exchange,
  point: FaultPoint,
  isWanted: (kind: string) => boolean,
  linkIndex?: number,
) {
  const entry = ledger.entryOf(response);
  const struck = faults.take(point, { linkIndex, isReusedConnection: entry?.isReused }, isWanted);
  if (entry !== undefined && struck.length > 0) entry.faults = struck.map((fault) => fault.text);
  const modifiers = new Map(struck.filter((each) => each.isModifier).map((each) => [each.kind, each]));
  const delayMs = modifiers.get('delay')?.amount;
  if (delayMs !== undefined) await clock.sleep(delayMs, signal);
  return { modifiers, exclusive: struck.find((fault) => !fault.isModifier) };
}

/** Kinds that let the request take effect first, unless told `before`. */
const LATE_KINDS = ['html', 'empty', 'cut', 'no-id', 'huge', 'deep'];

/** Says whether a fault strikes before the request takes effect. */
export function isEarly({ kind, options }: Fault): boolean {
  return 'before' in options || !('after' in options || LATE_KINDS.includes(kind));
}

/** Answers (or does not) as the fault says, in place of the endpoint. */
export async function strikeEarly(fault: Fault, exchange: Exchange): Promise<void> {
  if (fault.kind === 'reset' && !('read' in fault.options))
    return breakConnection(exchange.response, 'fin' in fault.options);
  await drain(exchange.request);
  await strikeLate(fault, exchange, textAnswer(200, 'application/json', '{}'));
}

/** Spoils an answer that the endpoint has already made. */
export async function strikeLate(
  fault: Fault,
  { response, context }: Exchange,
  answer: Answer,
): Promise<void> {
  const { kind, options, amount } = fault;
  const id = isRecord(answer.json) && typeof answer.json.id === 'string' ? answer.json.id : '';
  const send = (spoiled: Partial<Answer>) => sendAnswer(response, { ...answer, ...spoiled });
  switch (kind) {
    case 'reset':
      return breakConnection(response, 'fin' in options);
    case 'hang':
      return;
    case 'status':
      return send(statusAnswer(fault, context.clock.now()));
    case 'html':
      return send(gatewayPage(200));
    case 'empty':
      return send({ status: 200, body: '' });
    case 'no-id':
      return send({ body: JSON.stringify({ ...Object(answer.json), id: undefined }) });
    case 'huge':
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(`{"id":${JSON.stringify(id)},"padding":"`);
      response.write(Buffer.alloc((amount ?? 50) * 1024 ** 2, 'a'));
      return void response.end('"}');
    case 'deep': {
      const nested = '['.repeat(amount ?? 10_000) + ']'.repeat(amount ?? 10_000);
      return send({ body: `{"id":${JSON.stringify(id)},"nested":${nested}}` });
    }
    case 'cut': {
      const bytes = Buffer.from(answer.body);
      const idStart = id === '' ? -1 : bytes.indexOf(`${id}"`);
      // Right behind the id and its closing quote; in the middle of a body without one.
      const usualEnd = idStart < 0 ? Math.floor(bytes.length / 2) : idStart + id.length + 1;
      const kept = bytes.subarray(0, amount ?? usualEnd);
      if ('whole' in options) return send({ body: kept.toString() });
      response.writeHead(answer.status, { ...answer.headers, 'content-length': bytes.length });
      return sendCut(response, kept, !('rst' in options));
    }
    default:
      return send(answer);
  }
}

/** What the documents say of a refused read. */
const READING_CODES: Readonly<Record<number, string>> = { 402: 'quota_exceeded', 403: 'permission_denied' };

/** The error of a status fault, in the form that was asked for. */
function statusAnswer({ point, status = 500, options }: Fault, nowMs: number): Answer {
  const documented = documentedError(status);
  const usual = point === 'poll' ? (READING_CODES[status] ?? documented.code) : documented.code;
  const { code = usual, message = documented.message, 'retry-after-date': ahead, to: location } = options;
  const nested = (shown: unknown) =>
    jsonAnswer(status, { error: { code: shown, message, type: documented.type } });
  const forms: Readonly<Record<string, () => Answer>> = {
    json: () => nested(code),
    upper: () => nested(code.toUpperCase()),
    number: () => nested(status),
    flat: () => jsonAnswer(status, { error: code, error_description: message }),
    files: () => jsonAnswer(status, { success: false, code: status, msg: message }),
    text: () => textAnswer(status, 'text/plain; charset=utf-8', message),
    html: () => gatewayPage(status),
    xml: () => xmlAnswer(status, options.code ?? 'AccessDenied', message),
  };
  const answer = forms[options.form ?? usualForm(point, status)]?.() ?? nested(code);
  const date = ahead === undefined ? undefined : new Date(nowMs + Number(ahead) * 1000).toUTCString();
  const after = options['retry-after'] ?? date;
  const headers = {
    ...answer.headers,
    ...(after && { 'retry-after': after }),
    ...(location && { location }),
  };
  return { ...answer, headers, status: 'http200' in options ? 200 : status };
}

function usualForm(point: FaultPoint, status: number): string {
  if (point === 'link') return 'xml';
  if (status === 502 || status === 504) return 'html';
  return point === 'upload' || point === 'files' ? 'files' : 'json';
}

/** The page of a gateway that stands before the service. */
function gatewayPage(status: number): Answer {
  const title = `${status} ${STATUS_CODES[status] ?? 'Error'}`;
  const head = `<html>\r\n<head><title>${title}</title></head>\r\n`;
  const body = `<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`;
  return textAnswer(status, 'text/html; charset=utf-8', head + body);
}

/** Ends the connection without an answer: RST, or FIN when asked for. */
function breakConnection({ socket }: ServerResponse, isPolite: boolean): void {
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
  if (!request.readableEnded && !request.destroyed) await finished(request).catch(() => {});
}
