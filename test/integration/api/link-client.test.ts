import type { LookupFunction } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttp } from '../../../src/api/http.ts';
import { LinkFailure } from '../../../src/api/http-types.ts';
import { createLinkClient } from '../../../src/api/links.ts';
import { NO_PROXIES } from '../../../src/api/proxy.ts';
import { type FakeApi, type FakeReply, startFakeApi } from '../../helpers/fake-api.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { startRawServer, TLS_FIXTURE } from '../../helpers/raw-server.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function fakeHost(): Promise<FakeApi> {
  const fake = await startFakeApi();
  cleanups.push(() => fake.finish());
  return fake;
}

function makeClient(options: { allowLoopback?: boolean; resolver?: LookupFunction } = {}) {
  const http = createHttp({
    userAgent: 'evolink-cli/1.2.3 (+https://example.test)',
    timeouts: { connectMs: 10_000, responseMs: 30_000, idleMs: 30_000 },
    proxy: NO_PROXIES,
    clock: createFakeClock(),
    certificateAuthority: TLS_FIXTURE.cert,
  });
  cleanups.push(() => http.close());
  return createLinkClient({ http, allowLoopback: options.allowLoopback ?? true, resolver: options.resolver });
}

async function failureOf(promise: Promise<unknown>): Promise<LinkFailure> {
  const error = await promise.catch((thrown: unknown) => thrown);
  return error instanceof LinkFailure ? error : expect.unreachable(String(error));
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const resolveTo =
  (...addresses: string[]): LookupFunction =>
  (_host, _options, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );

const redirect = (location: string): FakeReply => ({ status: 302, headers: { location } });

describe('a link', () => {
  it('notices a circle', async () => {
    const host = await fakeHost();
    host.on('GET /a', redirect('/b#x'));
    host.on('GET /b', redirect('/a'));
    const failure = await failureOf(makeClient().open(`${host.origin}/a`, {}));
    expect(failure).toMatchObject({ reason: 'redirect', isTransient: false });
    expect(failure.message).toContain('circle');
  });

  it('is not followed from https down to http', async () => {
    const plain = await fakeHost();
    const server = await startRawServer(
      (connection) =>
        connection.finish(`HTTP/1.1 302 Found\r\nLocation: ${plain.origin}/a\r\nContent-Length: 0\r\n\r\n`),
      { tls: true },
    );
    cleanups.push(() => server.close());
    const failure = await failureOf(makeClient().open(`${server.origin}/a?sig=SECRET`, {}));
    expect(failure).toMatchObject({ reason: 'redirect' });
    expect(failure.message).not.toContain('SECRET');
    expect(plain.requests).toHaveLength(0);
  });

  it('is connected to the very address that was checked', async () => {
    const host = await fakeHost();
    host.on('GET /a', { body: 'ok' });
    let count = 0;
    const rebinding: LookupFunction = (_host, _options, callback) => {
      count += 1;
      callback(null, [{ address: count === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }]);
    };
    const link = host.origin.replace('127.0.0.1', 'localhost');
    const response = await makeClient({ resolver: rebinding }).open(`${link}/a`, {});
    expect(await textOf(response.body)).toBe('ok');
    expect(count).toBe(1);
  });

  it('tells a bad certificate from trouble that passes, and a cut body', async () => {
    const tls = await startRawServer(() => {}, { tls: true });
    const cut = await startRawServer((connection) =>
      connection.finish('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc'),
    );
    cleanups.push(
      () => tls.close(),
      () => cut.close(),
    );
    const lookup = resolveTo('127.0.0.1');
    const misnamed = await failureOf(
      makeClient({ resolver: lookup }).open(`https://x.localhost:${tls.port}/a`, {}),
    );
    expect(misnamed).toMatchObject({ reason: 'certificate', isTransient: false });
    const response = await makeClient().open(`${cut.origin}/a?sig=SECRET`, {});
    const failure = await failureOf(textOf(response.body));
    expect(failure).toMatchObject({ reason: 'network', isTransient: true });
    expect(failure.message).not.toContain('SECRET');
  });
});
