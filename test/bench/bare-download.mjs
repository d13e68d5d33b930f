// The least that Node can do for a download: one GET, gathered writes, SHA-256, fsync. No program that does as much can be
// faster than this by more than its own start. Without a file: the GET and the SHA-256 alone, no disk.
// Usage: bare-download.mjs <url> [file]
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, write } from 'node:fs';
import { get } from 'node:http';

const BUFFER_BYTES = 1024 ** 2;
const [url, path] = process.argv.slice(2);
const handle = path === undefined ? undefined : openSync(path, 'w');
const hash = createHash('sha256');
const buffers = [Buffer.allocUnsafeSlow(BUFFER_BYTES), Buffer.allocUnsafeSlow(BUFFER_BYTES)];
let filled = 0;
let position = 0;
let underWay;

function flush() {
  const bytes = buffers[0].subarray(0, filled);
  buffers.reverse();
  filled = 0;
  underWay = new Promise((resolve, reject) => {
    write(handle, bytes, 0, bytes.length, position, (error, written) => {
      position += written;
      underWay = undefined;
      if (error || written !== bytes.length) reject(error ?? new Error('short write'));
      else resolve();
    });
  });
}

const response = await new Promise((resolve, reject) => get(url, resolve).on('error', reject));
response.on('data', (chunk) => {
  hash.update(chunk);
  if (handle === undefined) return;
  if (filled + chunk.length <= BUFFER_BYTES && underWay !== undefined) {
    filled += chunk.copy(buffers[0], filled);
    return;
  }
  if (underWay === undefined) {
    if (filled + chunk.length > BUFFER_BYTES) flush();
    filled += chunk.copy(buffers[0], filled);
    if (underWay === undefined && filled >= BUFFER_BYTES / 4) flush();
    return;
  }
  response.pause();
  underWay.then(() => {
    flush();
    filled += chunk.copy(buffers[0], filled);
    response.resume();
  });
});
await new Promise((resolve, reject) => response.on('end', resolve).on('error', reject));
await underWay;
if (filled > 0) flush();
await underWay;
if (handle !== undefined) {
  fsyncSync(handle);
  closeSync(handle);
}
console.log(hash.digest('hex'));
