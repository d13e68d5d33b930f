import { createInterface } from 'node:readline/promises';

export interface AskStreams {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/**
 * Asks on stderr and reads one line of the terminal. An end of the input is an empty answer.
 * @param streams the terminal, unless a test brings its own
 * @throws the signal's reason
 */
export async function askLine(question: string, signal: AbortSignal, streams?: AskStreams): Promise<string> {
  const terminal = createInterface(streams ?? { input: process.stdin, output: process.stderr });
  try {
    const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
    // Node's own reading takes Ctrl-C for itself; it means the same here as everywhere.
    terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    return await Promise.race([terminal.question(question, { signal }), ended]);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
  }
}
