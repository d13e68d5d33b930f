const HEAD_END = Buffer.from('\r\n\r\n');
const LONGEST_CARRY = HEAD_END.byteLength - 1;

export interface HeadScanner {
  /**
   * Looks at the bytes of a read from an offset on, in a time linear to what is passed over.
   * @returns the offset behind the empty line that ends the head (RFC 9112, section 2.1); undefined where it is still to come
   */
  findEnd(bytes: Uint8Array, offset: number): number | undefined;
}

/** Finds where the heads of HTTP messages end, however their bytes are cut into reads. */
export function createHeadScanner(): HeadScanner {
  /** The last bytes before the offset that may begin the end. */
  let carried = Buffer.alloc(0);
  return {
    findEnd(bytes, offset) {
      const seam = Buffer.concat([carried, bytes.subarray(offset, offset + LONGEST_CARRY)]);
      const atSeam = seam.indexOf(HEAD_END);
      if (atSeam >= 0) {
        const end = offset + atSeam + HEAD_END.byteLength - carried.byteLength;
        carried = Buffer.alloc(0);
        return end;
      }
      const found = asBuffer(bytes).indexOf(HEAD_END, offset);
      const rest = bytes.byteLength - offset;
      // Few bytes are all at the seam already, with those before them.
      const last = rest < LONGEST_CARRY ? seam : asBuffer(bytes);
      carried =
        found < 0
          ? Buffer.from(last.subarray(Math.max(0, last.byteLength - LONGEST_CARRY)))
          : Buffer.alloc(0);
      return found < 0 ? undefined : found + HEAD_END.byteLength;
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
