import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Fault } from './fault-table.ts';
import { ApiProblem, type Handler, jsonAnswer, sendAnswer, toErrorBody } from './http.ts';

/** One request as it came in. The key itself is never kept. */
interface LoggedRequest {
  readonly number: number;
  readonly atMs: number;
  readonly server: 'api' | 'link';
  readonly method: string;
  /** Path and query; signatures are kept, they are this server's own. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly hasAuthorization: boolean;
  readonly idempotencyKey?: string | undefined;
  /** Absent while no answer has begun, and for good after a reset or a hang. */
  readonly status?: number | undefined;
  /** The faults that struck, as written. */
  faults?: readonly string[] | undefined;
}

/** What one accepted submit cost. */
export interface Charge {
  readonly taskId: string;
  readonly idempotencyKey: string | undefined;
  /** SHA-256 of the request, its keys sorted. */
  readonly fingerprint: string;
  readonly reservedCredits: number;
  readonly chargedCredits: number;
  readonly state: 'reserved' | 'charged' | 'refunded';
}

/** One try of a callback. */
export interface CallbackAttempt {
  readonly taskId: string;
  readonly url: string;
  readonly atMs: number;
  readonly attempt: number;
  /** `skipped`: the address is not on this machine, so it was not called. */
  readonly outcome: 'delivered' | 'refused' | 'failed' | 'skipped';
  readonly status?: number | undefined;
}

export interface LedgerTask {
  readonly id: string;
  readonly model: string;
  readonly status: string;
  readonly createdAtMs: number;
}

/** What happened, for tests to question. */
export interface Ledger {
  requests(): readonly LoggedRequest[];
  /** Requests with this method whose path begins so. */
  count(method: string, pathStart: string): number;
  charges(): readonly Charge[];
  /** Accepted submits with this idempotency key or fingerprint: the answer to "was it paid twice?". */
  chargesFor(keyOrFingerprint: string): readonly Charge[];
  tasks(): readonly LedgerTask[];
  callbacks(): readonly CallbackAttempt[];
  /** Requests for a result link that carried a credential. */
  leakedCredentials(): readonly LoggedRequest[];
}

const MAX_REQUESTS = 20_000;
const SECRET_HEADERS = ['authorization', 'proxy-authorization', 'x-api-key', 'api-key', 'cookie'];

type NewRequest = Pick<LoggedRequest, 'atMs' | 'server' | 'method' | 'path' | 'headers'> & {
  /** The status as soon as an answer has begun. */
  readonly readStatus: () => number | undefined;
};

export interface LedgerBook {
  logRequest(request: NewRequest): LoggedRequest;
  logCallback(attempt: CallbackAttempt): void;
  view(sources: Pick<Ledger, 'charges' | 'tasks'>): Ledger;
}

/** Collects requests and callbacks; the oldest requests go when there are very many. */
export function createLedgerBook(): LedgerBook {
  const requests: LoggedRequest[] = [];
  const callbacks: CallbackAttempt[] = [];
  const leaks: LoggedRequest[] = [];
  let lastNumber = 0;

  return {
    logRequest: ({ readStatus, ...request }) => {
      lastNumber += 1;
      const hasCredential = SECRET_HEADERS.some((name) => name in request.headers);
      const logged: LoggedRequest = {
        ...request,
        number: lastNumber,
        headers: Object.fromEntries(
          Object.entries(request.headers).map(([name, value]) => [
            name,
            SECRET_HEADERS.includes(name) ? '[hidden]' : value,
          ]),
        ),
        hasAuthorization: 'authorization' in request.headers,
        idempotencyKey: request.headers['idempotency-key'],
        get status() {
          return readStatus();
        },
      };
      requests.push(logged);
      if (requests.length > MAX_REQUESTS) requests.shift();
      if (request.server === 'link' && hasCredential) leaks.push(logged);
      return logged;
    },
    logCallback: (attempt) => {
      callbacks.push(attempt);
    },
    view: ({ charges, tasks }) => ({
      requests: () => [...requests],
      count: (method, pathStart) =>
        requests.filter((each) => each.method === method && each.path.startsWith(pathStart)).length,
      charges,
      chargesFor: (wanted) =>
        charges().filter((charge) => charge.idempotencyKey === wanted || charge.fingerprint === wanted),
      tasks,
      callbacks: () => [...callbacks],
      leakedCredentials: () => [...leaks],
    }),
  };
}

/** Prefix of the sandbox's own endpoints, which the ledger leaves out. */
const ADMIN_PATH = '/__sandbox/';

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
