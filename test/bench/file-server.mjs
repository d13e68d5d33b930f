// The service and the link host of the download bench, in a process of their own: one finished task whose clip is a
// file on disk. Prints its address as one line of JSON.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';

const [file] = process.argv.slice(2);
const sizeBytes = statSync(file).size;

const server = createServer((request, response) => {
  if (request.url?.startsWith('/clip')) {
    response.writeHead(200, {
      'content-type': 'video/mp4',
      'content-length': sizeBytes,
      etag: '"bench"',
      'accept-ranges': 'bytes',
    });
    createReadStream(file, { highWaterMark: 1024 * 1024 }).pipe(response);
    return;
  }
  const id = request.url?.split('/').at(-1) ?? '';
  const results = [`http://127.0.0.1:${server.address().port}/clip/${id}.mp4`];
  const created = Math.floor(Date.now() / 1000);
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ id, status: 'completed', progress: 100, created, results }));
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
