import { dirname } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import { createByteReporter } from './byte-reporter.ts';
import { decideResponse, type ResponseAction } from './decide-response.ts';
import { decodeBody, isKnownCoding } from './decode-body.ts';
import type { Obstacle } from './download-errors.ts';
import { formatBytes } from './format-bytes.ts';
import { requireSpace } from './free-space.ts';
import type { PartFile } from './part-file.ts';
import { readBody } from './read-body.ts';
import {
  type DownloadEvent,
  type LinkClient,
  LinkFailure,
  type LinkJob,
  type LinkResponse,
} from './types.ts';

export interface DownloadDependencies {
  readonly client: LinkClient;
  readonly clock: Clock;
  readonly emit: (event: DownloadEvent) => void;
}

/** What one request came to. */
export type AttemptEnd =
  /** Everything is here; still to be verified. */
  | { readonly kind: 'whole' }
  /** The host sent a shorter range than asked for, in full: ask for the rest. */
  | { readonly kind: 'more' }
  | {
      readonly kind: 'retry';
      readonly reason: string;
      readonly retryAfterMs?: number | undefined;
      /** Too slow: what came does not count as progress. */
      readonly isSlow?: boolean | undefined;
    }
  /** What is here was dropped; ask for the whole. */
  | { readonly kind: 'ask-again'; readonly reason: string }
  | { readonly kind: 'expired'; readonly status: number }
  | {
      readonly kind: 'fail';
      readonly reason: string;
      readonly isRetryable: boolean;
      readonly obstacle?: Obstacle | undefined;
    };

export interface Attempt {
  readonly link: string;
  readonly part: PartFile;
  readonly job: LinkJob;
}

/**
 * One request, written to the part as far as it comes. Never throws for what the network or the host does.
 * @throws the signal's reason when aborted; errors of the disk
 */
export async function fetchPart(deps: DownloadDependencies, attempt: Attempt): Promise<AttemptEnd> {
  const { part, job } = attempt;
  const offsetBytes = part.sizeBytes();
  const { validator, totalBytes } = part.source();
  const asked = validator === undefined ? { offsetBytes: 0 } : { offsetBytes, validator, totalBytes };
  const range = asked.offsetBytes > 0 ? { range: `bytes=${offsetBytes}-`, ifRange: validator } : {};
  let response: LinkResponse;
  try {
    response = await deps.client.open(attempt.link, { ...range, signal: job.signal });
  } catch (error) {
    job.signal.throwIfAborted();
    if (error instanceof LinkFailure) return endOfFailure(error);
    throw error;
  }
  try {
    return await act(deps, attempt, { response, action: decideResponse(asked, response, deps.clock.now()) });
  } finally {
    response.close();
  }
}

interface Answer {
  readonly response: LinkResponse;
  readonly action: ResponseAction;
}

async function act(
  deps: DownloadDependencies,
  attempt: Attempt,
  { response, action }: Answer,
): Promise<AttemptEnd> {
  const { part } = attempt;
  switch (action.kind) {
    case 'append':
      started(deps, attempt, action.totalBytes);
      return receive(deps, attempt, {
        body: response.body,
        lengthBytes: action.lengthBytes,
        totalBytes: action.totalBytes,
      });
    case 'whole':
      return receiveWhole(deps, attempt, { response, action });
    case 'complete':
      return { kind: 'whole' };
    case 'ask-again':
      await part.distrust();
      return action;
    case 'fail':
      return { kind: 'fail', reason: action.reason, isRetryable: false };
    case 'expired':
    case 'retry':
      return action;
  }
}

async function receiveWhole(
  deps: DownloadDependencies,
  attempt: Attempt,
  {
    response,
    action,
  }: { readonly response: LinkResponse; readonly action: Extract<ResponseAction, { kind: 'whole' }> },
): Promise<AttemptEnd> {
  const { part, job } = attempt;
  const { coding, lengthBytes, validator } = action;
  if (coding !== undefined && !isKnownCoding(coding)) {
    return { kind: 'fail', reason: `the host sent an unknown coding "${coding}"`, isRetryable: false };
  }
  const totalBytes = coding === undefined ? lengthBytes : undefined;
  if (totalBytes !== undefined && totalBytes > job.limits.maxSizeBytes) return tooLarge(job);
  if (totalBytes !== undefined) await requireSpace(dirname(part.paths.part), totalBytes);
  const reason =
    action.reason ?? (part.sizeBytes() > 0 ? 'the host gave nothing to recognise the version by' : undefined);
  if (reason !== undefined) deps.emit({ kind: 'download-restarted', taskId: job.taskId, reason });
  await part.startOver({ validator, totalBytes });
  started(deps, attempt, totalBytes);
  const body = coding === undefined ? response.body : decodeBody(response.body, { coding, lengthBytes });
  return receive(deps, attempt, { body, lengthBytes: totalBytes, totalBytes });
}

interface Incoming {
  readonly body: AsyncIterable<Uint8Array>;
  readonly lengthBytes?: number | undefined;
  readonly totalBytes?: number | undefined;
}

async function receive(
  deps: DownloadDependencies,
  { part, job }: Attempt,
  incoming: Incoming,
): Promise<AttemptEnd> {
  const { totalBytes } = incoming;
  const report = createByteReporter(deps, { taskId: job.taskId, totalBytes });
  const end = await readBody({
    ...incoming,
    offsetBytes: part.sizeBytes(),
    limits: job.limits,
    clock: deps.clock,
    signal: job.signal,
    write: (chunk) => {
      const wait = part.write(chunk);
      report(part.sizeBytes());
      return wait;
    },
  });
  // What can't be written must end the download here, not look like trouble of the network.
  await part.flush();
  if (end.kind === 'ended') {
    report(part.sizeBytes(), true);
    return totalBytes === undefined || part.sizeBytes() === totalBytes ? { kind: 'whole' } : { kind: 'more' };
  }
  if (end.kind === 'too-large') {
    await part.discard();
    return tooLarge(job);
  }
  if (end.isSuspect) await part.distrust();
  return end.failure === undefined
    ? { kind: 'retry', reason: end.reason, isSlow: end.isSlow }
    : endOfFailure(end.failure);
}

function started(deps: DownloadDependencies, { part, job }: Attempt, totalBytes: number | undefined): void {
  deps.emit({ kind: 'download-started', taskId: job.taskId, totalBytes, resumedFromBytes: part.sizeBytes() });
}

function endOfFailure(failure: LinkFailure): AttemptEnd {
  const { message: reason, isTransient, reason: obstacle } = failure;
  return isTransient ? { kind: 'retry', reason } : { kind: 'fail', reason, isRetryable: false, obstacle };
}

function tooLarge({ limits }: LinkJob): AttemptEnd {
  return {
    kind: 'fail',
    reason: `the file is larger than ${formatBytes(limits.maxSizeBytes)}, the largest size allowed`,
    isRetryable: false,
    obstacle: 'too-large',
  };
}
