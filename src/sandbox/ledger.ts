import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { SandboxTask } from './tasks.ts';

/** Prefix of the sandbox's own endpoints, which the ledger leaves out. */
const ADMIN_PATH = '/__sandbox/';
const MAX_REQUESTS = 20_000;
const SECRET_HEADERS = ['authorization', 'proxy-authorization', 'x-api-key', 'api-key', 'cookie'];

/** One request as it came in. The key itself is never kept; signatures are, they are this server's own. */
type LoggedRequest = ReturnType<typeof toEntry>;
const HIDDEN = '[hidden]';

function toEntry(
  server: 'api' | 'link',
  { method = '', url: path = '/', headers }: IncomingMessage,
  response: ServerResponse,
  atMs: number,
  isReused: boolean,
) {
  const shown = Object.entries(headers).map(([name, value]) => [
    name,
    SECRET_HEADERS.includes(name) ? HIDDEN : `${value}`,
  ]);
  return {
    atMs,
    server,
    method,
    path,
    headers: Object.fromEntries(shown) as Readonly<Record<string, string>>,
    idempotencyKey: headers['idempotency-key']?.toString(),
    /** Whether its connection has served a request before. */
    isReused,
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
  const entries = new WeakMap<ServerResponse, LoggedRequest>();
  const served = new WeakSet<Socket>();
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
    /** The tries of callbacks. */
    callbacks: [] as object[],
    /** Requests for a result link that carried a credential. */
    leakedCredentials: () =>
      requests.filter(({ server, headers }) => server === 'link' && Object.values(headers).includes(HIDDEN)),
    /** The request behind an answer. */
    entryOf: (response: ServerResponse) => entries.get(response),
    begin: (server: 'api' | 'link', request: IncomingMessage, response: ServerResponse): void => {
      if (request.url?.startsWith(ADMIN_PATH)) return;
      const entry = toEntry(server, request, response, now(), served.has(request.socket));
      served.add(request.socket);
      requests.push(entry);
      if (requests.length > MAX_REQUESTS) requests.shift();
      entries.set(response, entry);
      response.on('close', () => log(formatLine(entry)));
    },
  };
}

/** `POST /v1/videos/generations 429 [submit:429]`; signatures stay out of the line. */
function formatLine({ method, path, status, faults }: LoggedRequest): string {
  const shown = path.replace(/([?&]sig=)[^&]*/, '$1…');
  return `${method} ${shown} ${status ?? 'no answer'}${faults === undefined ? '' : ` [${faults.join(' ')}]`}`;
}
