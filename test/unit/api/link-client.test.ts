import type { LookupFunction } from 'node:net';
import { describe, expect, it } from 'vitest';
import { HttpFailure, type HttpRequest } from '../../../src/api/http.ts';
import { createLinkClient } from '../../../src/api/links.ts';

const LINK = 'https://files.test/a.mp4?sig=SECRET';
const FACTS = { hasSentBytes: false, isTransient: true };

interface Setup {
  /** What names resolve to. */
  readonly addresses?: readonly string[];
  readonly allowLoopback?: boolean;
  /** Where a URL redirects to; null = to nowhere. */
  readonly locations?: Readonly<Record<string, string | null>>;
}

/**
 * Opens a link with HTTP that opens no socket: it asks the lookup as a connection would, then answers from the script. So
 * a rule that fails shows in the test, and never as a connection to somewhere.
 */
async function open(
  link: string,
  { addresses = ['8.8.8.8'], allowLoopback = false, locations = {} }: Setup = {},
) {
  const opened: HttpRequest[] = [];
  const connected: string[] = [];
  const resolver: LookupFunction = (_host, _options, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  const http: Parameters<typeof createLinkClient>[0]['http'] = {
    async open(request) {
      opened.push(request);
      const { hostname } = new URL(request.url);
      if (/[a-z]/i.test(hostname))
        request.lookup?.(hostname, { all: true }, (error, answer) => {
          if (error) throw new HttpFailure('refused', FACTS);
          connected.push(...[answer].flat().map((each) => (typeof each === 'string' ? each : each.address)));
        });
      const location = locations[request.url];
      const status = location === undefined ? 200 : 302;
      const headers = { location: location ?? undefined };
      return { url: request.url, status, headers, body: (async function* () {})(), close() {} };
    },
  };
  const client = createLinkClient({ http, allowLoopback, resolver });
  const failure: HttpFailure | undefined = await client.open(link, {}).then(
    () => undefined,
    (error) => error,
  );
  expect(failure?.message ?? '').not.toContain('SECRET');
  return { failure, connected, opened, urls: opened.map(({ url }) => url) };
}

describe('a link', () => {
  const LITERALS =
    'https://127.0.0.1/a https://localhost/a https://0x7f.1/a https://2130706433/a https://10.0.0.1/a'
      .concat(
        ' https://[::ffff:127.0.0.1]/a https://100.64.0.1/a https://169.254.169.254/a https://224.0.0.1/a',
      )
      .concat(' https://198.18.0.1/a https://168.63.129.16/a https://0.0.0.0/a http://files.test/a.mp4')
      .concat(' nonsense data:video/mp4,x');
  it.each(LITERALS.split(' '))('%s opens nothing', async (link) => {
    const { failure, urls } = await open(link);
    expect([failure?.facts.reason, failure?.facts.isTransient, urls]).toEqual(['address', false, []]);
  });

  const ADDRESSES =
    '127.0.0.1 10.1.2.3 169.254.169.254 fd00::1 ::1 fe80::1 100.100.100.200 64:ff9b::7f00:1 224.0.0.1 0.0.0.0';
  it.each(ADDRESSES.split(' '))('whose name resolves to %s is refused at the connection', async (address) => {
    for (const allowLoopback of [false, true]) {
      const { failure, connected } = await open(LINK, { addresses: [address], allowLoopback });
      expect([failure?.facts.reason, failure?.facts.isTransient, connected]).toEqual(['address', false, []]);
      expect(failure?.message).toContain('files.test');
    }
  });

  it('to this machine must lead to this machine', async () => {
    const { failure, connected } = await open('http://localhost:1/a', {
      addresses: ['10.0.0.1'],
      allowLoopback: true,
    });
    expect([failure?.facts.reason, connected]).toEqual(['address', []]);
  });

  it('is opened on a connection of its own, at the fitting addresses only, without user info', async () => {
    const { opened, connected } = await open('https://u:p@files.test/a#x', {
      addresses: ['10.0.0.1', '8.8.8.8', '::1'],
    });
    expect(opened).toMatchObject([{ url: 'https://files.test/a', freshConnection: true }]);
    expect(connected).toEqual(['8.8.8.8']);
    // Local tunnels answer with these for public names.
    expect((await open(LINK, { addresses: ['198.18.0.7'] })).connected).toEqual(['198.18.0.7']);
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
    [LINK, 'redirect'],
    [null, 'redirect'],
  ])('to %s is not followed (%s)', async (location, reason) => {
    const { failure, urls } = await open(LINK, { allowLoopback: true, locations: { [LINK]: location } });
    expect([failure?.facts.reason, failure?.facts.isTransient, urls]).toEqual([reason, false, [LINK]]);
  });

  it('to another public host is followed, and checked there again', async () => {
    const { urls, connected } = await open(LINK, { locations: { [LINK]: 'https://cdn.test/b' } });
    expect(urls).toEqual([LINK, 'https://cdn.test/b']);
    expect(connected).toHaveLength(2);
  });
});
