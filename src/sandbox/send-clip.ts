import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { chooseRange } from './byte-range.ts';
import type { Clip } from './clip-store.ts';
import { sendCut } from './faults/break-connection.ts';
import type { Fault } from './faults/fault-types.ts';
import type { ServerClock } from './server-clock.ts';

/** Modifiers by kind. */
export type Modifiers = ReadonlyMap<string, Fault>;

export interface ClipAnswer {
  readonly status: number;
  readonly headers: Record<string, string | number>;
  readonly body: Uint8Array;
}

export interface ClipQuestion {
  readonly clip: Clip;
  readonly lastModified: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly modifiers: Modifiers;
}

/** Status, headers and bytes of a clip, modifiers applied: 200, 206 or 416. */
export function toClipAnswer({ clip, modifiers, ...question }: ClipQuestion): ClipAnswer {
  const amount = (kind: string): number => modifiers.get(kind)?.amount ?? 0;
  const validators = toValidators(clip, question.lastModified, modifiers);
  const headers: Record<string, string | number> = { ...validators, 'content-type': 'video/mp4' };
  const disposition = modifiers.get('disposition');
  if (disposition !== undefined) headers['content-disposition'] = toDisposition(disposition, '../../evil.sh');
  if (modifiers.has('gzip')) {
    return finish(
      { status: 200, headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(clip.bytes) },
      modifiers,
    );
  }
  headers['accept-ranges'] = 'bytes';
  const total = clip.bytes.length;
  const choice = modifiers.has('ignore-range')
    ? ({ kind: 'whole' } as const)
    : chooseRange({ ...question, sizeBytes: total, etag: validators.etag });
  if (choice.kind === 'unsatisfiable') {
    return {
      status: 416,
      headers: { 'content-range': `bytes */${total}`, 'content-length': 0 },
      body: new Uint8Array(),
    };
  }
  if (choice.kind === 'whole') return finish({ status: 200, headers, body: clip.bytes }, modifiers);
  const first = Math.min(choice.first + amount('wrong-start'), choice.last);
  headers['content-range'] = `bytes ${first}-${choice.last}/${total + amount('wrong-total')}`;
  return finish({ status: 206, headers, body: clip.bytes.subarray(first, choice.last + 1) }, modifiers);
}

function toValidators(
  clip: Clip,
  lastModified: string,
  modifiers: Modifiers,
): { etag?: string; 'last-modified'?: string } {
  if (modifiers.has('no-etag')) return {};
  return { etag: modifiers.has('weak-etag') ? `W/${clip.etag}` : clip.etag, 'last-modified': lastModified };
}

function finish(answer: ClipAnswer, modifiers: Modifiers): ClipAnswer {
  const length = Math.max(0, answer.body.length + (modifiers.get('wrong-length')?.amount ?? 0));
  const extra = modifiers.get('extra')?.amount ?? 0;
  const body = extra > 0 ? Buffer.concat([answer.body, Buffer.alloc(extra)]) : answer.body;
  const hasLength = !modifiers.has('no-length') && !modifiers.has('chunked');
  return {
    ...answer,
    body,
    headers: hasLength ? { ...answer.headers, 'content-length': length } : answer.headers,
  };
}

/** The header of a `disposition` or `early-hints` fault. */
export function toDisposition(fault: Fault, fallback: string): string {
  return `attachment; filename="${fault.options.name ?? fallback}"`;
}

export interface ClipSending {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly clock: ServerClock;
  readonly modifiers: Modifiers;
  /** Ends drips when the server closes. */
  readonly signal: AbortSignal;
}

/** Writes a clip's answer, as slowly and as incompletely as the modifiers say. */
export async function sendClip(answer: ClipAnswer, sending: ClipSending): Promise<void> {
  const { response, modifiers } = sending;
  if (modifiers.has('no-length')) {
    response.removeHeader('transfer-encoding'); // Neither length nor chunks: the end of the connection ends the body.
    response.removeHeader('content-length');
  }
  const isOff = ['no-length', 'wrong-length', 'extra'].some((kind) => modifiers.has(kind));
  response.writeHead(answer.status, isOff ? { ...answer.headers, connection: 'close' } : answer.headers);
  if (sending.request.method === 'HEAD') {
    response.end();
    return;
  }
  const cut = modifiers.get('cut');
  const body = cut === undefined ? answer.body : answer.body.subarray(0, cut.amount);
  const rate = modifiers.get('drip')?.amount;
  if (rate !== undefined) await drip(body, rate, sending);
  if (cut !== undefined) return endCut(response, rate === undefined ? body : new Uint8Array(), cut);
  if (modifiers.has('wrong-length'))
    return sendCut(response, rate === undefined ? body : new Uint8Array(), true);
  if (rate === undefined) response.end(body);
  else response.end();
}

async function endCut(response: ServerResponse, bytes: Uint8Array, cut: Fault): Promise<void> {
  if (!('stall' in cut.options)) return sendCut(response, bytes, !('rst' in cut.options));
  if (bytes.length > 0) response.write(bytes);
  else response.flushHeaders();
}

/** Sends so many bytes a second: ten slices a second, or one byte at a time when that is too many. */
async function drip(
  bytes: Uint8Array,
  bytesPerSecond: number,
  { response, clock, signal }: ClipSending,
): Promise<void> {
  const slice = Math.max(1, Math.floor(bytesPerSecond / 10));
  const pauseMs = (slice / Math.max(1, bytesPerSecond)) * 1000;
  for (let sent = 0; sent < bytes.length && !response.destroyed; sent += slice) {
    response.write(bytes.subarray(sent, sent + slice));
    const isStopped = await clock.sleep(pauseMs, signal).then(
      () => false,
      () => true,
    );
    if (isStopped) return;
  }
}
