import { createServer, type Server as HttpServer, type RequestListener } from 'node:http';
import type { Server } from 'node:net';
import { onTestFinished } from 'vitest';

/** Listens on a port of loopback, and gives it. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** The same until the running test ends. */
export async function listenForTest(server: HttpServer): Promise<number> {
  onTestFinished(() => {
    server.closeAllConnections();
    // Tunnels through it keep it from closing; nobody waits for that.
    server.close();
  });
  return listen(server);
}

/** A web host of the running test; gives its origin. */
export async function serve(listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listenForTest(createServer(listener))}`;
}

/** Answers with a file and ranges, as any web host does. */
export function serveBytes(bytes: Buffer): RequestListener {
  return (request, response) => {
    const last = Number(/bytes=0-(\d+)/.exec(request.headers.range ?? '')?.[1] ?? bytes.length);
    const part = bytes.subarray(0, last + 1);
    response.writeHead(206, {
      'content-range': `bytes 0-${part.length - 1}/${bytes.length}`,
      'content-length': part.length,
    });
    response.end(part);
  };
}
