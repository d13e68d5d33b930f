import { clearLine, cursorTo, moveCursor } from 'node:readline';
import { Writable } from 'node:stream';
import type { OutputStream } from '../platform/io.ts';

/**
 * What ora draws on: the terminal, but always with a width. A pseudo-terminal without a size says 0 columns, and
 * ora 9.4 divides by them and then clears lines for ever.
 */
export function createSpinnerStream(stream: OutputStream) {
  const writable = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      stream.raw.write(chunk);
      done();
    },
  });
  return Object.assign(writable, {
    isTTY: true,
    columns: Math.max(1, stream.columns()),
    cursorTo: (x: number) => cursorTo(writable, x),
    moveCursor: (x: number, y: number) => moveCursor(writable, x, y),
    clearLine: (direction: -1 | 0 | 1) => clearLine(writable, direction),
  });
}
