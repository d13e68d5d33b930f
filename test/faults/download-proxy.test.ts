import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { expectSaved, TASK_ID, useDownloadRig } from '../helpers/download-rig.ts';
import { CANARY_KEY } from '../helpers/rig.ts';

const CERTIFICATE = fileURLToPath(new URL('../fixtures/tls/hosts-cert.pem', import.meta.url));
const KEY = fileURLToPath(new URL('../fixtures/tls/hosts-key.pem', import.meta.url));
/** Names that no resolver knows: only the proxy can lead to them. */
const API = 'https://api.evolink.test';
const LINK = 'https://files.evolink.test/clip.mp4?signature=secret';

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address: AddressInfo | string | null = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Service and link host over TLS, and a proxy that leads every CONNECT to them. */
async function useProxy({ credentials }: { readonly credentials?: string } = {}) {
  const rig = await useDownloadRig({ rate: 5 });
  const seen: {
    readonly host: string;
    readonly path: string;
    readonly authorization?: string | undefined;
  }[] = [];
  const tls = createTlsServer(
    { cert: readFileSync(CERTIFICATE), key: readFileSync(KEY) },
    (request, response) => {
      const { host = '', authorization } = request.headers;
      seen.push({ host, path: request.url ?? '', authorization });
      if (host === 'api.evolink.test') {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify(rig.task({ results: [LINK] }).body));
      } else response.writeHead(200, { etag: '"v1"', 'content-length': rig.content.length }).end(rig.content);
    },
  );
  const tlsPort = await listen(tls);
  const tunnels: string[] = [];
  const plain: string[] = [];
  const proxy = createHttpServer((request, response) => {
    plain.push(request.url ?? '');
    response.writeHead(502).end();
  });
  proxy.on('connect', (request, client) => {
    tunnels.push(request.url ?? '');
    client.on('error', () => undefined);
    const wanted = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
    if (wanted !== undefined && request.headers['proxy-authorization'] !== wanted) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const upstream = connect(tlsPort, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });
  const proxyPort = await listen(proxy);
  const run = (env: Readonly<Record<string, string>>) =>
    rig.download(['-o', 'clip.mp4'], {
      env: { EVOLINK_BASE_URL: API, NODE_EXTRA_CA_CERTS: CERTIFICATE, ...env },
    });
  return { rig, seen, tunnels, plain, proxyPort, run };
}

describe('a proxy from the environment', () => {
  it.each(['HTTPS_PROXY', 'https_proxy'])('%s leads to the service and to the link', async (name) => {
    const { rig, seen, tunnels, proxyPort, run } = await useProxy();
    const { code, stderr } = await run({ [name]: `http://127.0.0.1:${proxyPort}` });
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expectSaved(rig);
    expect(tunnels).toEqual(['api.evolink.test:443', 'files.evolink.test:443']);
    expect(seen.map(({ host, authorization }) => [host, authorization])).toEqual([
      ['api.evolink.test', `Bearer ${CANARY_KEY}`],
      ['files.evolink.test', undefined],
    ]);
  });

  it('the lower-case name wins', async () => {
    const { proxyPort, run } = await useProxy();
    const { code, stderr } = await run({
      HTTPS_PROXY: 'http://127.0.0.1:9',
      https_proxy: `http://127.0.0.1:${proxyPort}`,
    });
    expect([code, stderr]).toEqual([0, expect.any(String)]);
  });

  it('credentials reach the proxy, and nobody else', async () => {
    const { rig, run, proxyPort } = await useProxy({ credentials: 'ann:s3cr3t word' });
    const { code, stdout, stderr } = await run({
      HTTPS_PROXY: `http://ann:s3cr3t%20word@127.0.0.1:${proxyPort}`,
    });
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(stdout + stderr).not.toMatch(/s3cr3t|ann:/);
    expectSaved(rig);
  });

  it('refused for its credentials: exit 6, which are not shown', async () => {
    const { seen, run, proxyPort } = await useProxy({ credentials: 'ann:right' });
    const { code, stdout, stderr } = await run({ HTTPS_PROXY: `http://ann:wr0ng@127.0.0.1:${proxyPort}` });
    expect(code).toBe(6);
    expect(stderr).toContain(
      `through the proxy 127.0.0.1:${proxyPort}: it wants other credentials (status 407)`,
    );
    expect(stdout + stderr).not.toMatch(/wr0ng|ann/);
    expect(seen).toEqual([]);
  });

  it('a proxy that is not there: exit 6, the task is safe, host and port are named', async () => {
    const { run } = await useProxy();
    const { code, stderr } = await run({ HTTPS_PROXY: 'http://user:pa55@127.0.0.1:9' });
    expect(code).toBe(6);
    expect(stderr).toContain('127.0.0.1:9');
    expect(stderr).not.toContain('pa55');
    expect(stderr).toContain(TASK_ID);
  });

  it('an address that is none: exit 2, credentials hidden', async () => {
    const { run, seen } = await useProxy();
    const { code, stderr } = await run({ HTTPS_PROXY: 'socks5://user:pa55@proxy.test:1080' });
    expect(code).toBe(2);
    expect(stderr).toContain(
      'HTTPS_PROXY is not a proxy that evolink can use: "socks5://***@proxy.test:1080"',
    );
    expect(stderr).not.toContain('pa55');
    expect(seen).toEqual([]);
  });

  it.each(['evolink.test', '.evolink.test', 'files.evolink.test:443', '*'])(
    'NO_PROXY=%s: not through the proxy',
    async (rule) => {
      const { tunnels, proxyPort, run } = await useProxy();
      const { code } = await run({
        HTTPS_PROXY: `http://127.0.0.1:${proxyPort}`,
        NO_PROXY: rule,
        EVOLINK_TIMEOUT: '0',
        EVOLINK_CONNECT_TIMEOUT: '2s',
        FAULT_PRELOAD_PLAN: JSON.stringify({ dns: 99 }),
        NODE_OPTIONS: `--import ${new URL('./fault-preload.mjs', import.meta.url).href}`,
      });
      expect(code).not.toBe(0);
      expect(tunnels).toEqual(rule.startsWith('files') ? ['api.evolink.test:443'] : []);
    },
  );

  it('hosts on this machine are reached directly', async () => {
    const rig = await useDownloadRig();
    const dead = 'http://127.0.0.1:9';
    const env = { HTTP_PROXY: dead, HTTPS_PROXY: dead, http_proxy: dead };
    expect((await rig.download(['-o', 'clip.mp4'], { env })).code).toBe(0);
    expectSaved(rig);
  });
});

describe('certificates', () => {
  it('an authority that NODE_EXTRA_CA_CERTS does not name: refused, the host is named', async () => {
    const { seen, proxyPort, run } = await useProxy();
    const { code, stderr } = await run({
      HTTPS_PROXY: `http://127.0.0.1:${proxyPort}`,
      NODE_EXTRA_CA_CERTS: '',
    });
    expect(code).toBe(6);
    expect(stderr).toMatch(/api\.evolink\.test:443: the certificate/);
    expect(seen).toEqual([]);
  });
});
