/** One request as it came in. The key itself is never kept. */
export interface LoggedRequest {
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

export type NewRequest = Pick<LoggedRequest, 'atMs' | 'server' | 'method' | 'path' | 'headers'> & {
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
