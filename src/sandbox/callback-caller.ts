import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { addressKind } from './address-kind.ts';
import type { CallbackAttempt, LedgerBook } from './ledger.ts';
import type { ServerClock } from './server-clock.ts';

const TIMEOUT_MS = 10_000;
/** Waits before the second, third and fourth try. */
const RETRY_DELAYS_MS = [1000, 2000, 4000];

export interface CallbackOptions {
  readonly clock: ServerClock;
  readonly ledger: LedgerBook;
  /** Ends waits and open connections. */
  readonly signal: AbortSignal;
}

export interface CallbackOrder {
  readonly taskId: string;
  readonly url: string;
  /** The task object. */
  readonly payload: unknown;
}

/**
 * POSTs the task object to its callback address, up to four times, until a 2xx answers. Only loopback addresses
 * are ever called; any other is noted as skipped. Never throws.
 */
export async function callBack(order: CallbackOrder, options: CallbackOptions): Promise<void> {
  const note = (attempt: number, outcome: CallbackAttempt['outcome'], status?: number): void =>
    options.ledger.logCallback({
      taskId: order.taskId,
      url: order.url,
      atMs: options.clock.now(),
      attempt,
      outcome,
      status,
    });
  if (addressKind(new URL(order.url)) !== 'loopback') return note(1, 'skipped');
  for (const [index, delayMs] of [...RETRY_DELAYS_MS, undefined].entries()) {
    const status = await post(order, options);
    const isDelivered = status !== undefined && status >= 200 && status < 300;
    note(index + 1, isDelivered ? 'delivered' : status === undefined ? 'failed' : 'refused', status);
    if (isDelivered || delayMs === undefined || options.signal.aborted) return;
    const isStopped = await options.clock.sleep(delayMs, options.signal).then(
      () => false,
      () => true,
    );
    if (isStopped) return;
  }
}

/** One POST; `undefined` when no whole answer came within the timeout. */
function post(order: CallbackOrder, { clock, signal }: CallbackOptions): Promise<number | undefined> {
  const url = new URL(order.url);
  const body = Buffer.from(JSON.stringify(order.payload));
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    // A name such as x.localhost must not be looked up: what is called is this machine.
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const hostname = isIP(host) === 0 ? 'localhost' : host;
    const request = send({
      hostname,
      port: url.port,
      path: url.pathname + url.search,
      method: 'POST',
      headers,
      signal,
    });
    const cancel = clock.after(TIMEOUT_MS, () => request.destroy());
    const finish = (status: number | undefined): void => {
      cancel();
      resolve(status);
    };
    request.on('response', (response) => {
      response.resume();
      response.on('end', () => finish(response.statusCode));
      response.on('close', () => finish(undefined));
    });
    request.on('error', () => finish(undefined));
    request.on('close', () => finish(undefined));
    request.end(body);
  });
}
