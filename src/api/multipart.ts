import { randomBytes } from 'node:crypto';

export interface FilePart {
  readonly fieldName: string;
  readonly fileName: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

export interface MultipartBody {
  readonly contentType: string;
  readonly lengthBytes: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * One file and some text fields as `multipart/form-data` (RFC 7578), of known length and never whole in memory. The
 * boundary is random: no content can hold it but by a chance of one in 2^128.
 */
export function toMultipart(file: FilePart, fields: Readonly<Record<string, string>> = {}): MultipartBody {
  const boundary = `evolink-${randomBytes(16).toString('hex')}`;
  const texts = Object.entries(fields).map(
    ([name, value]) =>
      `--${boundary}\r\ncontent-disposition: form-data; name="${escapeName(name)}"\r\n\r\n${value}\r\n`,
  );
  const disposition = `form-data; name="${escapeName(file.fieldName)}"; filename="${escapeName(file.fileName)}"`;
  const head = Buffer.from(
    `${texts.join('')}--${boundary}\r\ncontent-disposition: ${disposition}\r\ncontent-type: ${file.contentType}\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    lengthBytes: head.length + file.sizeBytes + tail.length,
    body: concat(head, file.content, tail),
  };
}

async function* concat(
  head: Uint8Array,
  content: AsyncIterable<Uint8Array>,
  tail: Uint8Array,
): AsyncGenerator<Uint8Array> {
  yield head;
  yield* content;
  yield tail;
}

/** As browsers do (HTML standard, multipart/form-data encoding algorithm). */
function escapeName(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
