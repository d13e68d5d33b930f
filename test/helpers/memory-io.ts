import { PassThrough } from 'node:stream';
import type { Io, OutputStream } from '../../src/platform/io.ts';

interface MemoryStreamOptions {
  readonly isTty?: boolean;
  readonly colorLevel?: 0 | 1 | 2 | 3;
  /** Width of the screen. Default 80. */
  readonly columns?: number;
  /** Replaces the buffer as the raw stream, a fake terminal for example; writes go there too. */
  readonly raw?: NodeJS.WritableStream;
}

interface MemoryStream extends OutputStream {
  /** Everything that was written through `write`, in order. */
  text(): string;
  bytes(): Buffer;
  /** From now on the reader is gone: writes are swallowed. */
  closeReader(): void;
}

export interface MemoryIo extends Io {
  readonly stdout: MemoryStream;
  readonly stderr: MemoryStream;
}

export interface MemoryIoOptions {
  readonly stdout?: MemoryStreamOptions;
  readonly stderr?: MemoryStreamOptions;
  readonly stdin?: { readonly isTty?: boolean; readonly text?: string };
  /** Default true. */
  readonly isUnicode?: boolean;
}

/** Streams that keep what was written. Neither is a terminal unless asked for. */
export function createMemoryIo(options: MemoryIoOptions = {}): MemoryIo {
  return {
    stdout: createMemoryStream(options.stdout),
    stderr: createMemoryStream(options.stderr),
    stdin: {
      isTty: options.stdin?.isTty ?? false,
      readText: async () => options.stdin?.text ?? '',
    },
    isUnicode: options.isUnicode ?? true,
  };
}

function createMemoryStream(options: MemoryStreamOptions = {}): MemoryStream {
  const chunks: Buffer[] = [];
  let isClosed = false;
  return {
    isTty: options.isTty ?? false,
    colorLevel: options.colorLevel ?? 0,
    raw: options.raw ?? new PassThrough().resume(),
    columns: () => options.columns ?? 80,
    isClosed: () => isClosed,
    failure: () => undefined,
    async write(chunk) {
      if (isClosed) return;
      chunks.push(Buffer.from(chunk));
      options.raw?.write(chunk);
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
    bytes: () => Buffer.concat(chunks),
    closeReader() {
      isClosed = true;
    },
  };
}
