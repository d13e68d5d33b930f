import type { LookupFunction } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  type Http,
  HttpFailure,
  type HttpRequest,
  type HttpStream,
  LinkFailure,
} from '../../../src/api/http-types.ts';
import { createLinkClient } from '../../../src/api/links.ts';

/**
 * Stands in for HTTP and opens no socket: it asks the lookup as a connection would, then answers from the script. So a
 * rule that fails shows in the test, and never as a connection to somewhere.
 */
function makeDeadHttp(locations: Readonly<Record<string, string | undefined>> = {}) {
  const opened: HttpRequest[] = [];
  const connected: string[] = [];
  const http: Pick<Http, 'open'> = {
    async open(request) {
      opened.push(request);
      const hostname = new URL(request.url).hostname;
      if (/[a-z]/i.test(hostname) && request.lookup) connected.push(await lookUp(request.lookup, hostname));
      const hasLocation = Object.hasOwn(locations, request.url);
      return reply(request.url, hasLocation ? 302 : 200, { location: locations[request.url] });
    },
  };
  return { http: { ...http, request: unused, close() {} }, opened, connected };
}

const unused = () => Promise.reject(new Error('links are opened, not requested'));

function lookUp(lookup: LookupFunction, hostname: string): Promise<string> {
  return new Promise((resolve, reject) => {
    lookup(hostname, { all: true }, (error, answer) => {
      const facts = {
        code: 'X',
        hasSentBytes: false,
        isTransient: true,
        isCertificate: false,
      } as const;
      if (error) reject(new HttpFailure('refused', facts));
      else resolve(typeof answer === 'string' ? answer : answer.map(({ address }) => address).join(' '));
    });
  });
}

function reply(url: string, status: number, headers: HttpStream['headers']): HttpStream {
  return { url, status, headers, body: (async function* () {})(), close() {} };
}

const resolveTo =
  (...addresses: string[]): LookupFunction =>
  (_host, _options, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );

async function failureOf(promise: Promise<unknown>): Promise<LinkFailure> {
  const error = await promise.catch((thrown: unknown) => thrown);
  return error instanceof LinkFailure ? error : expect.unreachable(String(error));
}

const LINK = 'https://files.test/a.mp4?sig=SECRET';
const PUBLIC = resolveTo('8.8.8.8');

describe('a link that may not be fetched', () => {
  it.each([
    'http://files.test/a.mp4',
    'https://127.0.0.1/a',
    'https://localhost/a',
    'https://0x7f.1/a',
    'https://2130706433/a',
    'https://[::ffff:127.0.0.1]/a',
    'https://10.0.0.1/a',
    'https://100.64.0.1/a',
    'https://169.254.169.254/a',
    'https://224.0.0.1/a',
    'https://198.18.0.1/a',
    'https://168.63.129.16/a',
    'https://0.0.0.0/a',
    'nonsense',
    'data:video/mp4,x',
  ])('%s opens nothing', async (link) => {
    const { http, opened } = makeDeadHttp();
    const client = createLinkClient({ http, allowLoopback: false, resolver: PUBLIC });
    expect(await failureOf(client.open(link, {}))).toMatchObject({ reason: 'address', isTransient: false });
    expect(opened).toHaveLength(0);
  });

  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '169.254.169.254',
    'fd00::1',
    '::1',
    'fe80::1',
    '100.100.100.200',
    '64:ff9b::7f00:1',
    '224.0.0.1',
    '0.0.0.0',
  ])('a name that resolves to %s is refused at the connection', async (address) => {
    for (const allowLoopback of [false, true]) {
      const { http, connected } = makeDeadHttp();
      const client = createLinkClient({ http, allowLoopback, resolver: resolveTo(address) });
      const failure = await failureOf(client.open(LINK, {}));
      expect(failure).toMatchObject({ reason: 'address', isTransient: false });
      expect(failure.message).toContain('files.test');
      expect(failure.message).not.toContain('SECRET');
      expect(connected).toEqual([]);
    }
  });

  it('a loopback name must resolve to loopback', async () => {
    const { http, connected } = makeDeadHttp();
    const client = createLinkClient({ http, allowLoopback: true, resolver: resolveTo('10.0.0.1') });
    expect(await failureOf(client.open('http://localhost:1/a', {}))).toMatchObject({ reason: 'address' });
    expect(connected).toEqual([]);
  });
});

describe('a link that may be fetched', () => {
  it('gets the fitting addresses only, on a connection of its own', async () => {
    const { http, opened, connected } = makeDeadHttp();
    const client = createLinkClient({
      http,
      allowLoopback: false,
      resolver: resolveTo('10.0.0.1', '8.8.8.8', '::1'),
    });
    expect((await client.open(LINK, {})).status).toBe(200);
    expect(connected).toEqual(['8.8.8.8']);
    expect(opened[0]).toMatchObject({ freshConnection: true, lookup: expect.any(Function) });
  });

  it('passes the addresses with which local tunnels answer for names', async () => {
    const { http, connected } = makeDeadHttp();
    await createLinkClient({ http, allowLoopback: false, resolver: resolveTo('198.18.0.7') }).open(LINK, {});
    expect(connected).toEqual(['198.18.0.7']);
  });

  it('loses its user info', async () => {
    const { http, opened } = makeDeadHttp();
    await createLinkClient({ http, allowLoopback: false, resolver: PUBLIC }).open(
      'https://u:p@files.test/a#x',
      {},
    );
    expect(opened[0]?.url).toBe('https://files.test/a');
  });
});

describe('a redirect', () => {
  it.each([
    ['http://169.254.169.254/latest', 'redirect'],
    ['https://169.254.169.254/latest', 'address'],
    ['https://10.0.0.1/', 'address'],
    ['https://[::1]/x', 'address'],
    ['https://localhost/x', 'address'],
    ['http://127.0.0.1:8080/', 'redirect'],
    ['http://files.test/b', 'redirect'],
    ['file:///etc/passwd', 'redirect'],
    [undefined, 'redirect'],
  ])('to %s is not followed (%s)', async (location, reason) => {
    const { http, opened } = makeDeadHttp({ [LINK]: location });
    const client = createLinkClient({ http, allowLoopback: true, resolver: PUBLIC });
    const failure = await failureOf(client.open(LINK, {}));
    expect(failure).toMatchObject({ reason, isTransient: false });
    expect(failure.message).not.toContain('SECRET');
    expect(opened.map(({ url }) => url)).toEqual([LINK]);
  });

  it('to another public host is followed, and checked there again', async () => {
    const { http, opened, connected } = makeDeadHttp({ [LINK]: 'https://cdn.test/b' });
    await createLinkClient({ http, allowLoopback: false, resolver: PUBLIC }).open(LINK, {});
    expect(opened.map(({ url }) => url)).toEqual([LINK, 'https://cdn.test/b']);
    expect(connected).toHaveLength(2);
  });
});
