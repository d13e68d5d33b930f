import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Fault } from './fault-plan.ts';
import { lifeAt, type SandboxTask } from './tasks.ts';

/** Prefix of the sandbox's own endpoints, which the ledger leaves out. */
const ADMIN_PATH = '/__sandbox/';
const MAX_REQUESTS = 20_000;
const SECRET_HEADERS = ['authorization', 'proxy-authorization', 'x-api-key', 'api-key', 'cookie'];
const isSecret = (name: string) => SECRET_HEADERS.includes(name);

/** One request as it came in. The key itself is never kept; signatures are, they are this server's own. */
type LoggedRequest = ReturnType<typeof toEntry>;

function toEntry(
  server: 'api' | 'link',
  { method = '', url: path = '/', headers }: IncomingMessage,
  response: ServerResponse,
  atMs: number,
) {
  const shown = Object.entries(headers).map(([name, value]) => [
    name,
    isSecret(name) ? '[hidden]' : `${value}`,
  ]);
  return {
    atMs,
    server,
    method,
    path,
    headers: Object.fromEntries(shown) as Readonly<Record<string, string>>,
    hasAuthorization: 'authorization' in headers,
    idempotencyKey: headers['idempotency-key']?.toString(),
    /** Absent while no answer has begun, and for good after a reset or a hang. */
    get status() {
      return response.headersSent ? response.statusCode : undefined;
    },
    /** The faults that struck, as written. */
    faults: undefined as readonly string[] | undefined,
  };
}

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
  const callbacks: object[] = [];
  const leaks: LoggedRequest[] = [];
  const entries = new WeakMap<ServerResponse, LoggedRequest>();
  const served = new WeakSet<Socket>();

  const begin = (server: 'api' | 'link', request: IncomingMessage, response: ServerResponse): void => {
    if (request.url?.startsWith(ADMIN_PATH)) return;
    const entry = toEntry(server, request, response, now());
    requests.push(entry);
    if (requests.length > MAX_REQUESTS) requests.shift();
    if (server === 'link' && Object.keys(request.headers).some(isSecret)) leaks.push(entry);
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
    /** One try of a callback; `skipped`: the address is not on this machine, so it was not called. */
    logCallback: (
      { id: taskId, callbackUrl: url }: SandboxTask,
      attempt: number,
      outcome: 'delivered' | 'refused' | 'failed' | 'skipped',
      status?: number,
    ): void => void callbacks.push({ taskId, url, atMs: now(), attempt, outcome, status }),
    /** Requests for a result link that carried a credential. */
    leakedCredentials: () => [...leaks],
    /** Says whether this connection has served a request before. */
    isReused: (socket: Socket): boolean => served.has(socket),
    /** Writes down which faults struck the request behind an answer. */
    noteFaults: (response: ServerResponse, faults: readonly Fault[]): void => {
      const entry = entries.get(response);
      if (entry !== undefined && faults.length > 0) entry.faults = faults.map((fault) => fault.text);
    },
    begin,
    /** From now on, this connection has served a request. */
    noteServed: (socket: Socket): void => void served.add(socket),
  };
}

/** `POST /v1/videos/generations 429 [submit:429]`; signatures stay out of the line. */
function formatLine({ method, path, status, faults }: LoggedRequest): string {
  const shown = path.replace(/([?&]sig=)[^&]*/, '$1…');
  return `${method} ${shown} ${status ?? 'no answer'}${faults === undefined ? '' : ` [${faults.join(' ')}]`}`;
}
