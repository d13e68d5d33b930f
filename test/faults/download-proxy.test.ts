import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { expectSaved, TASK_ID, useDownloadRig } from '../helpers/download-rig.ts';
import { fixture } from '../helpers/media-fixtures.ts';
import { CANARY_KEY, expectSaid } from '../helpers/rig.ts';
import { listenForTest } from '../helpers/serve.ts';
import type { CliOptions } from '../helpers/spawn-cli.ts';

const pathOf = (name: string) => fixture(`../tls/${name}.pem`);
const CERTIFICATE = pathOf('hosts-cert');
const PAIR = { cert: readFileSync(CERTIFICATE), key: readFileSync(pathOf('hosts-key')) };
/** Names that no resolver knows: only the proxy can lead to them. */
const API = 'https://api.evolink.test';
const LINK = 'https://files.evolink.test/clip.mp4?signature=secret';
const NOBODY = '127.0.0.1:9';

/** Service and link host over TLS, and a proxy that leads every CONNECT to them. */
async function useProxy(credentials?: string) {
  const rig = await useDownloadRig({ rate: 5 });
  /** Who was reached, and with what key. */
  const seen: (readonly [host: string, key: string | undefined])[] = [];
  const tls = createTlsServer(PAIR, ({ headers: { host = '', authorization } }, response) => {
    seen.push([host, authorization]);
    const { body } = rig.task({ results: [LINK] });
    const type = { 'content-type': 'application/json' };
    if (host === 'api.evolink.test') response.writeHead(200, type).end(JSON.stringify(body));
    else response.writeHead(200, { etag: '"v1"', 'content-length': rig.content.length }).end(rig.content);
  });
  const tlsPort = await listenForTest(tls);
  const tunnels: string[] = [];
  const proxy = createHttpServer((_request, response) => response.writeHead(502).end());
  proxy.on('connect', (request, client) => {
    tunnels.push(request.url ?? '');
    client.on('error', () => undefined);
    const wanted = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
    if (wanted !== undefined && request.headers['proxy-authorization'] !== wanted)
      return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
    const upstream = connect(tlsPort, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });
  const address = `127.0.0.1:${await listenForTest(proxy)}`;
  const usual = { EVOLINK_BASE_URL: API, NODE_EXTRA_CA_CERTS: CERTIFICATE };
  const run = (env: Readonly<Record<string, string>>, options: CliOptions = {}) =>
    rig.download(undefined, { ...options, env: { ...usual, ...env } });
  return { rig, seen, tunnels, address, run };
}

describe('a proxy from the environment', () => {
  it.each([
    ['HTTPS_PROXY', {}],
    ['https_proxy', {}],
    ['https_proxy', { HTTPS_PROXY: `http://${NOBODY}` }],
  ])('%s leads to the service and to the link; the lower-case name wins (%o)', async (name, other) => {
    const { rig, seen, tunnels, address, run } = await useProxy();
    expectSaid(await run({ ...other, [name]: `http://${address}` }), 0);
    expectSaved(rig);
    expect(tunnels).toEqual(['api.evolink.test:443', 'files.evolink.test:443']);
    expect(seen).toEqual([
      ['api.evolink.test', `Bearer ${CANARY_KEY}`],
      ['files.evolink.test', undefined],
    ]);
  });

  it('credentials reach the proxy, and nobody else', async () => {
    const { rig, run, address } = await useProxy('ann:s3cr3t word');
    const result = await run({ HTTPS_PROXY: `http://ann:s3cr3t%20word@${address}` });
    expectSaid(result, 0);
    expect(result.stdout + result.stderr).not.toMatch(/s3cr3t|ann:/);
    expectSaved(rig);
  });

  const NONE = 'HTTPS_PROXY is not a proxy that evolink can use: "socks5://***@proxy.test:1080"';
  it.each([
    ['that refuses the credentials', 6, 'http://ann:pa55@HERE', 'it wants other credentials (status 407)'],
    ['that is not there: the task is safe', 6, `http://ann:pa55@${NOBODY}`, TASK_ID],
    ['that is none', 2, 'socks5://ann:pa55@proxy.test:1080', NONE],
  ])('one %s: exit %i, named without its credentials', async (_what, exit, form, says) => {
    const { seen, run, address } = await useProxy('ann:right');
    const url = form.replace('HERE', address);
    const result = await run({ HTTPS_PROXY: url });
    const through = form.endsWith('HERE') ? [`through the proxy ${address}: ${says}`] : [says];
    expectSaid(result, exit, ...through, url.slice(url.indexOf('@') + 1));
    expect(result.stdout + result.stderr).not.toMatch(/pa55|ann/);
    expect(seen).toEqual([]);
  });

  const RULES = ['evolink.test', '.evolink.test', 'files.evolink.test:443', '*'];
  it.each(RULES)('NO_PROXY=%s: not through the proxy', async (rule) => {
    const { tunnels, address, run } = await useProxy();
    const limits = { EVOLINK_TIMEOUT: '0', EVOLINK_CONNECT_TIMEOUT: '2s' };
    const env = { HTTPS_PROXY: `http://${address}`, NO_PROXY: rule, ...limits };
    expect((await run(env, { faults: { dns: 99 } })).code).not.toBe(0);
    // On a busy machine a connection may have timed out between two requests.
    expect([...new Set(tunnels)]).toEqual(rule.startsWith('files') ? ['api.evolink.test:443'] : []);
  });

  it('hosts on this machine are reached directly', async () => {
    const rig = await useDownloadRig();
    const dead = `http://${NOBODY}`;
    const env = { HTTP_PROXY: dead, HTTPS_PROXY: dead, http_proxy: dead };
    expect((await rig.download(undefined, { env })).code).toBe(0);
    expectSaved(rig);
  });

  it('an authority that NODE_EXTRA_CA_CERTS does not name: refused, the host is named', async () => {
    const { seen, address, run } = await useProxy();
    const result = await run({ HTTPS_PROXY: `http://${address}`, NODE_EXTRA_CA_CERTS: '' });
    expectSaid(result, 6, /api\.evolink\.test:443: the certificate/);
    expect(seen).toEqual([]);
  });
});
