const HEAD_END = Buffer.from('\r\n\r\n');

export interface HeadScan {
  /** How many of the bytes belong to the head. */
  readonly headBytes: number;
  /** The empty line behind the header fields has come with them (RFC 9112, section 2.1). */
  readonly isEnd: boolean;
}

/** Finds where the head of an HTTP message ends, however its bytes are cut into reads. */
export function createHeadScanner(): { scan(bytes: Uint8Array): HeadScan } {
  let carried = Buffer.alloc(0);
  return {
    scan(bytes) {
      const seen = Buffer.concat([carried, bytes]);
      const at = seen.indexOf(HEAD_END);
      if (at < 0) {
        carried = seen.subarray(Math.max(0, seen.byteLength - HEAD_END.byteLength + 1));
        return { headBytes: bytes.byteLength, isEnd: false };
      }
      const headBytes = at + HEAD_END.byteLength - carried.byteLength;
      carried = Buffer.alloc(0);
      return { headBytes, isEnd: true };
    },
  };
}
