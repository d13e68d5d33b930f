import { execFile } from 'node:child_process';
import type { Secrets } from './text.ts';

interface CommandResult {
  /** 127 when the program was not found, 124 when it took too long, as in shells. */
  readonly exitCode: number;
  readonly stdout: string;
}

interface RunCommandOptions {
  /** Default 10 s; then the program is killed. */
  readonly timeoutMs?: number | undefined;
  /** Where it runs, and where a relative program is looked for. */
  readonly cwd?: string | undefined;
}

/** Runs a program. Never rejects. */
type RunCommand = (argv: readonly string[], options?: RunCommandOptions) => Promise<CommandResult>;

const MAX_OUTPUT_BYTES = 64 * 1024;

/** Runs a program by its arguments, without a shell, without input, and without showing what it says on stderr. */
export const runCommand: RunCommand = (argv, { timeoutMs = 10_000, cwd } = {}) => {
  const [program = '', ...args] = argv;
  const options = {
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_OUTPUT_BYTES,
    windowsHide: true,
    shell: false,
    env: withoutKey(process.env),
  } as const;
  return new Promise((resolve) => {
    try {
      const child = execFile(
        program,
        args,
        { ...options, ...(cwd === undefined ? {} : { cwd }) },
        (error, stdout) => resolve({ exitCode: exitCodeOf(error), stdout }),
      );
      child.stdin?.on('error', () => undefined);
      child.stdin?.end();
    } catch {
      // A NUL character in an argument, for instance.
      resolve({ exitCode: 127, stdout: '' });
    }
  });
};

/** The API key is for this process alone. */
function withoutKey({ EVOLINK_API_KEY: _key, ...env }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return env;
}

/** Takes the variables that hold a key out of the environment of this process, which a library passes on. */
export function dropKeys({ mask }: Pick<Secrets, 'mask'>): void {
  for (const [name, value = ''] of Object.entries(process.env))
    if (name === 'EVOLINK_API_KEY' || mask(value) !== value) delete process.env[name];
}

function exitCodeOf(error: (Error & { code?: unknown; killed?: unknown }) | null): number {
  if (error === null) return 0;
  if (typeof error.code === 'number') return error.code;
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 1;
  if (error.killed === true) return 124;
  return typeof error.code === 'string' ? 127 : 1;
}

/**
 * Runs `load` and takes away the listeners for fatal events that were added to the process meanwhile: a library has no
 * say in how the program ends.
 */
export async function containListeners<T>(load: () => Promise<T>): Promise<T> {
  const exceptions = process.listeners('uncaughtException');
  const rejections = process.listeners('unhandledRejection');
  try {
    return await load();
  } finally {
    for (const listener of process.listeners('uncaughtException')) {
      if (!exceptions.includes(listener)) process.off('uncaughtException', listener);
    }
    for (const listener of process.listeners('unhandledRejection')) {
      if (!rejections.includes(listener)) process.off('unhandledRejection', listener);
    }
  }
}

/** The version of Node.js that runs this, `20.19.0`. */
export function nodeVersion(): string {
  return process.versions.node;
}

/** The user that this runs as; undefined on Windows. */
export function currentUserId(): number | undefined {
  return process.getuid?.();
}
