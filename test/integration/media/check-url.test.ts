import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createLinkClient } from '../../../src/api/links.ts';
import { checkUrl, isStillThere } from '../../../src/media/check-url.ts';
import { judgeMedia } from '../../../src/media/judge.ts';
import type { MediaKind } from '../../../src/request/models.ts';
import { makeHttp } from '../../helpers/api-client.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { makeSignal } from '../../helpers/make-signal.ts';
import { fixture } from '../../helpers/media-fixtures.ts';
import { serveBytes, serve as serveHost } from '../../helpers/serve.ts';

const serve = async (handler: RequestListener) => `${await serveHost(handler)}/file`;

const timeouts = { connectMs: 10_000, responseMs: 600_000, idleMs: 600_000 };

/** Never asks a real resolver: every name leads where the test says. */
function makeLinks(address = '127.0.0.1', allowLoopback = true) {
  const clock = createFakeClock();
  const http = makeHttp({ timeouts, clock });
  const links = createLinkClient({
    http,
    allowLoopback,
    resolver: (_name, _options, callback) => callback(null, [{ address, family: 4 }]),
  });
  return { links, clock };
}

/** Serves a file with ranges, as any web host does; `whole` as one that knows none. */
function serving(bytes: Buffer, { isWhole = false, seen = [] as string[] } = {}): RequestListener {
  return (request, response) => {
    seen.push(`${request.method} ${request.headers.range} ${request.headers.authorization}`);
    if (isWhole) response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    else serveBytes(bytes)(request, response);
  };
}

async function check(url: string, kind: MediaKind) {
  const { facts, problems, remarks } = await checkUrl(url, makeLinks());
  const judged = facts === undefined ? { problems: [] } : judgeMedia(facts, kind);
  return { facts, remarks, rules: [...problems, ...judged.problems].map(({ rule }) => rule) };
}

describe('a URL that is looked at', () => {
  it.each([
    ['jpeg.jpg', 'image', { widthPx: 640, heightPx: 480 }],
    ['mp4-faststart.mp4', 'video', { widthPx: 720, heightPx: 576, seconds: 2.5, framesPerSecond: 24 }],
    ['wav.wav', 'audio', { seconds: 2.5 }],
    ['mp3-vbr.mp3', 'audio', { seconds: 9.072 }],
  ] as const)('%s tells what it is', async (name, kind, expected) => {
    const bytes = readFileSync(fixture(name));
    for (const isWhole of [false, true]) {
      const { facts, rules, remarks } = await check(await serve(serving(bytes, { isWhole })), kind);
      expect(facts).toMatchObject({ ...expected, sizeBytes: bytes.length });
      expect([rules, remarks]).toEqual([[], []]);
    }
  });

  it('reads the head alone, once, without credentials', async () => {
    const seen: string[] = [];
    const bytes = Buffer.concat([readFileSync(fixture('png.png')), Buffer.alloc(40 * 1024 ** 2)]);
    const { rules, facts } = await check(await serve(serving(bytes, { seen })), 'image');
    expect(seen).toEqual(['GET bytes=0-524287 undefined']);
    expect(facts?.sizeBytes).toBe(bytes.length);
    expect(rules).toEqual(['size']);
  });

  it('stops reading a host that sends everything', async () => {
    let sentBytes = 0;
    const url = await serve((_request, response) => {
      response.writeHead(200);
      response.write(readFileSync(fixture('jpeg.jpg')));
      const more = (): void => {
        sentBytes += 65_536;
        if (!response.destroyed) response.write(Buffer.alloc(65_536), more);
      };
      more();
    });
    const { facts } = await check(url, 'image');
    expect(facts).toMatchObject({ widthPx: 640, heightPx: 480 });
    expect(sentBytes).toBeLessThan(64 * 1024 ** 2);
  });
});

describe('a URL that says nothing certain', () => {
  it.each([416, 404])(
    'leaves no connection behind: status %i with a body that never comes',
    async (status) => {
      const closed = makeSignal();
      const url = await serve((request, response) => {
        request.socket.on('close', closed.fire);
        response.writeHead(status, { 'content-length': 4 });
        response.flushHeaders();
      });
      expect((await check(url, 'image')).remarks).toHaveLength(1);
      await closed.seen;
    },
  );

  it.each([
    ['404', 404, '', 'answers with status 404'],
    ['a page', 200, '<!DOCTYPE html><p>Sign in</p>', 'answers with a page'],
    ['nothing', 200, '', 'is empty'],
    ['other bytes', 200, 'no known type at all', 'unsupported type'],
  ])('%s is a remark', async (_what, status, body, text) => {
    const url = await serve((_request, response) => response.writeHead(status).end(body));
    const { rules, remarks } = await check(url, 'image');
    expect(rules).toEqual([]);
    expect(remarks).toEqual([expect.stringContaining(text)]);
  });

  it.each([
    ['answers nothing', () => undefined],
    [
      'stops in the middle',
      (response: Parameters<RequestListener>[1]) =>
        void response.writeHead(200, { 'content-length': 9_999 }).write('x'),
    ],
  ])('a host that %s holds up nothing for more than 10 s', async (_what, answer) => {
    const asked = makeSignal();
    const url = await serve((_request, response) => {
      answer(response);
      asked.fire();
    });
    const { links, clock } = makeLinks();
    const checked = checkUrl(url, { links, clock });
    await asked.seen;
    await clock.advance(10_000);
    expect((await checked).remarks).toEqual(['did not answer whole within 10 s']);
    expect(clock.pendingCount()).toBe(0);
  });
});

it('a URL without TLS is a remark, and is not fetched', async () => {
  const { remarks } = await checkUrl('http://example.com/x.png', makeLinks());
  expect(remarks).toEqual(['was not checked: only https is read here']);
});

it('a look ends at once when the person stops', async () => {
  const stop = new AbortController();
  const url = await serve(() => stop.abort(new Error('stopped')));
  await expect(checkUrl(url, { ...makeLinks(), signal: stop.signal })).rejects.toThrow('stopped');
});

it('an earlier upload is there while its host cannot be asked', async () => {
  expect(await isStillThere('http://127.0.0.1:1/x.png', makeLinks())).toBe(true);
});

it('an address that the service cannot reach is a problem', async () => {
  const { links, clock } = makeLinks('10.0.0.7', false);
  const { problems } = await checkUrl('https://media.example.com/x.png', { links, clock });
  expect(problems).toMatchObject([{ rule: 'address' }]);
});

it.each([
  [200, true],
  [206, true],
  [403, true],
  [404, false],
  [410, false],
  [500, true],
])('an earlier upload whose host answers %s is there: %s', async (status, expected) => {
  const url = await serve((_request, response) => response.writeHead(status).end());
  expect(await isStillThere(url, makeLinks())).toBe(expected);
});
