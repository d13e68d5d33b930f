import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { onTestFinished } from 'vitest';
import { listen } from './serve.ts';

export type RawConnection = ReturnType<typeof connectionOf>;
type RawServer = Awaited<ReturnType<typeof startRawServer>>;

const pem = (name: string) => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), 'utf8');
export const TLS_FIXTURE = { cert: pem('cert'), key: pem('key') };

function connectionOf(socket: Socket, sockets: ReadonlySet<Socket>) {
  let text = '';
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  return {
    socket,
    /** What the client has sent so far (after decryption, for TLS). */
    received: () => text,
    /** Writes and ends with FIN. */
    finish: (rest = '') => void socket.end(rest),
    /** Writes, waits for the write to be handed over, then resets the connection. */
    reset: (rest = '') => {
      // Only the TCP socket below a TLS one can send a reset.
      const tcp = [...sockets].find(({ remotePort }) => remotePort === socket.remotePort) ?? socket;
      if (rest === '') tcp.resetAndDestroy();
      else socket.write(rest, () => setImmediate(() => setImmediate(() => tcp.resetAndDestroy())));
    },
  };
}

/**
 * A server below HTTP: `onRequest` is called once a connection, when a whole header block has come (or, with
 * `onConnect`, at once). Loopback, random port.
 */
export async function startRawServer(
  onRequest: (connection: RawConnection) => void,
  options: { tls?: boolean; onConnect?: (connection: RawConnection) => void } = {},
) {
  /** TLS handshakes only once they are done. */
  const connections: RawConnection[] = [];
  const sockets = new Set<Socket>();
  const accept = (socket: Socket) => {
    const connection = connectionOf(socket, sockets);
    connections.push(connection);
    const look = () => {
      if (!connection.received().includes('\r\n\r\n')) return;
      socket.off('data', look);
      onRequest(connection);
    };
    socket.on('data', look);
    options.onConnect?.(connection);
  };
  const server = options.tls ? createTlsServer(TLS_FIXTURE, accept) : createServer(accept);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  const port = await listen(server);
  return {
    port,
    origin: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    connections,
    /** All bytes of all connections. */
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
