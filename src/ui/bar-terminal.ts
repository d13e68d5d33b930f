import { clearLine, cursorTo } from 'node:readline';
import type { OutputStream } from '../platform/io.ts';

/**
 * The terminal that cli-progress draws on. Its own one saves the cursor at the start and jumps back there at the end,
 * onto other lines when the person has pressed Enter or the screen has scrolled: this one stays in its line.
 */
export function createBarTerminal(stream: OutputStream) {
  const { raw } = stream;
  const nothing = (): void => {};
  return {
    cursorSave: nothing,
    cursorRestore: nothing,
    cursor: nothing,
    cursorTo: (x: number) => void cursorTo(raw, x),
    clearRight: () => void clearLine(raw, 1),
    clearLine: () => void clearLine(raw, 0),
    lineWrapping: (isOn: boolean) => void raw.write(isOn ? '\u001B[?7h' : '\u001B[?7l'),
    write: (text: string) => void raw.write(text),
    newline: () => void raw.write('\n'),
    isTTY: () => true,
    getWidth: () => stream.columns(),
  };
}
