import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { onTestFinished } from 'vitest';

export interface RawConnection {
  readonly socket: Socket;
  /** What the client has sent so far (after decryption, for TLS). */
  received(): string;
  /** Writes and ends with FIN. */
  finish(text?: string): void;
  /** Writes, waits for the write to be handed over, then resets the connection. */
  reset(text?: string): void;
}

export interface RawServer {
  readonly port: number;
  readonly origin: string;
  /** Accepted connections, TLS handshakes included only once they are done. */
  readonly connections: readonly RawConnection[];
  /** All bytes of all connections. */
  allReceived(): string;
  close(): Promise<void>;
}

export const TLS_FIXTURE = {
  cert: readFileSync(new URL('../fixtures/tls/cert.pem', import.meta.url), 'utf8'),
  key: readFileSync(new URL('../fixtures/tls/key.pem', import.meta.url), 'utf8'),
};

/**
 * A server below HTTP: `onRequest` is called once a connection, when a whole header block has come (or, with
 * `onConnect`, at once). Loopback, random port.
 */
export async function startRawServer(
  onRequest: (connection: RawConnection) => void,
  options: { tls?: boolean; onConnect?: (connection: RawConnection) => void } = {},
): Promise<RawServer> {
  const connections: RawConnection[] = [];
  const sockets = new Set<Socket>();
  const accept = (socket: Socket) => {
    let text = '';
    let hasCalled = false;
    const connection: RawConnection = {
      socket,
      received: () => text,
      finish: (rest = '') => void socket.end(rest),
      reset: (rest = '') => {
        // Only the TCP socket below a TLS one can send a reset.
        const tcp = [...sockets].find(({ remotePort }) => remotePort === socket.remotePort) ?? socket;
        if (rest === '') tcp.resetAndDestroy();
        else socket.write(rest, () => setImmediate(() => setImmediate(() => tcp.resetAndDestroy())));
      },
    };
    connections.push(connection);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (hasCalled || !text.includes('\r\n\r\n')) return;
      hasCalled = true;
      onRequest(connection);
    });
    options.onConnect?.(connection);
  };
  const server: Server = options.tls ? createTlsServer(TLS_FIXTURE, accept) : createServer(accept);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    port,
    origin: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    connections,
    allReceived: () => connections.map((connection) => connection.received()).join('\n'),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A port on which nothing listens. */
export async function findRefusedPort(): Promise<number> {
  const server = await startRawServer(() => {});
  await server.close();
  return server.port;
}

/** The same for the length of one test. */
export async function serveRaw(...parameters: Parameters<typeof startRawServer>): Promise<RawServer> {
  const server = await startRawServer(...parameters);
  onTestFinished(() => server.close());
  return server;
}
