import { createHash } from 'node:crypto';
import {
  type FreshLink,
  LinkFailure,
  type LinkJob,
  type LinkResponse,
  type SavedFile,
} from '../config/output-pattern.ts';
import { EvolinkError } from '../errors.ts';
import type { OutputStream } from '../platform/io.ts';
import {
  type DownloadFailure,
  downloadFailed,
  InvalidVideoError,
  type Obstacle,
  resultGone,
} from './errors.ts';
import {
  type AskedRange,
  type BodyEnd,
  createByteReporter,
  createRetryPolicy,
  type DownloadDependencies,
  decideResponse,
  decodeBody,
  type ResponseAction,
  readBody,
} from './fetch.ts';
import { linkIdentity } from './output.ts';
import { createBoxScanner, SNIFF_BYTES, sniffVideo } from './verify.ts';

/** Where streamed bytes go: checked on their way, held back until they are known to be those of an MP4. */
interface StreamSink {
  /** Bytes that went out. */
  writtenBytes(): number;
  sha256(): string;
  /** Forgets what was held back. Only while nothing went out. */
  startOver(): void;
  /** @throws InvalidVideoError; EvolinkError `local-io` when the reader has gone */
  push(chunk: Uint8Array): Promise<void>;
  /** Lets out what is held back of a body that has ended. @throws as `push` */
  flush(): Promise<void>;
  /** No more bytes come. @throws as `push` */
  finish(): Promise<void>;
}

/** A sink that keeps no more than the first bytes in memory. */
function createStreamSink(stdout: OutputStream, taskId: string): StreamSink {
  const hash = createHash('sha256');
  let scanner = createBoxScanner();
  let held: Uint8Array | undefined = new Uint8Array(0);
  let writtenBytes = 0;

  const write = async (bytes: Uint8Array) => {
    scanner.push(bytes);
    await stdout.write(bytes);
    if (stdout.isClosed()) throw readerGone(taskId);
    hash.update(bytes);
    writtenBytes += bytes.byteLength;
  };
  const flush = async () => {
    if (held === undefined || held.byteLength === 0) return;
    sniffVideo(held);
    const bytes = held;
    held = undefined;
    await write(bytes);
  };

  return {
    writtenBytes: () => writtenBytes,
    sha256: () => hash.copy().digest('hex'),
    startOver: () => {
      scanner = createBoxScanner();
      held = new Uint8Array(0);
    },
    push: async (chunk) => {
      if (held === undefined) return write(chunk);
      held = Buffer.concat([held, chunk]);
      if (held.byteLength >= SNIFF_BYTES) await flush();
    },
    flush,
    finish: async () => {
      await flush();
      scanner.finish();
    },
  };
}

function readerGone(taskId: string): EvolinkError {
  const resume = ['evolink', 'download', taskId];
  return new EvolinkError('local-io', 'standard output was closed before the whole video was written', {
    hint: `save the video to a file instead: ${resume.join(' ')}`,
    charged: 'yes',
    taskId,
    resume,
  });
}

export interface StreamLinkDependencies extends DownloadDependencies {
  readonly stdout: OutputStream;
}

/** What a request of a stream came to. `stuck`: it can't be continued without repeating bytes. */
type StreamEnd =
  | { readonly kind: 'ended' }
  /** A shorter range than asked for has come in full. */
  | { readonly kind: 'more' }
  | {
      readonly kind: 'trouble';
      readonly reason: string;
      readonly retryAfterMs?: number | undefined;
      readonly isSlow?: boolean;
    }
  | { readonly kind: 'expired'; readonly reason: string }
  | {
      readonly kind: 'stuck';
      readonly reason: string;
      readonly isRetryable: boolean;
      readonly obstacle?: Obstacle | undefined;
    };

const TOO_LARGE: StreamEnd = {
  kind: 'stuck',
  reason: 'the file is larger than allowed',
  isRetryable: false,
  obstacle: 'too-large',
};

interface Version {
  validator?: string | undefined;
  totalBytes?: number | undefined;
}

interface Stream {
  readonly deps: StreamLinkDependencies;
  readonly job: LinkJob;
  readonly sink: StreamSink;
  version: Version;
  link: FreshLink;
}

/**
 * Passes one result to standard output. Bytes that went out are never repeated: after a cut the download goes on at the
 * exact byte, under a validator, or ends. Nothing goes out before the first bytes are known to be those of an MP4. Length
 * and box structure are checked as they pass; sample tables, picture size and length in seconds can't be.
 * @throws EvolinkError `download` (9), `expired` (10), `local-io` (11: the reader went away); what `refreshLink` throws;
 * the signal's reason when aborted
 */
export async function streamLink(deps: StreamLinkDependencies, job: LinkJob): Promise<SavedFile> {
  const sink = createStreamSink(deps.stdout, job.taskId);
  const link = { link: job.link, linkExpiresAtMs: job.linkExpiresAtMs };
  const stream: Stream = { deps, job, sink, version: {}, link };
  const policy = createRetryPolicy({ ...deps, job, linkExpiresAtMs: () => stream.link.linkExpiresAtMs });
  let hasRefreshed = false;
  for (;;) {
    job.signal.throwIfAborted();
    const end = await attempt(stream);
    if (end.kind !== 'trouble' || end.isSlow !== true) policy.noteSize(sink.writtenBytes());
    if (end.kind === 'more') continue;
    if (end.kind === 'ended') return finish(sink);
    if (end.kind === 'stuck') throw failed(stream, end.reason, end);
    const isFresh = end.kind === 'expired' && (await refresh(stream, end.reason)) && !hasRefreshed;
    hasRefreshed ||= end.kind === 'expired';
    if (sink.writtenBytes() > 0 && stream.version.validator === undefined) {
      throw failed(stream, `${end.reason}, and the host gave nothing to continue by`);
    }
    if (isFresh) continue;
    const outcome = await policy.wait(end.reason, end.kind === 'trouble' ? end.retryAfterMs : undefined);
    if (outcome !== 'go-on') throw failed(stream, end.reason);
  }
}

function finish(sink: StreamSink): SavedFile {
  const warnings = [
    'on standard output only length and box structure of the video could be checked, not its contents',
  ];
  return { sizeBytes: sink.writtenBytes(), sha256: sink.sha256(), warnings };
}

function failed({ job, sink }: Stream, reason: string, failure: DownloadFailure = {}): EvolinkError {
  const writtenBytes = sink.writtenBytes();
  const written =
    writtenBytes === 0
      ? 'nothing was written'
      : `${writtenBytes} bytes were written: what was made of them is not whole`;
  return downloadFailed(job, `${reason}; ${written}`, failure);
}

async function attempt(stream: Stream): Promise<StreamEnd> {
  const { deps, job, sink, version } = stream;
  const offsetBytes = sink.writtenBytes();
  const asked: AskedRange = offsetBytes > 0 ? { offsetBytes, ...version } : { offsetBytes };
  const range = offsetBytes > 0 ? { range: `bytes=${offsetBytes}-`, ifRange: version.validator } : {};
  let response: LinkResponse;
  try {
    response = await deps.client.open(stream.link.link, { ...range, signal: job.signal });
  } catch (error) {
    job.signal.throwIfAborted();
    if (error instanceof LinkFailure) return ofFailure(error);
    throw error;
  }
  try {
    return await act(stream, response, decideResponse(asked, response, deps.clock.now()));
  } catch (error) {
    if (!(error instanceof InvalidVideoError)) throw error;
    const { message: reason } = error;
    if (sink.writtenBytes() > 0) return { kind: 'stuck', reason, isRetryable: true };
    sink.startOver();
    return { kind: 'trouble', reason };
  } finally {
    response.close();
  }
}

function ofFailure({ message: reason, isTransient, reason: obstacle }: LinkFailure): StreamEnd {
  return isTransient ? { kind: 'trouble', reason } : { kind: 'stuck', reason, isRetryable: false, obstacle };
}

function ofBroken({ reason, isSlow, isSuspect, failure }: Extract<BodyEnd, { kind: 'broken' }>): StreamEnd {
  // More than was announced: what went out may be wrong, and can't be taken back.
  if (isSuspect) return { kind: 'stuck', reason, isRetryable: true };
  return failure === undefined ? { kind: 'trouble', reason, isSlow } : ofFailure(failure);
}

async function act(stream: Stream, response: LinkResponse, action: ResponseAction): Promise<StreamEnd> {
  const { sink } = stream;
  switch (action.kind) {
    case 'append':
      stream.version = { ...stream.version, totalBytes: action.totalBytes };
      return receive(stream, response.body, action.lengthBytes);
    case 'whole': {
      if (sink.writtenBytes() > 0)
        return { kind: 'stuck', reason: action.reason ?? 'the host began anew', isRetryable: true };
      const { coding, lengthBytes, validator } = action;
      sink.startOver();
      stream.version = { validator, totalBytes: coding === undefined ? lengthBytes : undefined };
      const body = coding === undefined ? response.body : decodeBody(response.body, { coding, lengthBytes });
      return receive(stream, body, stream.version.totalBytes);
    }
    case 'complete':
      await sink.finish();
      return { kind: 'ended' };
    case 'ask-again':
      return { kind: 'stuck', reason: action.reason, isRetryable: true };
    case 'expired':
      return { kind: 'expired', reason: `the host answered ${action.status}` };
    case 'retry':
      return { kind: 'trouble', reason: action.reason, retryAfterMs: action.retryAfterMs };
    case 'fail':
      return { kind: 'stuck', reason: action.reason, isRetryable: false };
  }
}

async function receive(
  stream: Stream,
  body: AsyncIterable<Uint8Array>,
  lengthBytes: number | undefined,
): Promise<StreamEnd> {
  const { deps, job, sink } = stream;
  const { taskId, limits, signal } = job;
  const { totalBytes } = stream.version;
  if ((totalBytes ?? 0) > limits.maxSizeBytes) return TOO_LARGE;
  deps.emit({ kind: 'download-started', taskId, totalBytes, resumedFromBytes: sink.writtenBytes() });
  const report = createByteReporter(deps, { taskId, totalBytes });
  const end = await readBody({
    body,
    lengthBytes,
    offsetBytes: sink.writtenBytes(),
    limits,
    clock: deps.clock,
    signal,
    write: async (chunk) => {
      await sink.push(chunk);
      report(sink.writtenBytes());
    },
  });
  if (end.kind === 'too-large') return TOO_LARGE;
  if (end.kind === 'broken') return ofBroken(end);
  await sink.flush();
  report(sink.writtenBytes(), true);
  if (totalBytes !== undefined && sink.writtenBytes() < totalBytes) return { kind: 'more' };
  await sink.finish();
  return { kind: 'ended' };
}

/** Asks the service for a fresh link; says whether it is another one than the last. */
async function refresh(stream: Stream, reason: string): Promise<boolean> {
  const { deps, job, link } = stream;
  const fresh = await job.refreshLink();
  if (fresh === 'gone') {
    const facts = { expiredAtMs: link.linkExpiresAtMs, nowMs: deps.clock.now() };
    throw resultGone(job, { reason: `${reason}, and the service has no link for it any more`, ...facts });
  }
  const isOther = fresh.link !== link.link;
  stream.link = isOther ? fresh : link;
  // Another path may be another file: its bytes must not follow those that went out.
  if (isOther && linkIdentity(fresh.link) !== linkIdentity(link.link)) stream.version = {};
  return isOther;
}
