// What a careful script does at least: got's stream, SHA-256, one write a chunk, a sync every 16 MiB and at the end.
// Usage: bare-download.mjs <url> <file>
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import got from 'got';

const SYNC_BYTES = 16 * 1024 ** 2;
const [url, path] = process.argv.slice(2);
const hash = createHash('sha256');
const handle = await open(path, 'w');
let position = 0;
let syncedBytes = 0;
for await (const chunk of got.stream(url, { decompress: false, retry: { limit: 0 } })) {
  hash.update(chunk);
  const { bytesWritten } = await handle.write(chunk, 0, chunk.length, position);
  if (bytesWritten !== chunk.length) throw new Error('short write');
  position += bytesWritten;
  if (position - syncedBytes < SYNC_BYTES) continue;
  await handle.datasync();
  syncedBytes = position;
}
await handle.sync();
await handle.close();
console.log(hash.digest('hex'));
