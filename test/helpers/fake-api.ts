import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { listen } from './serve.ts';

type FakeRequest = Awaited<ReturnType<typeof readRequest>>;

export type FakeReply =
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly json?: unknown;
      readonly body?: string | Uint8Array;
    }
  | ((request: FakeRequest, response: ServerResponse) => void);

export type FakeApi = Awaited<ReturnType<typeof startFakeApi>>;

/** A scripted HTTP server on loopback: what the test does not name is an error. */
export async function startFakeApi() {
  const routes = new Map<string, FakeReply[]>();
  const requests: FakeRequest[] = [];
  const problems: string[] = [];
  const server = createServer(async (incoming, response) => {
    const request = await readRequest(incoming);
    requests.push(request);
    const route = `${request.method} ${request.path.replace(/\?.*$/, '')}`;
    const reply = routes.get(route)?.shift();
    if (typeof reply === 'function') return reply(request, response);
    if (reply === undefined) problems.push(`unexpected ${route}`);
    const { status, headers, json, body = '' } = reply ?? { status: 599 };
    const type = json === undefined ? 'text/plain' : 'application/json';
    response.writeHead(status ?? 200, { 'content-type': type, ...headers });
    return response.end(json === undefined ? body : JSON.stringify(json));
  });
  const host = `127.0.0.1:${await listen(server)}`;
  return {
    origin: `http://${host}`,
    host,
    /** Every request, in the order of arrival. */
    requests,
    /** Queues replies for `METHOD /path` (without query); each is used once, in order. */
    on: (route: string, ...replies: FakeReply[]) =>
      void routes.set(route, [...(routes.get(route) ?? []), ...replies]),
    /** Fails for a request that no route waited for, and for a reply that nobody asked for. Closes the server. */
    async finish() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      for (const [route, left] of routes)
        if (left.length > 0) problems.push(`${left.length} unused replies for ${route}`);
      if (problems.length > 0) throw new Error(problems.join('; '));
    },
  };
}

/** The path with its query. */
async function readRequest(incoming: IncomingMessage) {
  const { method = '', url: path = '', headers } = incoming;
  return { method, path, headers, body: await text(incoming) };
}
