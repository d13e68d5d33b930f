import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

interface FakeRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export type FakeReply =
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly json?: unknown;
      readonly body?: string | Uint8Array;
    }
  | ((request: FakeRequest, response: ServerResponse) => void);

export interface FakeApi {
  readonly origin: string;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Every request, in the order of arrival. */
  readonly requests: readonly FakeRequest[];
  /** Queues replies for `METHOD /path` (without query); each is used once, in order. */
  on(route: string, ...replies: FakeReply[]): void;
  /** Fails for a request that no route waited for, and for a reply that nobody asked for. Closes the server. */
  finish(): Promise<void>;
}

/** A scripted HTTP server on loopback: what the test does not name is an error. */
export async function startFakeApi(): Promise<FakeApi> {
  const routes = new Map<string, FakeReply[]>();
  const requests: FakeRequest[] = [];
  const problems: string[] = [];

  const server = createServer(async (incoming, response) => {
    const request = await readRequest(incoming);
    requests.push(request);
    const route = `${request.method} ${request.path.replace(/\?.*$/, '')}`;
    const reply = routes.get(route)?.shift();
    if (reply === undefined) {
      problems.push(`unexpected ${route}`);
      response.writeHead(599).end();
    } else if (typeof reply === 'function') reply(request, response);
    else send(response, reply);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const host = `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;

  return {
    origin: `http://${host}`,
    host,
    requests,
    on(route, ...replies) {
      routes.set(route, [...(routes.get(route) ?? []), ...replies]);
    },
    async finish() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      for (const [route, left] of routes)
        if (left.length > 0) problems.push(`${left.length} unused replies for ${route}`);
      if (problems.length > 0) throw new Error(problems.join('; '));
    },
  };
}

function send(response: ServerResponse, reply: Exclude<FakeReply, (...parameters: never) => unknown>): void {
  const body = reply.json === undefined ? (reply.body ?? '') : JSON.stringify(reply.json);
  const type = reply.json === undefined ? 'text/plain' : 'application/json';
  response.writeHead(reply.status ?? 200, { 'content-type': type, ...reply.headers }).end(body);
}

async function readRequest(incoming: IncomingMessage): Promise<FakeRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return {
    method: incoming.method ?? '',
    path: incoming.url ?? '',
    headers: incoming.headers,
    body: Buffer.concat(chunks).toString(),
  };
}
