import { HttpFailure } from '../api/http.ts';
import type { LinkClient } from '../api/links.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { Clock } from '../platform/clock.ts';
import type { Inspection } from './facts.ts';
import { inspectHead } from './inspect.ts';

type LinkAnswer = Awaited<ReturnType<LinkClient['open']>>;

export interface UrlCheckOptions {
  readonly links: LinkClient;
  readonly clock: Pick<Clock, 'after'>;
  readonly signal?: AbortSignal | undefined;
}

const HEAD_BYTES = 512 * 1024;
/** A check must not hold up the work. */
const TIME_LIMIT_MS = 10_000;
const TIME_IS_OVER = new Error(`did not answer whole within ${TIME_LIMIT_MS / 1000} s`);

/**
 * Reads the first bytes behind a URL, without credentials: type, whole size and, where the head holds them, pixels and
 * length. What can't be reached or read is a remark: the service may see it otherwise. An address that no service can
 * reach is a problem.
 */
export async function checkUrl(url: string, options: UrlCheckOptions): Promise<Inspection> {
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'https:' && !isLoopbackHost(hostname))
    return remark('was not checked: only https is read here');
  try {
    return await openHead(url, `bytes=0-${HEAD_BYTES - 1}`, options, inspectResponse);
  } catch (error) {
    if (error === TIME_IS_OVER) return remark(TIME_IS_OVER.message);
    if (!(error instanceof HttpFailure)) throw error;
    if (error.facts.reason !== 'address') return remark(`could not be reached: ${error.message}`);
    const allowed = 'the service must be able to reach it over the public internet';
    return {
      problems: [{ rule: 'address', is: `can't be fetched: ${error.message}`, allowed }],
      remarks: [],
    };
  }
}

/** Whether an upload is still served: false only where its host says that there is nothing (any more). */
export async function isStillThere(url: string, options: UrlCheckOptions): Promise<boolean> {
  try {
    return await openHead(url, 'bytes=0-0', options, async ({ status }) => status !== 404 && status !== 410);
  } catch {
    options.signal?.throwIfAborted();
    return true;
  }
}

/** Opens a part of what lies behind a URL, reads it within the time limit, and closes the connection. */
async function openHead<T>(
  url: string,
  range: string,
  { links, clock, signal }: UrlCheckOptions,
  read: (response: LinkAnswer) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const cancel = clock.after(TIME_LIMIT_MS, () => limit.abort(TIME_IS_OVER));
  try {
    const ending = AbortSignal.any([limit.signal, ...(signal === undefined ? [] : [signal])]);
    const response = await links.open(url, { range, signal: ending });
    try {
      return await read(response);
    } finally {
      response.close();
    }
  } finally {
    cancel();
  }
}

function remark(text: string): Inspection {
  return { problems: [], remarks: [text] };
}

async function inspectResponse(response: LinkAnswer): Promise<Inspection> {
  const { status, body } = response;
  if (status === 416) return remark('is empty, or its host does not serve parts of it');
  if (status !== 200 && status !== 206) return remark(`answers with status ${status}`);
  const chunks: Uint8Array[] = [];
  let lengthBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    lengthBytes += chunk.length;
    if (lengthBytes >= HEAD_BYTES) break;
  }
  if (lengthBytes === 0) return remark('is empty');
  return inspectHead(Buffer.concat(chunks).subarray(0, HEAD_BYTES), wholeSize(response, lengthBytes));
}

/** From `content-range: bytes 0-524287/1048576`, else from the length of a whole answer. */
function wholeSize({ status, headers }: LinkAnswer, readBytes: number): number | undefined {
  const ranged = /\/(\d{1,15})\s*$/.exec(headers['content-range'] ?? '')?.[1];
  const text = ranged ?? (status === 200 ? headers['content-length'] : undefined);
  if (text !== undefined && /^\d{1,15}$/.test(text)) return Number(text);
  return readBytes < HEAD_BYTES ? readBytes : undefined;
}

export type CheckUrl = (url: string) => Promise<Inspection>;
