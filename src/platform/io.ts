import { fstatSync, writeSync } from 'node:fs';
import { EvolinkError } from '../errors.ts';
import { fsErrorCode } from './fs-error.ts';
import type { Secrets } from './text.ts';

/** Where one stream stands: decided once, at the start, for each stream on its own. */
export type OutputStream = ReturnType<typeof wrapOutput>;

/** The streams of the process. stdout is the result only; everything for people goes to stderr. */
export type Io = ReturnType<typeof createSystemIo>;

/** 0 = no colour, 1 = 16, 2 = 256, 3 = true colour (chalk's levels). */
type ColorLevel = 0 | 1 | 2 | 3;
type Env = Readonly<Record<string, string | undefined>>;

const FORCED: Readonly<Record<string, ColorLevel>> = { 0: 0, false: 0, 1: 1, 2: 2, 3: 3 };

/**
 * How much colour a stream gets. Strongest first: the flag; `NO_COLOR` if not empty (no-color.org); `FORCE_COLOR` and
 * `CLICOLOR_FORCE` if not empty (`0` and `false` in `FORCE_COLOR` mean none, `1` to `3` a level); then a terminal
 * whose `TERM` is not `dumb`.
 * @param flag `--color` or `--no-color`; absent when neither was given
 */
export function colorLevel(env: Env, isTty: boolean, flag?: boolean): ColorLevel {
  const terminal = terminalLevel(env);
  if (flag !== undefined) return flag ? terminal || 1 : 0;
  if (env.NO_COLOR) return 0;
  if (env.FORCE_COLOR) return FORCED[env.FORCE_COLOR] ?? (terminal || 1);
  if (env.CLICOLOR_FORCE && env.CLICOLOR_FORCE !== '0') return terminal || 1;
  return isTty ? terminal : 0;
}

function terminalLevel(env: Env): ColorLevel {
  if (env.TERM === 'dumb') return 0;
  if (env.COLORTERM === 'truecolor' || env.COLORTERM === '24bit' || env.WT_SESSION) return 3;
  return /-256(color)?$/.test(env.TERM ?? '') ? 2 : 1;
}

/**
 * Whether the terminal's locale can show more than ASCII: the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is not empty
 * decides (POSIX, "Internationalization Variables"); Windows Terminal and VS Code can without any.
 */
function isUnicodeLocale(env: Env): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG;
  if (locale) return /utf-?8/i.test(locale);
  return Boolean(env.WT_SESSION) || env.TERM_PROGRAM === 'vscode';
}

/** More than any prompt; a stream without end must not fill the memory. */
const MAX_STDIN_BYTES = 10_000_000;
const DEFAULT_COLUMNS = 80;
/** Of a result that could not be written: enough for paths and ids. */
const MAX_LOST = 4_000;

type NodeOutput = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
/** A descriptor, and Node's stream of it, made when it is asked for. */
interface LazyOutput {
  readonly fd: number;
  readonly openStream: () => NodeOutput;
}
type RawInput = AsyncIterable<string | Uint8Array> & {
  readonly isTTY?: boolean;
  destroy?(): unknown;
};

export interface SystemIoOptions {
  readonly stdout: NodeOutput | LazyOutput;
  readonly stderr: NodeOutput | LazyOutput;
  /** Asked for when first read: Node takes milliseconds to make it, and few commands read it. */
  readonly stdin: () => RawInput;
  readonly env: Env;
  readonly flags?: { readonly color?: boolean | undefined };
  /** Every text passes through its `mask`; bytes (a video) do not. */
  readonly secrets?: Pick<Secrets, 'mask'>;
}

/**
 * The streams of the process. Nothing that happens to an output stream ends the work: a reader that has gone, a full device
 * or a closed terminal makes the stream silent, and `isClosed()` true.
 */
export function createSystemIo({ stdout, stderr, stdin, env, flags, secrets }: SystemIoOptions) {
  const mask = (text: string) => secrets?.mask(text) ?? text;
  const output = (raw: NodeOutput | LazyOutput) =>
    wrapOutput(raw, mask, (isTty) => colorLevel(env, isTty, flags?.color));
  return {
    stdout: output(stdout),
    stderr: output(stderr),
    stdin: {
      get isTty() {
        return stdin().isTTY === true;
      },
      readText: (signal?: AbortSignal) => readAll(stdin(), signal),
    },
    /** True where the locale can show more than ASCII. */
    isUnicode: isUnicodeLocale(env),
  };
}

/** An empty pipe takes as much at once (macOS the least), so that a reader that stands still holds up nothing. */
const LIGHT_BYTES = 16 * 1024;

function wrapOutput(
  raw: NodeOutput | LazyOutput,
  mask: (text: string) => string,
  levelOf: (isTty: boolean) => ColorLevel,
) {
  let isClosed = false;
  let code: string | undefined;
  let lost = '';
  const close = (error?: unknown) => {
    isClosed = true;
    if (error instanceof Error && fsErrorCode(error) !== 'EPIPE') code ??= fsErrorCode(error) ?? error.name;
  };
  let stream: NodeOutput | undefined;
  const open = (): NodeOutput => {
    if (stream !== undefined) return stream;
    stream = 'openStream' in raw ? raw.openStream() : raw;
    // Without a listener Node ends the process with a stack trace when the reader of a pipe has gone.
    stream.on('error', close);
    stream.on('close', () => close());
    return stream;
  };
  // A pipe or a file gets its first bytes without Node's stream, which takes milliseconds to make: most commands print less.
  let leftBytes = 'openStream' in raw && isPipeOrFile(raw.fd) ? LIGHT_BYTES : 0;
  const isTty = leftBytes === 0 && open().isTTY === true;
  const send = (bytes: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      let rest = bytes;
      leftBytes -= bytes.length;
      try {
        if ('openStream' in raw && stream === undefined && leftBytes >= 0)
          while (rest.length > 0) rest = rest.subarray(writeSync(raw.fd, rest));
      } catch (error) {
        // Whoever made the pipe made it one that never waits; Node's stream does the waiting.
        if (fsErrorCode(error) !== 'EAGAIN') throw error;
      }
      // An empty text waits in the stream behind what is still on its way.
      if (rest.length === 0 && stream === undefined) resolve();
      else open().write(rest, (error) => (error ? reject(error) : resolve()));
    });

  return {
    /** The raw stream for libraries that draw (ora, cli-progress). */
    get raw(): NodeJS.WritableStream {
      return open();
    },
    colorLevel: levelOf(isTty),
    isTty,
    /** Width in columns, read at each call, as the window may change. */
    columns: (): number => stream?.columns || DEFAULT_COLUMNS,
    /** True once the reader has gone (EPIPE) or the device is full: the work goes on silently. */
    isClosed: () => isClosed,
    /**
     * What could not be written (its beginning), and why (`ENOSPC`); absent where nothing failed, or the reader has gone
     * (EPIPE).
     */
    failure: () => (code === undefined ? undefined : { code, lost }),
    /**
     * Writes text or bytes. Resolves once the system has accepted them, so that slow readers slow the writer and nothing is
     * pending when the process ends; a closed stream is swallowed and remembered.
     */
    async write(chunk: string | Uint8Array): Promise<void> {
      const shown = typeof chunk === 'string' ? mask(chunk) : chunk;
      try {
        if (!isClosed) return await send(typeof shown === 'string' ? Buffer.from(shown) : shown);
      } catch (error) {
        close(error);
      }
      if (typeof shown === 'string' && lost.length < MAX_LOST) lost += shown.slice(0, MAX_LOST);
    },
  };
}

function isPipeOrFile(fd: number): boolean {
  const stats = fstatSync(fd);
  return stats.isFIFO() || stats.isSocket() || stats.isFile();
}

/** @throws the signal's reason: a terminal gives nothing until somebody ends the line */
async function readAll(stdin: RawInput, signal?: AbortSignal): Promise<string> {
  signal?.throwIfAborted();
  // An open terminal would keep the process alive.
  const stop = () => stdin.destroy?.();
  signal?.addEventListener('abort', stop, { once: true });
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of stdin) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk;
      sizeBytes += bytes.byteLength;
      if (sizeBytes > MAX_STDIN_BYTES)
        throw new EvolinkError('usage', `standard input holds more than ${MAX_STDIN_BYTES / 1e6} MB`, {
          hint: 'give a prompt, a job file or a request body',
        });
      chunks.push(bytes);
    }
    signal?.throwIfAborted();
    return Buffer.concat(chunks).toString('utf8');
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
