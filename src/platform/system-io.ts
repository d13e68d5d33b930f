import { EvolinkError } from '../errors.ts';
import { colorLevel } from './color-level.ts';
import type { Io, OutputStream } from './io.ts';
import type { Secrets } from './secrets.ts';
import { isUnicodeLocale } from './unicode-support.ts';

/** More than any prompt; a stream without end must not fill the memory. */
const MAX_STDIN_BYTES = 10_000_000;
const DEFAULT_COLUMNS = 80;

export type RawOutput = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
export type RawInput = AsyncIterable<string | Uint8Array> & { readonly isTTY?: boolean };

export interface SystemIoOptions {
  readonly stdout: RawOutput;
  readonly stderr: RawOutput;
  readonly stdin: RawInput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags?: { readonly color?: boolean | undefined };
  /** Every text passes through its `mask`; bytes (a video) do not. */
  readonly secrets?: Pick<Secrets, 'mask'>;
}

/**
 * The streams of the process behind the `Io` contract. Nothing that happens to an output stream ends the work: a reader
 * that has gone, a full device or a closed terminal makes the stream silent, and `isClosed()` true.
 */
export function createSystemIo({ stdout, stderr, stdin, env, flags, secrets }: SystemIoOptions): Io {
  const mask = (text: string) => secrets?.mask(text) ?? text;
  const question = { flag: flags?.color, env };
  return {
    stdout: wrapOutput(stdout, {
      mask,
      colorLevel: colorLevel({ ...question, isTty: stdout.isTTY === true }),
    }),
    stderr: wrapOutput(stderr, {
      mask,
      colorLevel: colorLevel({ ...question, isTty: stderr.isTTY === true }),
    }),
    stdin: { isTty: stdin.isTTY === true, readText: () => readAll(stdin) },
    isUnicode: isUnicodeLocale(env),
  };
}

interface OutputOptions {
  readonly mask: (text: string) => string;
  readonly colorLevel: OutputStream['colorLevel'];
}

function wrapOutput(raw: RawOutput, { mask, colorLevel }: OutputOptions): OutputStream {
  let isClosed = false;
  const close = () => {
    isClosed = true;
  };
  // Without a listener Node ends the process with a stack trace when the reader of a pipe has gone.
  raw.on('error', close);
  raw.on('close', close);

  return {
    raw,
    colorLevel,
    isTty: raw.isTTY === true,
    columns: () => raw.columns || DEFAULT_COLUMNS,
    isClosed: () => isClosed,
    write(chunk) {
      if (isClosed) return Promise.resolve();
      return new Promise((resolve) => {
        const done = (error?: Error | null) => {
          if (error) isClosed = true;
          resolve();
        };
        try {
          // The callback comes when the system has taken the bytes: slow readers slow the writer, and nothing is
          // pending in the buffer when the process ends.
          raw.write(typeof chunk === 'string' ? mask(chunk) : chunk, done);
        } catch {
          close();
          resolve();
        }
      });
    },
  };
}

async function readAll(stdin: RawInput): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of stdin) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk;
    sizeBytes += bytes.byteLength;
    if (sizeBytes > MAX_STDIN_BYTES) {
      throw new EvolinkError('usage', `standard input holds more than ${MAX_STDIN_BYTES / 1e6} MB`, {
        hint: 'give a prompt, a job file or a request body',
      });
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
