import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { EvolinkError } from '../errors.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export interface ListenOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Must not reject. */
  readonly handle: Handler;
}

export interface Listening {
  /** Without a slash at the end. */
  readonly url: string;
  /** Cuts every connection. */
  close(): Promise<void>;
}

/**
 * Starts an HTTP server.
 * @throws EvolinkError `local-io` when the port cannot be had
 */
export async function listen({ host, port, handle }: ListenOptions): Promise<Listening> {
  const server = createServer((request, response) => {
    // A client that goes away in the middle is part of the game, for either stream.
    request.on('error', () => {});
    response.on('error', () => {});
    void handle(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(toListenError(error, { host, port })));
    server.listen({ host, port }, resolve);
  });
  const address = server.address();
  const realPort = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${realPort}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function toListenError(error: Error, { host, port }: { host: string; port: number }): EvolinkError {
  const code = 'code' in error ? String(error.code) : 'error';
  const reason =
    code === 'EADDRINUSE' ? 'is in use' : code === 'EACCES' ? 'is not allowed' : `cannot be used (${code})`;
  return new EvolinkError('local-io', `port ${port} on ${host} ${reason}`, {
    hint: 'let the sandbox choose one: `evolink sandbox --port 0`',
    charged: 'no',
  });
}
