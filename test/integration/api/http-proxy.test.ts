import { connect } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttp } from '../../../src/api/http.ts';
import { HttpFailure } from '../../../src/api/http-types.ts';
import { readProxySettings } from '../../../src/api/proxy.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import {
  findRefusedPort,
  type RawConnection,
  type RawServer,
  startRawServer,
  TLS_FIXTURE,
} from '../../helpers/raw-server.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(...parameters: Parameters<typeof startRawServer>): Promise<RawServer> {
  const server = await startRawServer(...parameters);
  cleanups.push(() => server.close());
  return server;
}

/** Opens the tunnel that CONNECT asks for. */
function tunnel({ socket, received }: RawConnection): void {
  const port = Number(/^CONNECT [^:]+:(\d+)/.exec(received())?.[1]);
  const upstream = connect(port, '127.0.0.1', () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    socket.removeAllListeners('data');
    socket.pipe(upstream).pipe(socket);
  });
  upstream.on('error', () => socket.destroy());
  cleanups.push(() => upstream.destroy());
}

function makeHttp(proxyUrl: string, options: { noProxy?: string; isLoopbackDirect?: boolean } = {}) {
  const clock = createFakeClock();
  const settings = readProxySettings({
    HTTPS_PROXY: proxyUrl,
    HTTP_PROXY: proxyUrl,
    NO_PROXY: options.noProxy,
  });
  const http = createHttp({
    userAgent: 'evolink-cli/0.0.0',
    timeouts: { connectMs: 10_000, responseMs: 30_000, idleMs: 20_000 },
    proxy: { ...settings, shouldProxyLoopback: options.isLoopbackDirect !== true },
    clock,
    certificateAuthority: TLS_FIXTURE.cert,
  });
  cleanups.push(() => http.close());
  return { http, clock };
}

const post = (url: string) => ({
  method: 'POST' as const,
  url,
  body: '{}',
  maxBytes: 1_000,
  freshConnection: true,
});
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}';

async function failureOf(promise: Promise<unknown>) {
  const error = await promise.catch((thrown: unknown) => thrown);
  if (!(error instanceof HttpFailure)) return expect.unreachable();
  return { ...error.facts, error, message: error.message };
}

describe('a proxy', () => {
  it.each([
    [407, false],
    [403, false],
    [502, true],
    [503, true],
  ])('that refuses CONNECT with %i: nothing was sent', async (status, isTransient) => {
    const target = await serve((connection) => connection.finish(OK));
    const proxy = await serve((connection) =>
      connection.finish(`HTTP/1.1 ${status} No\r\nContent-Length: 4\r\n\r\nhtml`),
    );
    const url = `http://user:s3cret-pass@127.0.0.1:${proxy.port}`;
    for (const scheme of ['http', 'https']) {
      const failure = await failureOf(
        makeHttp(url).http.request(post(`${scheme}://127.0.0.1:${target.port}/`)),
      );
      expect(failure).toMatchObject({
        code: `PROXY_${status}`,
        hasSentBytes: false,
        isTransient,
      });
      expect(failure.message).toContain(`through the proxy 127.0.0.1:${proxy.port}`);
      expect(inspect(failure.error, { depth: null, showHidden: true })).not.toContain('s3cret');
    }
    expect(target.connections).toHaveLength(0);
    expect(proxy.allReceived()).toContain('CONNECT 127.0.0.1:');
    expect(proxy.allReceived()).not.toContain('POST');
  });

  it('that is not there: nothing was sent', async () => {
    const { http } = makeHttp(`127.0.0.1:${await findRefusedPort()}`);
    const failure = await failureOf(http.request(post('https://127.0.0.1:1/')));
    expect(failure).toMatchObject({
      code: 'ECONNREFUSED',
      hasSentBytes: false,
      isTransient: true,
    });
  });

  it('that never answers CONNECT: the connect limit, nothing was sent, its connection is closed', async () => {
    let asked = () => {};
    const wasAsked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const proxy = await serve(() => asked());
    const { http, clock } = makeHttp(proxy.origin);
    const pending = failureOf(http.request(post('https://127.0.0.1:1/')));
    await wasAsked;
    const closed = new Promise((resolve) => proxy.connections[0]?.socket.once('close', resolve));
    await clock.advance(10_000);
    expect(await pending).toMatchObject({ code: 'TIMEOUT', hasSentBytes: false });
    await closed;
  });

  it('that drops the connection: nothing was sent', async () => {
    const proxy = await serve((connection) => connection.reset());
    const failure = await failureOf(makeHttp(proxy.origin).http.request(post('https://127.0.0.1:1/')));
    expect(failure).toMatchObject({ hasSentBytes: false, isTransient: true });
  });

  it('that tunnels: http and https arrive, with its credentials only at the proxy', async () => {
    for (const tls of [false, true]) {
      const target = await serve((connection) => connection.finish(OK), { tls });
      const proxy = await serve(tunnel);
      const { http } = makeHttp(`http://us%40er:pw@127.0.0.1:${proxy.port}`);
      const result = await http.request(post(`${target.origin}/`));
      expect(result.status).toBe(200);
      expect(target.allReceived()).toMatch(/^POST \/ HTTP/);
      expect(target.allReceived().toLowerCase()).not.toContain('proxy-authorization');
      const credentials = Buffer.from('us@er:pw').toString('base64');
      expect(proxy.allReceived()).toContain(`proxy-authorization: Basic ${credentials}`);
    }
  });

  it.each([false, true])('that tunnels to a server that resets (tls %s): bytes were sent', async (tls) => {
    const target = await serve((connection) => connection.reset(), { tls });
    const proxy = await serve(tunnel);
    const failure = await failureOf(makeHttp(proxy.origin).http.request(post(`${target.origin}/`)));
    expect(failure).toMatchObject({ hasSentBytes: true });
    expect(target.allReceived()).toContain('POST');
  });

  it('that tunnels to a certificate nobody trusts: nothing was sent', async () => {
    const target = await serve(() => {}, { tls: true });
    const proxy = await serve(tunnel);
    const settings = { forHttps: new URL(proxy.origin), noProxy: [], shouldProxyLoopback: true };
    const http = createHttp({
      userAgent: 'x',
      timeouts: { connectMs: 10_000, responseMs: 30_000, idleMs: 20_000 },
      proxy: settings,
      clock: createFakeClock(),
    });
    const failure = await failureOf(http.request(post(`${target.origin}/`)));
    expect(failure).toMatchObject({ hasSentBytes: false, isCertificate: true });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(target.allReceived()).toBe('');
  });

  it('is passed by for loopback and for NO_PROXY', async () => {
    const target = await serve((connection) => connection.finish(OK));
    const proxy = await serve(tunnel);
    for (const options of [{ isLoopbackDirect: true }, { noProxy: '127.0.0.1' }]) {
      await makeHttp(proxy.origin, options).http.request(post(`${target.origin}/`));
    }
    expect(proxy.connections).toHaveLength(0);
    expect(target.connections).toHaveLength(2);
  });
});
