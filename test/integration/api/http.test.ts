import { connect, type LookupFunction } from 'node:net';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { HttpFailure, type HttpRequest } from '../../../src/api/http.ts';
import { createLinkClient } from '../../../src/api/links.ts';
import { readProxySettings } from '../../../src/api/proxy.ts';
import { makeHttp } from '../../helpers/api-client.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { makeSignal } from '../../helpers/make-signal.ts';
import {
  findRefusedPort,
  type RawConnection,
  serveRaw,
  type startRawServer,
  TLS_FIXTURE,
} from '../../helpers/raw-server.ts';

const CANARY = 'sk-canary-0123456789abcdef';
const post = (url: string, rest: Partial<HttpRequest> = {}) => ({
  method: 'POST' as const,
  url,
  headers: { authorization: `Bearer ${CANARY}` },
  body: '{"prompt":"x"}',
  maxBytes: 1_000,
  ...rest,
});

async function failureOf(promise: Promise<unknown>) {
  const error = await promise.catch((thrown: unknown) => thrown);
  if (!(error instanceof HttpFailure)) return expect.unreachable();
  return { ...error.facts, message: error.message, shown: inspect(error, { depth: null, showHidden: true }) };
}

const fresh = (url: string) => post(url, { freshConnection: true });

const text = (body: Uint8Array) => Buffer.from(body).toString();
const answer = (body: string, length = body.length) =>
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`;

/** Lets a name lead to this machine, or fail. */
const lookupOf =
  (code?: string): LookupFunction =>
  (_host, _options, callback) =>
    code === undefined
      ? callback(null, [{ address: '127.0.0.1', family: 4 }])
      : callback(Object.assign(new Error(`getaddrinfo ${code}`), { code }), '');

describe('what is known of a request that failed', () => {
  const resetsHello = {
    onConnect: ({ socket }: RawConnection) => socket.once('data', () => socket.destroy()),
  };
  const speaksNoTls = {
    onConnect: ({ socket }: RawConnection) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  };
  const passes = { isTransient: true };
  const stays = { isTransient: false };
  it.each<[string, string, Parameters<typeof startRawServer>[1], object, string]>([
    ['a handshake that is cut', 'https://127.0.0.1', resetsHello, passes, 'ECONNRESET'],
    ['no TLS behind the port', 'https://127.0.0.1', speaksNoTls, stays, 'does not speak HTTP'],
    [
      'a certificate for another host',
      'https://other.test',
      { tls: true },
      { ...stays, reason: 'certificate' },
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
  ])('%s sent nothing', async (_what, origin, options, facts, words) => {
    const server = await serveRaw(() => {}, options);
    const http = makeHttp({ certificateAuthority: TLS_FIXTURE.cert, resolver: lookupOf() });
    const failure = await failureOf(http.request(post(`${origin}:${server.port}/`)));
    expect(failure).toMatchObject({ hasSentBytes: false, ...facts, message: expect.stringContaining(words) });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(server.allReceived()).not.toContain('POST');
  });

  it.each(['ENOTFOUND', 'EAI_AGAIN'])('a name lookup that fails with %s sent nothing', async (code) => {
    const http = makeHttp({ resolver: lookupOf(code) });
    const failure = await failureOf(http.request(fresh('http://api.test/v1')));
    expect(failure).toMatchObject({ hasSentBytes: false, isTransient: true });
    expect(failure.message).toBe(`could not connect to api.test:80: its name was not found (${code})`);
  });

  it.each<[string, (connection: RawConnection) => void, object]>([
    ['a reset', (connection) => connection.reset(), passes],
    ['an end without an answer', (connection) => connection.finish(), {}],
    ['half a header', (connection) => connection.finish('HTTP/1.1 200 OK\r\nContent-'), {}],
    [
      'garbage instead of an answer',
      (connection) => connection.finish('SSH-2.0-OpenSSH_9\r\n\r\n'),
      { ...stays, message: expect.stringContaining('(HPE_') },
    ],
  ])('%s after the request: bytes were sent', async (_what, end, facts) => {
    for (const tls of [false, true]) {
      const server = await serveRaw(end, { tls });
      const http = makeHttp({ certificateAuthority: TLS_FIXTURE.cert });
      expect(await failureOf(http.request(post(`${server.origin}/`)))).toMatchObject({
        ...facts,
        hasSentBytes: true,
      });
      expect(server.allReceived()).toContain('{"prompt":"x"}');
    }
  });
});

describe('limits', () => {
  it.each([
    ['response', 'http', 30_000, true],
    ['connect', 'https', 10_000, false],
  ])(
    'names the %s limit of %s after %i ms; bytes were sent: %s',
    async (name, scheme, limitMs, hasSentBytes) => {
      const clock = createFakeClock();
      const asked = makeSignal();
      const server = await serveRaw(() => {}, { onConnect: ({ socket }) => socket.once('data', asked.fire) });
      const pending = failureOf(makeHttp({ clock }).request(post(`${scheme}://127.0.0.1:${server.port}/`)));
      await asked.seen;
      await clock.advance(limitMs);
      const message = expect.stringContaining(`:${server.port} within ${limitMs / 1000} s (${name} limit)`);
      expect(await pending).toMatchObject({ hasSentBytes, isTransient: true, message });
      expect(clock.pendingCount()).toBe(0);
    },
  );

  it('ends a body that drips for ever', async () => {
    const clock = createFakeClock();
    const server = await serveRaw(({ socket }) => socket.write(answer('{', 1_000)));
    let isDone = false;
    const pending = makeHttp({ clock })
      .request(post(`${server.origin}/`))
      .finally(() => {
        isDone = true;
      });
    for (let drop = 0; drop < 50 && !isDone; drop += 1) {
      server.connections[0]?.socket.write('x');
      await clock.advance(5_000);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect((await pending).endedEarly?.message).toContain('(response limit)');
  });
});

describe('bodies', () => {
  it.each(['', 'Connection: close\r\n'])(
    'more than was announced is no whole answer (%j)',
    async (header) => {
      const server = await serveRaw((connection) =>
        connection.finish(`HTTP/1.1 200 OK\r\n${header}Content-Length: 2\r\n\r\n{}{}`),
      );
      const result = await makeHttp().request(fresh(`${server.origin}/`));
      expect(result.endedEarly?.facts).toMatchObject({ hasSentBytes: true, reason: 'surplus' });
    },
  );

  it('asks for identity, names the product, and undoes a coding that comes all the same', async () => {
    const coded = gzipSync('{"id":1}').toString('latin1');
    const server = await serveRaw(({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${coded.length}\r\n\r\n`);
      socket.end(coded, 'latin1');
    });
    const result = await makeHttp().request(post(`${server.origin}/`));
    expect([text(result.body), result.headers['content-encoding']]).toEqual(['{"id":1}', 'gzip']);
    expect(server.allReceived().toLowerCase()).toContain('accept-encoding: identity');
    expect(server.allReceived().toLowerCase()).toContain('user-agent: evolink-cli/0.0.0');
  });
});

it('a body without end is read to the size limit, and no further', async () => {
  const server = await serveRaw(({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const pump = () => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 'x')));
    };
    socket.on('drain', pump);
    pump();
  });
  const result = await makeHttp().request({ ...post(`${server.origin}/`), maxBytes: 100_000 });
  expect(result).toMatchObject({ isTruncated: true });
  expect(result).not.toHaveProperty('endedEarly');
  expect(result.body.length).toBe(100_000);
});

it('connections are reused for reads, never for a fresh request', async () => {
  const server = await serveRaw(({ socket }) => {
    socket.write(answer('{}'));
    socket.on('data', () => socket.write(answer('{}')));
  });
  const http = makeHttp();
  for (const request of [post, post, fresh]) await http.request(request(`${server.origin}/`));
  expect(server.connections).toHaveLength(2);
  expect(server.connections[1]?.received().toLowerCase()).toContain('connection: close');
});

it.each([false, true])('a pooled connection that is stale counts as sent (tls %s)', async (tls) => {
  let count = 0;
  const onRequest = ({ socket, reset }: RawConnection) => {
    socket.write(answer('{}'));
    socket.on('data', (chunk) => {
      // The body of the first request may come after its head.
      if (!chunk.toString().startsWith('POST')) return;
      count += 1;
      reset();
    });
  };
  const server = await serveRaw(onRequest, { tls });
  const http = makeHttp({ certificateAuthority: TLS_FIXTURE.cert });
  await http.request(post(`${server.origin}/`));
  expect(await failureOf(http.request(post(`${server.origin}/`)))).toMatchObject({ hasSentBytes: true });
  expect(count).toBe(1);
});

/** Opens the tunnel that CONNECT asks for. */
function tunnel({ socket, received }: RawConnection): void {
  const port = Number(/^CONNECT [^:]+:(\d+)/.exec(received())?.[1]);
  const upstream = connect(port, '127.0.0.1', () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    socket.removeAllListeners('data');
    socket.pipe(upstream).pipe(socket);
  });
  upstream.on('error', () => socket.destroy());
}

function through(proxyUrl: string) {
  const clock = createFakeClock();
  const settings = readProxySettings({ HTTPS_PROXY: proxyUrl, HTTP_PROXY: proxyUrl });
  const proxy = { ...settings, shouldProxyLoopback: true };
  return { clock, proxy, http: makeHttp({ clock, proxy, certificateAuthority: TLS_FIXTURE.cert }) };
}

describe('a proxy', () => {
  it.each([
    [407, false],
    [403, false],
    [502, true],
    [503, true],
  ])('that refuses CONNECT with %i: nothing was sent', async (status, isTransient) => {
    const target = await serveRaw((connection) => connection.finish(answer('{}')));
    const proxy = await serveRaw((connection) =>
      connection.finish(`HTTP/1.1 ${status} No\r\nContent-Length: 4\r\n\r\nhtml`),
    );
    const url = `http://user:s3cret-pass@127.0.0.1:${proxy.port}`;
    for (const scheme of ['http', 'https']) {
      const failure = await failureOf(
        through(url).http.request(fresh(`${scheme}://127.0.0.1:${target.port}/`)),
      );
      expect(failure).toMatchObject({ hasSentBytes: false, isTransient });
      expect(failure.message).toContain(`through the proxy 127.0.0.1:${proxy.port}: it`);
      expect(failure.message).toContain(`(status ${status})`);
      expect(failure.shown).not.toContain('s3cret');
    }
    expect(target.connections).toHaveLength(0);
    expect(proxy.allReceived()).toContain('CONNECT 127.0.0.1:');
    expect(proxy.allReceived()).not.toContain('POST');
  });

  it('that is not there, or drops the connection: nothing was sent', async () => {
    const dropping = await serveRaw((connection) => connection.reset());
    for (const origin of [dropping.origin, `127.0.0.1:${await findRefusedPort()}`]) {
      const failure = await failureOf(through(origin).http.request(fresh('https://127.0.0.1:1/')));
      expect(failure).toMatchObject({ hasSentBytes: false, isTransient: true });
    }
  });

  it('that never answers CONNECT: the connect limit, nothing was sent, its connection is closed', async () => {
    const asked = makeSignal();
    const proxy = await serveRaw(() => asked.fire());
    const { http, clock } = through(proxy.origin);
    const pending = failureOf(http.request(fresh('https://127.0.0.1:1/')));
    await asked.seen;
    const closed = new Promise((resolve) => proxy.connections[0]?.socket.once('close', resolve));
    await clock.advance(10_000);
    expect(await pending).toMatchObject({
      hasSentBytes: false,
      message: expect.stringContaining('within 10 s (connect limit)'),
    });
    await closed;
  });

  it.each([false, true])(
    'that tunnels (tls %s): the request arrives, its credentials do not',
    async (tls) => {
      const target = await serveRaw((connection) => connection.finish(answer('{}')), { tls });
      const proxy = await serveRaw(tunnel);
      const { http } = through(`http://us%40er:pw@127.0.0.1:${proxy.port}`);
      expect((await http.request(fresh(`${target.origin}/`))).status).toBe(200);
      expect(target.allReceived()).toMatch(/^POST \/ HTTP/);
      expect(target.allReceived().toLowerCase()).not.toContain('proxy-authorization');
      const credentials = Buffer.from('us@er:pw').toString('base64');
      expect(proxy.allReceived()).toContain(`proxy-authorization: Basic ${credentials}`);
    },
  );

  it.each([false, true])('that tunnels to a server that resets (tls %s): bytes were sent', async (tls) => {
    const target = await serveRaw((connection) => connection.reset(), { tls });
    const proxy = await serveRaw(tunnel);
    const failure = await failureOf(through(proxy.origin).http.request(fresh(`${target.origin}/`)));
    expect(failure).toMatchObject({ hasSentBytes: true });
    expect(target.allReceived()).toContain('POST');
  });

  it('that tunnels to a certificate nobody trusts: nothing was sent', async () => {
    const target = await serveRaw(() => {}, { tls: true });
    const proxy = await serveRaw(tunnel);
    const http = makeHttp({ proxy: through(proxy.origin).proxy });
    const failure = await failureOf(http.request(fresh(`${target.origin}/`)));
    expect(failure).toMatchObject({ hasSentBytes: false, reason: 'certificate' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(target.allReceived()).toBe('');
  });
});

it('a link is connected to the very address that was checked', async () => {
  const { port } = await serveRaw((connection) => connection.finish(answer('ok')));
  let count = 0;
  const resolver: LookupFunction = (_host, _options, callback) => {
    count += 1;
    callback(null, [{ address: count === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }]);
  };
  const client = createLinkClient({ http: makeHttp(), allowLoopback: true, resolver });
  const { status, close } = await client.open(`http://localhost:${port}/a`, {});
  close();
  expect([status, count]).toEqual([200, 1]);
});
