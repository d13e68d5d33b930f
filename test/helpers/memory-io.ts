import { PassThrough } from 'node:stream';
import type { Io } from '../../src/platform/io.ts';

interface MemoryStreamOptions {
  readonly isTty?: boolean;
  readonly colorLevel?: 0 | 1 | 2 | 3;
  /** Width of the screen. Default 80. */
  readonly columns?: number;
  /** Replaces the buffer as the raw stream, a fake terminal for example; writes go there too. */
  readonly raw?: NodeJS.WritableStream;
}

interface MemoryIoOptions {
  readonly stdout?: MemoryStreamOptions;
  readonly stderr?: MemoryStreamOptions;
  readonly stdin?: { readonly isTty?: boolean; readonly text?: string };
  /** Default true. */
  readonly isUnicode?: boolean;
}

/** Streams that keep what was written. Neither is a terminal unless asked for. */
export function createMemoryIo(options: MemoryIoOptions = {}) {
  return {
    stdout: createMemoryStream(options.stdout),
    stderr: createMemoryStream(options.stderr),
    stdin: {
      isTty: options.stdin?.isTty ?? false,
      readText: async () => options.stdin?.text ?? '',
    },
    isUnicode: options.isUnicode ?? true,
  } satisfies Io;
}

function createMemoryStream(options: MemoryStreamOptions = {}) {
  const chunks: Buffer[] = [];
  let isClosed = false;
  return {
    isTty: options.isTty ?? false,
    colorLevel: options.colorLevel ?? 0,
    raw: options.raw ?? new PassThrough().resume(),
    columns: () => options.columns ?? 80,
    isClosed: () => isClosed,
    failure: () => undefined,
    async write(chunk: string | Uint8Array) {
      if (isClosed) return;
      chunks.push(Buffer.from(chunk));
      options.raw?.write(chunk);
    },
    /** Everything that was written through `write`, in order. */
    text: () => Buffer.concat(chunks).toString('utf8'),
    bytes: () => Buffer.concat(chunks),
    /** From now on the reader is gone: writes are swallowed. */
    closeReader() {
      isClosed = true;
    },
  };
}
