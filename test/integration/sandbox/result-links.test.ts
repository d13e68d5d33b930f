import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { CLIP, closeAll, rawGet, start } from './sandbox-under-test.ts';

afterEach(closeAll);

const ETAG = `"${createHash('sha256').update(CLIP).digest('hex')}"`;
const HOUR_MS = 3_600_000;

describe('a result link', () => {
  it('serves the whole clip with length, type, strong ETag and no key', async () => {
    const sandbox = await start();
    const { link } = await sandbox.finish();
    const answer = await rawGet(link);
    expect(answer).toMatchObject({ status: 200, body: CLIP });
    expect(answer.headers).toMatchObject({
      'content-type': 'video/mp4',
      'content-length': '100000',
      'accept-ranges': 'bytes',
      etag: ETAG,
    });
    const head = await rawGet(link, {}, 'HEAD');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '100000', 0]);
    expect(sandbox.ledger.leakedCredentials()).toEqual([]);
  });

  it.each([
    ['bytes=10-19', 206, 'bytes 10-19/100000', CLIP.subarray(10, 20)],
    ['bytes=99990-', 206, 'bytes 99990-99999/100000', CLIP.subarray(99_990)],
    ['bytes=100000-', 416, 'bytes */100000', Buffer.alloc(0)],
    ['items=0-1', 200, undefined, CLIP],
  ])('range %s', async (range, status, contentRange, body) => {
    const { link } = await (await start()).finish();
    const answer = await rawGet(link, { range });
    expect([answer.status, answer.headers['content-range']]).toEqual([status, contentRange]);
    expect(answer.body.equals(body)).toBe(true);
  });

  it.each([
    [ETAG, 206],
    [`W/${ETAG}`, 200],
  ])('If-Range %s gives %i', async (ifRange, status) => {
    const { link } = await (await start()).finish();
    expect((await rawGet(link, { range: 'bytes=5-', 'if-range': ifRange })).status).toBe(status);
  });

  it.each(['authorization', 'x-api-key', 'cookie'])('records a %s that should not be there', async (name) => {
    const sandbox = await start();
    const { link } = await sandbox.finish();
    const { status } = await rawGet(link, { [name]: 'Bearer sk-secret' });
    expect(status).toBe(name === 'cookie' ? 200 : 400);
    expect(sandbox.ledger.leakedCredentials()).toHaveLength(1);
    expect(JSON.stringify(sandbox.ledger.leakedCredentials())).not.toContain('sk-secret');
  });

  it('expires after its life, with an XML document', async () => {
    const sandbox = await start();
    const { link } = await sandbox.finish();
    sandbox.advanceClock(24 * HOUR_MS - 200_000);
    expect((await rawGet(link)).status).toBe(200);
    sandbox.advanceClock(200_000);
    const answer = await rawGet(link);
    expect([answer.status, answer.headers['content-type']]).toEqual([403, 'application/xml']);
  });

  it('refuses a changed signature, a library agent, another method and an unknown clip', async () => {
    const { link } = await (await start()).finish();
    expect((await rawGet(link.replace(/expires=\d/, 'expires=9'))).status).toBe(403);
    expect((await rawGet(link, { 'user-agent': 'got (https://github.com/sindresorhus/got)' })).status).toBe(
      403,
    );
    expect((await rawGet(link, {}, 'POST')).status).toBe(405);
    expect((await rawGet(link.replace('.mp4', '-part2.mp4'))).status).toBe(404);
  });
});

/** One finished task, its link under these faults. */
async function withFaults(
  faults: string,
): Promise<Awaited<ReturnType<typeof start>> & { link: string; id: string }> {
  const sandbox = await start();
  const finished = await sandbox.finish();
  sandbox.addFaults(faults);
  return { ...sandbox, ...finished };
}

describe('link faults', () => {
  it.each(['link:cut@65536', 'link:cut@65536(rst)', 'link:cut@0', 'link:cut@1'])(
    '%s ends early under the true length',
    async (faults) => {
      const { link } = await withFaults(faults);
      const answer = await rawGet(link);
      expect(answer.error).toBeDefined();
      expect(answer.body.length).toBeLessThanOrEqual(65_536);
      if (!faults.includes('rst')) expect(answer.body.length).toBe(Number(/@(\d+)/.exec(faults)?.[1]));
      expect((await rawGet(link)).body.equals(CLIP)).toBe(true);
    },
  );

  it('lengths: wrong, none, chunked, and more bytes than announced', async () => {
    const { link } = await withFaults('link:wrong-length@50; link:wrong-length@-50; link:extra@10(skip=2)');
    const long = await rawGet(link);
    expect([long.headers['content-length'], long.body.length, long.error]).toEqual([
      '100050',
      100_000,
      'ECONNRESET',
    ]);
    expect((await rawGet(link)).headers['content-length']).toBe('99950');
    expect((await rawGet(link)).headers['content-length']).toBe('100000');

    const { link: other } = await withFaults('link:no-length; link:chunked(skip=1)');
    const open = await rawGet(other);
    expect([
      open.headers['content-length'],
      open.headers['transfer-encoding'],
      open.headers.connection,
    ]).toEqual([undefined, undefined, 'close']);
    expect(open.body.equals(CLIP)).toBe(true);
    const chunked = await rawGet(other);
    expect([chunked.headers['transfer-encoding'], chunked.body.length]).toEqual(['chunked', 100_000]);
  });

  it('ETags: weak, none, and another clip in the middle', async () => {
    const { link } = await withFaults('link:weak-etag; link:no-etag(skip=1); link:change(skip=2)');
    expect((await rawGet(link)).headers.etag).toBe(`W/${ETAG}`);
    expect((await rawGet(link)).headers).not.toHaveProperty('etag');
    const changed = await rawGet(link, { range: 'bytes=5-', 'if-range': ETAG });
    expect([changed.status, changed.headers.etag === ETAG]).toEqual([200, false]);
    expect(changed.body.equals(CLIP)).toBe(false);
    expect((await rawGet(link)).headers.etag).toBe(changed.headers.etag);
  });

  it('ranges: ignored, wrong start, wrong total, and only where one is asked for', async () => {
    const { link } = await withFaults(
      'link:ignore-range; link:wrong-start@7(skip=1); link:wrong-total@9(skip=2)',
    );
    expect((await rawGet(link)).status).toBe(200);
    const answers = [];
    for (let count = 0; count < 3; count += 1) answers.push(await rawGet(link, { range: 'bytes=100-' }));
    expect(answers.map((answer) => [answer.status, answer.headers['content-range']])).toEqual([
      [200, undefined],
      [206, 'bytes 107-99999/100000'],
      [206, 'bytes 100-99999/100009'],
    ]);
  });

  it.each([
    ['link:404', 404, 'application/xml'],
    ['link:410(form=text)', 410, 'text/plain; charset=utf-8'],
    ['link:416', 416, 'application/xml'],
    ['link:html', 200, 'text/html; charset=utf-8'],
    ['link:xml', 200, 'application/xml'],
    ['link:503(retry-after=2)', 503, 'application/xml'],
  ])('%s', async (faults, status, type) => {
    const { link } = await withFaults(faults);
    const answer = await rawGet(link);
    expect([answer.status, answer.headers['content-type']]).toEqual([status, type]);
    expect((await rawGet(link)).status).toBe(200);
  });
});
