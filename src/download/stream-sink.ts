import { createHash } from 'node:crypto';
import { EvolinkError } from '../errors.ts';
import type { OutputStream } from '../platform/io.ts';
import { createBoxScanner } from './scan-boxes.ts';
import { SNIFF_BYTES, sniffVideo } from './sniff-video.ts';

/** Where streamed bytes go: checked on their way, held back until they are known to be those of an MP4. */
export interface StreamSink {
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
export function createStreamSink(stdout: OutputStream, taskId: string): StreamSink {
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
