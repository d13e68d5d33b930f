import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Web hosts on loopback, each on a port of its own; `seen` counts the requests by path. */
export interface MediaHosts {
  readonly seen: Map<string, number>;
  /** A new host; returns its origin. */
  start(answer: RequestListener): Promise<string>;
  close(): Promise<void>;
}

export function createMediaHosts(): MediaHosts {
  const servers: Server[] = [];
  const seen = new Map<string, number>();
  return {
    seen,
    async start(answer) {
      const server = createServer((request, response) => {
        const path = request.url ?? '';
        seen.set(path, (seen.get(path) ?? 0) + 1);
        answer(request, response);
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    async close() {
      for (const server of servers.splice(0)) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

/** Serves a file with ranges, as any web host does. */
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

/** The clip with a megabyte of nothing before its index, so that its first bytes do not tell its length. */
export function withLateIndex(clip: Buffer): Buffer {
  const gap = Buffer.alloc(1024 ** 2);
  gap.writeUInt32BE(gap.length);
  gap.write('free', 4);
  return Buffer.concat([clip.subarray(0, 32), gap, clip.subarray(32)]);
}
