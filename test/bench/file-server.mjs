// The service and the link host of the download bench, in a process of their own: one finished task whose clip is a
// file on disk. Prints its address.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';

const [file] = process.argv.slice(2);
const sizeBytes = statSync(file).size;

const server = createServer(({ url }, response) => {
  if (url.startsWith('/clip')) {
    const form = { 'content-type': 'video/mp4', etag: '"bench"', 'accept-ranges': 'bytes' };
    response.writeHead(200, { ...form, 'content-length': sizeBytes });
    return createReadStream(file, { highWaterMark: 1024 * 1024 }).pipe(response);
  }
  const id = url.split('/').at(-1);
  const created = Math.floor(Date.now() / 1000);
  const results = [`${origin()}/clip/${id}.mp4`];
  response.writeHead(200, { 'content-type': 'application/json' });
  return response.end(JSON.stringify({ id, status: 'completed', progress: 100, created, results }));
});
const origin = () => `http://127.0.0.1:${server.address().port}`;
server.listen(0, '127.0.0.1', () => console.log(origin()));
