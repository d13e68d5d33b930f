import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Secrets } from './text.ts';

const MAX_OUTPUT_BYTES = 64 * 1024;

/**
 * Runs a program by its arguments, without a shell, without input, and without showing what it says on stderr. Never rejects.
 * @param options `timeoutMs`: then it is killed; `cwd`: where it runs, and where a relative program is looked for
 * @returns as exit code 127 when the program was not found, 124 when it took too long, as in shells
 */
export async function runCommand(
  [program = '', ...args]: readonly string[],
  { timeoutMs = 10_000, cwd }: { readonly timeoutMs?: number; readonly cwd?: string } = {},
): Promise<{ readonly exitCode: number; readonly stdout: string }> {
  // The API key is for this process alone.
  const { EVOLINK_API_KEY: _key, ...env } = process.env;
  const limits = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES } as const;
  try {
    const running = promisify(execFile)(program, args, { ...limits, windowsHide: true, env, cwd });
    running.child.stdin?.on('error', () => undefined).end();
    return { exitCode: 0, stdout: (await running).stdout };
  } catch (error) {
    const { code, killed, stdout = '' } = error as { code?: unknown; killed?: boolean; stdout?: string };
    if (typeof code === 'number') return { exitCode: code, stdout };
    if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return { exitCode: 1, stdout };
    // Any other text is why it did not start: not found, or a NUL character in an argument.
    return { exitCode: killed === true ? 124 : typeof code === 'string' ? 127 : 1, stdout };
  }
}

/** Takes the variables that hold a key out of the environment of this process, which a library passes on. */
export function dropKeys({ mask }: Pick<Secrets, 'mask'>): void {
  for (const [name, value = ''] of Object.entries(process.env))
    if (name === 'EVOLINK_API_KEY' || mask(value) !== value) delete process.env[name];
}

/**
 * Runs `load` and takes away the listeners for fatal events that were added to the process meanwhile: a library has no
 * say in how the program ends.
 */
export async function containListeners<T>(load: () => Promise<T>): Promise<T> {
  const source: NodeJS.EventEmitter = process;
  const before = ['uncaughtException', 'unhandledRejection'].map(
    (event) => [event, source.listeners(event)] as const,
  );
  try {
    return await load();
  } finally {
    for (const [event, known] of before)
      for (const listener of source.listeners(event))
        if (!known.includes(listener)) source.off(event, listener as () => void);
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
