import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Fault } from './fault-plan.ts';
import { ApiProblem, sendAnswer } from './http.ts';
import { lifeAt, type SandboxTask } from './tasks.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

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
  readonly idempotencyKey: string | undefined;
  /** Absent while no answer has begun, and for good after a reset or a hang. */
  readonly status: number | undefined;
  /** The faults that struck, as written. */
  faults?: readonly string[] | undefined;
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

/** Prefix of the sandbox's own endpoints, which the ledger leaves out. */
const ADMIN_PATH = '/__sandbox/';
const MAX_REQUESTS = 20_000;
const SECRET_HEADERS = ['authorization', 'proxy-authorization', 'x-api-key', 'api-key', 'cookie'];

/**
 * What happened, for tests to question; of the requests the newest 20,000.
 * @param allTasks oldest first
 * @param log gets a line for each request
 */
export function createLedger(
  now: () => number,
  allTasks: () => readonly SandboxTask[],
  log: (line: string) => void = () => {},
) {
  const requests: LoggedRequest[] = [];
  const callbacks: CallbackAttempt[] = [];
  const leaks: LoggedRequest[] = [];
  const entries = new WeakMap<ServerResponse, LoggedRequest>();
  const served = new WeakSet<Socket>();
  let lastNumber = 0;

  const begin = (server: 'api' | 'link', request: IncomingMessage, response: ServerResponse): void => {
    const { method = '', url: path = '/', headers } = request;
    if (path.startsWith(ADMIN_PATH)) return;
    const isSecret = (name: string) => SECRET_HEADERS.includes(name);
    lastNumber += 1;
    const entry: LoggedRequest = {
      number: lastNumber,
      atMs: now(),
      server,
      method,
      path,
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, isSecret(name) ? '[hidden]' : `${value}`]),
      ),
      hasAuthorization: 'authorization' in headers,
      idempotencyKey: headers['idempotency-key']?.toString(),
      get status() {
        return response.headersSent ? response.statusCode : undefined;
      },
    };
    requests.push(entry);
    if (requests.length > MAX_REQUESTS) requests.shift();
    if (server === 'link' && Object.keys(headers).some(isSecret)) leaks.push(entry);
    entries.set(response, entry);
    response.on('close', () => log(formatLine(entry)));
  };
  return {
    requests: () => [...requests],
    /** Requests with this method whose path begins so. */
    count: (method: string, pathStart: string): number =>
      requests.filter((each) => each.method === method && each.path.startsWith(pathStart)).length,
    /** What each accepted submit cost; the fingerprint is the SHA-256 of the request, its keys sorted. */
    charges: () =>
      allTasks().map(({ id: taskId, idempotencyKey, fingerprint, reservedCredits, end }) => {
        const state = end === undefined ? 'reserved' : end.status === 'completed' ? 'charged' : 'refunded';
        const chargedCredits = end?.chargedCredits ?? 0;
        return { taskId, idempotencyKey, fingerprint, reservedCredits, chargedCredits, state };
      }),
    tasks: () =>
      allTasks().map((task) => {
        const { id, model, createdAtMs } = task;
        return { id, model, status: lifeAt(task, now()).status, createdAtMs };
      }),
    callbacks: () => [...callbacks],
    logCallback: (attempt: CallbackAttempt): void => void callbacks.push(attempt),
    /** Requests for a result link that carried a credential. */
    leakedCredentials: () => [...leaks],
    /** Says whether this connection has served a request before. */
    isReused: (socket: Socket): boolean => served.has(socket),
    /** Writes down which faults struck the request behind an answer. */
    noteFaults: (response: ServerResponse, faults: readonly Fault[]): void => {
      const entry = entries.get(response);
      if (entry !== undefined && faults.length > 0) entry.faults = faults.map((fault) => fault.text);
    },
    /** The same handler, with its requests in the ledger, its rejections as answers and its bugs as a 500. */
    wrap:
      (server: 'api' | 'link', handler: Handler): Handler =>
      async (request, response) => {
        begin(server, request, response);
        const { socket } = request;
        await handler(request, response).catch((error: unknown) => {
          if (response.destroyed) return; // The client went away, or the sandbox closes.
          const isProblem = error instanceof ApiProblem;
          if (!isProblem) log(`sandbox error: ${error instanceof Error ? error.message : String(error)}`);
          const problem = isProblem ? error : new ApiProblem(500, 'internal_error', 'Internal server error');
          if (response.headersSent) response.destroy();
          else sendAnswer(response, problem.toAnswer());
        });
        served.add(socket);
      },
  };
}

/** `POST /v1/videos/generations 429 [submit:429]`; signatures stay out of the line. */
function formatLine({ method, path, status, faults }: LoggedRequest): string {
  const shown = path.replace(/([?&]sig=)[^&]*/, '$1…');
  return `${method} ${shown} ${status ?? 'no answer'}${faults === undefined ? '' : ` [${faults.join(' ')}]`}`;
}
