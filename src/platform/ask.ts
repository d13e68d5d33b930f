/**
 * Asks on stderr and reads one line of the terminal, which `isHidden` keeps from being shown. An end of the input is an
 * empty answer.
 * @throws the signal's reason
 */
export async function askLine(question: string, signal: AbortSignal, isHidden = false): Promise<string> {
  // Few commands ask, and an `import` that waits until now fails where the chunks come with their compiled code.
  const { createInterface } = process.getBuiltinModule('node:readline/promises');
  const { Writable } = process.getBuiltinModule('node:stream');
  // Readline edits the line as ever, into nothing.
  const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface(
    isHidden
      ? { input: process.stdin, output: nowhere(), terminal: true }
      : { input: process.stdin, output: process.stderr },
  );
  if (isHidden) process.stderr.write(question);
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
    if (isHidden) process.stderr.write('\n');
  }
}
