import { clearLine, clearScreenDown, cursorTo, moveCursor } from 'node:readline';
import { Writable } from 'node:stream';
import xterm from '@xterm/headless';

/** A terminal emulator behind a stream, so that tests assert what is on the screen and not which bytes made it. */
export function createFakeTerminal({ columns, rows = 24 }: { columns: number; rows?: number }) {
  const form = { scrollback: 1000, allowProposedApi: true, convertEol: true };
  const terminal = new xterm.Terminal({ cols: columns, rows, ...form });
  let raw = '';
  const writable = new Writable({
    write(chunk: Buffer, _encoding, done) {
      raw += chunk.toString('utf8');
      // The emulator keeps its own queue; waiting for it here would hold back what `raw` tells.
      terminal.write(chunk);
      done();
    },
  });
  const stream = Object.assign(writable, {
    isTTY: true,
    columns,
    rows,
    cursorTo: (x: number, y?: number) => cursorTo(writable, x, y),
    moveCursor: (x: number, y: number) => moveCursor(writable, x, y),
    clearLine: (direction: -1 | 0 | 1) => clearLine(writable, direction),
    clearScreenDown: () => clearScreenDown(writable),
  });
  return {
    /** Looks like `tty.WriteStream` to what draws on it. */
    stream,
    /** Every byte that was written. */
    raw: () => raw,
    /** The lines that a person sees, without empty ones at the end, after all that was written so far. */
    async screen() {
      await new Promise<void>((done) => terminal.write('', done));
      const buffer = terminal.buffer.active;
      const lines = Array.from(
        { length: buffer.length },
        (_, y) => buffer.getLine(y)?.translateToString(true) ?? '',
      );
      return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1);
    },
    isCursorHidden: () => raw.lastIndexOf('\u001B[?25l') > raw.lastIndexOf('\u001B[?25h'),
  };
}
