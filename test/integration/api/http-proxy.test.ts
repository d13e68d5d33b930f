import { connect } from 'node:net';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { HttpFailure } from '../../../src/api/http.ts';
import { readProxySettings } from '../../../src/api/proxy.ts';
import { makeHttp } from '../../helpers/api-client.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { makeSignal } from '../../helpers/make-signal.ts';
import { findRefusedPort, type RawConnection, serveRaw, TLS_FIXTURE } from '../../helpers/raw-server.ts';

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
    const target = await serveRaw((connection) => connection.finish(OK));
    const proxy = await serveRaw((connection) =>
      connection.finish(`HTTP/1.1 ${status} No\r\nContent-Length: 4\r\n\r\nhtml`),
    );
    const url = `http://user:s3cret-pass@127.0.0.1:${proxy.port}`;
    for (const scheme of ['http', 'https']) {
      const failure = await failureOf(
        through(url).http.request(post(`${scheme}://127.0.0.1:${target.port}/`)),
      );
      expect(failure).toMatchObject({ hasSentBytes: false, isTransient });
      expect(failure.message).toContain(`through the proxy 127.0.0.1:${proxy.port}: it`);
      expect(failure.message).toContain(`(status ${status})`);
      expect(inspect(failure.error, { depth: null, showHidden: true })).not.toContain('s3cret');
    }
    expect(target.connections).toHaveLength(0);
    expect(proxy.allReceived()).toContain('CONNECT 127.0.0.1:');
    expect(proxy.allReceived()).not.toContain('POST');
  });

  it('that is not there, or drops the connection: nothing was sent', async () => {
    const dropping = await serveRaw((connection) => connection.reset());
    for (const origin of [dropping.origin, `127.0.0.1:${await findRefusedPort()}`]) {
      const failure = await failureOf(through(origin).http.request(post('https://127.0.0.1:1/')));
      expect(failure).toMatchObject({ hasSentBytes: false, isTransient: true });
    }
  });

  it('that never answers CONNECT: the connect limit, nothing was sent, its connection is closed', async () => {
    const asked = makeSignal();
    const proxy = await serveRaw(() => asked.fire());
    const { http, clock } = through(proxy.origin);
    const pending = failureOf(http.request(post('https://127.0.0.1:1/')));
    await asked.seen;
    const closed = new Promise((resolve) => proxy.connections[0]?.socket.once('close', resolve));
    await clock.advance(10_000);
    expect(await pending).toMatchObject({
      hasSentBytes: false,
      message: expect.stringContaining('within 10 s (connect limit)'),
    });
    await closed;
  });

  it('that tunnels: http and https arrive, with its credentials only at the proxy', async () => {
    for (const tls of [false, true]) {
      const target = await serveRaw((connection) => connection.finish(OK), { tls });
      const proxy = await serveRaw(tunnel);
      const { http } = through(`http://us%40er:pw@127.0.0.1:${proxy.port}`);
      const result = await http.request(post(`${target.origin}/`));
      expect(result.status).toBe(200);
      expect(target.allReceived()).toMatch(/^POST \/ HTTP/);
      expect(target.allReceived().toLowerCase()).not.toContain('proxy-authorization');
      const credentials = Buffer.from('us@er:pw').toString('base64');
      expect(proxy.allReceived()).toContain(`proxy-authorization: Basic ${credentials}`);
    }
  });

  it.each([false, true])('that tunnels to a server that resets (tls %s): bytes were sent', async (tls) => {
    const target = await serveRaw((connection) => connection.reset(), { tls });
    const proxy = await serveRaw(tunnel);
    const failure = await failureOf(through(proxy.origin).http.request(post(`${target.origin}/`)));
    expect(failure).toMatchObject({ hasSentBytes: true });
    expect(target.allReceived()).toContain('POST');
  });

  it('that tunnels to a certificate nobody trusts: nothing was sent', async () => {
    const target = await serveRaw(() => {}, { tls: true });
    const proxy = await serveRaw(tunnel);
    const http = makeHttp({ proxy: through(proxy.origin).proxy });
    const failure = await failureOf(http.request(post(`${target.origin}/`)));
    expect(failure).toMatchObject({ hasSentBytes: false, reason: 'certificate' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(target.allReceived()).toBe('');
  });
});
