import { clearLine, clearScreenDown, cursorTo, moveCursor } from 'node:readline';
import { Writable } from 'node:stream';
import xterm from '@xterm/headless';

export interface FakeTerminal {
  /** Looks like `tty.WriteStream` to what draws on it. */
  readonly stream: NodeJS.WritableStream;
  /** The lines that a person sees, without empty ones at the end, after all that was written so far. */
  screen(): Promise<string[]>;
  /** Every byte that was written. */
  raw(): string;
  isCursorHidden(): boolean;
}

/** A terminal emulator behind a stream, so that tests assert what is on the screen and not which bytes made it. */
export function createFakeTerminal(size: { columns: number; rows?: number }): FakeTerminal {
  const rows = size.rows ?? 24;
  const terminal = new xterm.Terminal({
    cols: size.columns,
    rows,
    scrollback: 1000,
    allowProposedApi: true,
    convertEol: true,
  });
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
    columns: size.columns,
    rows,
    cursorTo: (x: number, y?: number) => cursorTo(writable, x, y),
    moveCursor: (x: number, y: number) => moveCursor(writable, x, y),
    clearLine: (direction: -1 | 0 | 1) => clearLine(writable, direction),
    clearScreenDown: () => clearScreenDown(writable),
  });
  return {
    stream,
    raw: () => raw,
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
