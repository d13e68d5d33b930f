import { pipeline, Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { LinkFailure } from './types.ts';

/** The content codings that are undone; any other is refused. */
export function isKnownCoding(coding: string): boolean {
  return createDecoder(coding) !== undefined;
}

/**
 * The decoded bytes of a body. A fault of the coding, and a body that is shorter or longer on the wire than announced, break
 * it as a cut does.
 * @throws LinkFailure while it is read
 */
export async function* decodeBody(
  body: AsyncIterable<Uint8Array>,
  { coding, lengthBytes }: { readonly coding: string; readonly lengthBytes?: number | undefined },
): AsyncGenerator<Uint8Array> {
  const decoder = createDecoder(coding);
  if (decoder === undefined)
    throw new LinkFailure('protocol', `the host sent an unknown coding "${coding}"`, false);
  let failure: unknown;
  pipeline(Readable.from(countWire(body, lengthBytes), { objectMode: false }), decoder, (error) => {
    failure = error;
  });
  try {
    for await (const chunk of decoder) if (chunk instanceof Uint8Array) yield chunk;
  } catch (error) {
    if (failure instanceof LinkFailure) throw failure;
    if (error instanceof LinkFailure) throw error;
    throw new LinkFailure('protocol', 'the host sent data that can not be decoded', true);
  }
}

function createDecoder(coding: string): Transform | undefined {
  if (coding === 'gzip' || coding === 'x-gzip') return createGunzip();
  if (coding === 'deflate') return createInflate();
  return coding === 'br' ? createBrotliDecompress() : undefined;
}

async function* countWire(
  body: AsyncIterable<Uint8Array>,
  lengthBytes: number | undefined,
): AsyncGenerator<Uint8Array> {
  let receivedBytes = 0;
  for await (const chunk of body) {
    receivedBytes += chunk.byteLength;
    yield chunk;
  }
  if (lengthBytes !== undefined && receivedBytes !== lengthBytes) {
    throw new LinkFailure(
      'protocol',
      `the connection ended after ${receivedBytes} of ${lengthBytes} bytes`,
      true,
    );
  }
}
