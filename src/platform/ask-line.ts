import { createInterface } from 'node:readline/promises';

/**
 * Asks on stderr and reads one line of the terminal. An end of the input is an empty answer.
 * @throws the signal's reason
 */
export async function askLine(question: string, signal: AbortSignal): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
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
