import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { jsonAnswer, sendAnswer } from './answer.ts';
import { ApiProblem, toErrorBody } from './api-problem.ts';
import type { Fault } from './faults/fault-types.ts';
import type { LedgerBook, LoggedRequest } from './ledger.ts';
import type { Handler } from './listen.ts';

/** Prefix of the sandbox's own endpoints, which the ledger leaves out. */
export const ADMIN_PATH = '/__sandbox/';

export interface RequestLog {
  /** The same handler, with its requests in the ledger and its bugs answered as a 500. */
  wrap(server: LoggedRequest['server'], handler: Handler): Handler;
  /** Says whether this connection has served a request before. */
  isReused(socket: Socket): boolean;
  /** Writes into the ledger which faults struck the request behind an answer. */
  noteFaults(response: ServerResponse, faults: readonly Fault[]): void;
}

export interface RequestLogOptions {
  readonly book: LedgerBook;
  readonly now: () => number;
  readonly log: ((line: string) => void) | undefined;
}

/** Keeps the ledger of requests for both servers. */
export function createRequestLog({ book, now, log }: RequestLogOptions): RequestLog {
  const entries = new WeakMap<ServerResponse, LoggedRequest>();
  const served = new WeakSet<Socket>();

  const begin = (
    server: LoggedRequest['server'],
    request: IncomingMessage,
    response: ServerResponse,
  ): void => {
    const path = request.url ?? '/';
    if (path.startsWith(ADMIN_PATH)) return;
    const readStatus = (): number | undefined => (response.headersSent ? response.statusCode : undefined);
    const headers = toTextHeaders(request);
    const entry = book.logRequest({
      atMs: now(),
      server,
      method: request.method ?? '',
      path,
      headers,
      readStatus,
    });
    entries.set(response, entry);
    response.on('close', () => log?.(formatLine(entry)));
  };

  return {
    wrap: (server, handler) => async (request, response) => {
      begin(server, request, response);
      const { socket } = request;
      await handler(request, response).catch((error: unknown) => answerBug(error, response, log));
      served.add(socket);
    },
    isReused: (socket) => served.has(socket),
    noteFaults: (response, faults) => {
      const entry = entries.get(response);
      if (entry !== undefined && faults.length > 0) entry.faults = faults.map((fault) => fault.text);
    },
  };
}

function toTextHeaders(request: IncomingMessage): Record<string, string> {
  const pairs = Object.entries(request.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(', ') : (value ?? ''),
  ]);
  return Object.fromEntries(pairs);
}

/** `POST /v1/videos/generations 429 [submit:429]`; signatures stay out of the line. */
function formatLine(entry: LoggedRequest): string {
  const path = entry.path.replace(/([?&]sig=)[^&]*/, '$1…');
  const faults = entry.faults === undefined ? '' : ` [${entry.faults.join(' ')}]`;
  return `${entry.method} ${path} ${entry.status ?? 'no answer'}${faults}`;
}

function answerBug(
  error: unknown,
  response: ServerResponse,
  log: ((line: string) => void) | undefined,
): void {
  if (response.destroyed) return; // The client went away, or the sandbox closes.
  log?.(`sandbox error: ${error instanceof Error ? error.message : String(error)}`);
  if (response.headersSent) response.destroy();
  else
    sendAnswer(
      response,
      jsonAnswer(500, toErrorBody(new ApiProblem(500, 'internal_error', 'Internal server error'))),
    );
}
