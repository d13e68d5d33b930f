import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, extname } from 'node:path';
import type { UploadSource } from '../api/files-types.ts';
import { EvolinkError } from '../errors.ts';
import { localIoError } from '../platform/local-io-error.ts';

/** A local file that was inspected and hashed. */
export interface HashedFile {
  /** Absolute. */
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly mimeType: string;
  /** Of its type, with the dot: a file is sent under the name of what it is. */
  readonly extension: string;
}

const CHUNK_BYTES = 256 * 1024;
const MAX_NAME_CHARACTERS = 80;

/** A file as the files client takes it: streamed, and the bytes that go out are checked to be those that were judged. */
export function toUploadSource(file: HashedFile): UploadSource {
  return {
    fileName: uploadName(file),
    mimeType: file.mimeType,
    sizeBytes: file.sizeBytes,
    open: () => readChecked(file),
  };
}

/** Letters that every header and every URL carries unchanged. */
function uploadName({ path, sha256, extension }: HashedFile): string {
  const name = basename(path, extname(path))
    .normalize('NFKD')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '')
    .slice(0, MAX_NAME_CHARACTERS);
  return `${name === '' ? sha256.slice(0, 16) : name}${extension}`;
}

/** @throws EvolinkError `usage` before the last bytes when the file is another one than was inspected */
async function* readChecked({ path, sha256, sizeBytes }: HashedFile): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let readBytes = 0;
  let held: Uint8Array | undefined;
  try {
    const stream: AsyncIterable<Buffer> = createReadStream(path, {
      highWaterMark: CHUNK_BYTES,
      end: sizeBytes - 1,
    });
    for await (const chunk of stream) {
      hash.update(chunk);
      readBytes += chunk.length;
      if (held !== undefined) yield held;
      held = chunk;
    }
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? localIoError(error, 'read', path) : error;
  }
  if (readBytes !== sizeBytes || hash.digest('hex') !== sha256) {
    throw new EvolinkError('usage', `"${path}" changed while it was used`, {
      hint: 'run the command again when nothing writes to the file',
      charged: 'no',
    });
  }
  if (held !== undefined) yield held;
}
