import pMap from 'p-map';
import { type LinkClient, LinkFailure, type LinkResponse } from '../config/output-pattern.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { Clock } from '../platform/clock.ts';
import type { Inspection } from './facts.ts';
import { inspectHead } from './inspect.ts';

export interface UrlCheckOptions {
  readonly links: LinkClient;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** For everything together; default 10 s. */
  readonly timeLimitMs?: number | undefined;
}

const HEAD_BYTES = 512 * 1024;
/** A check must not hold up the work. */
const TIME_LIMIT_MS = 10_000;

/**
 * Reads the first bytes behind a URL, without credentials: type, whole size and, where the head holds them, pixels and
 * length. What can't be reached or read is a remark: the service may see it otherwise. An address that no service can
 * reach is a problem.
 */
export async function checkUrl(
  url: string,
  { links, clock, signal, timeLimitMs = TIME_LIMIT_MS }: UrlCheckOptions,
): Promise<Inspection> {
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'https:' && !isLoopbackHost(hostname))
    return remark('was not checked: only https is read here');
  const ending = new AbortController();
  const stop = () => ending.abort(signal?.reason);
  signal?.addEventListener('abort', stop, { once: true });
  const cancel = clock.after(timeLimitMs, () => ending.abort(new TimeLimit(timeLimitMs)));
  try {
    signal?.throwIfAborted();
    const head = await readHead(links, url, ending.signal);
    if (typeof head === 'string') return remark(head);
    return head.bytes.length === 0 ? remark('is empty') : await inspectHead(head.bytes, head.sizeBytes);
  } catch (error) {
    return explain(error);
  } finally {
    cancel();
    signal?.removeEventListener('abort', stop);
  }
}

class TimeLimit extends Error {
  readonly seconds: number;

  constructor(limitMs: number) {
    super('the time is over');
    this.seconds = Math.max(1, Math.round(limitMs / 1000));
  }
}

function remark(text: string): Inspection {
  return { problems: [], remarks: [text] };
}

function explain(error: unknown): Inspection {
  if (error instanceof TimeLimit) return remark(`did not answer whole within ${error.seconds} s`);
  if (!(error instanceof LinkFailure)) throw error;
  if (error.reason !== 'address') return remark(`could not be reached: ${error.message}`);
  const allowed = 'the service must be able to reach it over the public internet';
  return { problems: [{ rule: 'address', is: `can't be fetched: ${error.message}`, allowed }], remarks: [] };
}

interface Head {
  readonly bytes: Uint8Array;
  /** Absent where the host does not tell. */
  readonly sizeBytes?: number | undefined;
}

async function readHead(links: LinkClient, url: string, signal: AbortSignal): Promise<Head | string> {
  const response = await links.open(url, { range: `bytes=0-${HEAD_BYTES - 1}`, signal });
  try {
    if (response.status === 416) return 'is empty, or its host does not serve parts of it';
    if (response.status !== 200 && response.status !== 206) return `answers with status ${response.status}`;
    const chunks: Uint8Array[] = [];
    let lengthBytes = 0;
    for await (const chunk of response.body) {
      chunks.push(Uint8Array.from(chunk));
      lengthBytes += chunk.length;
      if (lengthBytes >= HEAD_BYTES) break;
    }
    const bytes = Buffer.concat(chunks).subarray(0, HEAD_BYTES);
    return { bytes, sizeBytes: wholeSize(response, lengthBytes) };
  } finally {
    response.close();
  }
}

/** From `content-range: bytes 0-524287/1048576`, else from the length of a whole answer. */
function wholeSize({ status, headers }: LinkResponse, readBytes: number): number | undefined {
  const ranged = /\/(\d{1,15})\s*$/.exec(headers['content-range'] ?? '')?.[1];
  const announced = status === 200 ? headers['content-length'] : undefined;
  const text = ranged ?? announced;
  if (text !== undefined && /^\d{1,15}$/.test(text)) return Number(text);
  return readBytes < HEAD_BYTES ? readBytes : undefined;
}

/** Whether an upload is still served: false only where its host says that there is nothing (any more). */
export async function isStillThere(url: string, { links, clock, signal }: UrlCheckOptions): Promise<boolean> {
  const ending = new AbortController();
  const cancel = clock.after(TIME_LIMIT_MS, () => ending.abort(new TimeLimit(TIME_LIMIT_MS)));
  const stop = () => ending.abort(signal?.reason);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const { status, close } = await links.open(url, { range: 'bytes=0-0', signal: ending.signal });
    close();
    return status !== 404 && status !== 410;
  } catch {
    signal?.throwIfAborted();
    return true;
  } finally {
    cancel();
    signal?.removeEventListener('abort', stop);
  }
}

/** Looks at one URL, for at most so long. */
export type CheckUrl = (url: string, timeLimitMs?: number) => Promise<Inspection>;

export interface UrlsCheckOptions {
  readonly check: CheckUrl;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** For all URLs together; absent = each has its own time only. */
  readonly totalLimitMs?: number | undefined;
}

/** A host that does not answer keeps its place until its time is over. */
const CONCURRENCY = 16;

const LATE: Inspection = {
  problems: [],
  remarks: ['was not looked at: the hosts before it took all the time; --check-urls waits for each'],
};

/** Looks at each URL once, some at a time. A URL whose turn does not come before the time is over gets a remark. */
export async function checkUrls(
  urls: Iterable<string>,
  { check, clock, totalLimitMs }: UrlsCheckOptions,
): Promise<ReadonlyMap<string, Inspection>> {
  const endsAtMs = totalLimitMs === undefined ? undefined : clock.monotonicMs() + totalLimitMs;
  const look = async (url: string): Promise<Inspection> => {
    const leftMs = endsAtMs === undefined ? undefined : endsAtMs - clock.monotonicMs();
    return leftMs !== undefined && leftMs <= 0 ? LATE : check(url, leftMs);
  };
  const found = await pMap(new Set(urls), async (url) => [url, await look(url)] as const, {
    concurrency: CONCURRENCY,
  });
  return new Map(found);
}
