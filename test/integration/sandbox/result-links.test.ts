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
async function withFaults(faults: string) {
  const sandbox = await start();
  const finished = await sandbox.finish();
  sandbox.addFaults(faults);
  return finished;
}

describe('link faults', () => {
  it.each([
    ['link:cut@65536', 65_536],
    ['link:cut@65536(rst)', undefined],
    ['link:cut@0', 0],
    ['link:cut@1', 1],
  ])('%s ends early under the true length, once', async (faults, sizeBytes) => {
    const { link } = await withFaults(faults);
    const answer = await rawGet(link);
    expect(answer.error).toBeDefined();
    expect(answer.body.length).toBeLessThanOrEqual(65_536);
    if (sizeBytes !== undefined) expect(answer.body.length).toBe(sizeBytes);
    expect((await rawGet(link)).body.equals(CLIP)).toBe(true);
  });

  const RANGE = { range: 'bytes=100-' };

  it.each<[string, object, number, object, number]>([
    ['link:wrong-length@50', {}, 200, { 'content-length': '100050' }, 100_000],
    ['link:wrong-length@-50', {}, 200, { 'content-length': '99950' }, 99_950],
    ['link:extra@10', {}, 200, { 'content-length': '100000' }, 100_000],
    ['link:no-length', {}, 200, { 'content-length': undefined, connection: 'close' }, 100_000],
    ['link:chunked', {}, 200, { 'transfer-encoding': 'chunked' }, 100_000],
    ['link:weak-etag', {}, 200, { etag: `W/${ETAG}` }, 100_000],
    ['link:no-etag', {}, 200, { etag: undefined, 'last-modified': undefined }, 100_000],
    ['link:ignore-range', RANGE, 200, { 'content-range': undefined }, 100_000],
    ['link:wrong-start@7', RANGE, 206, { 'content-range': 'bytes 107-99999/100000' }, 99_893],
    ['link:wrong-total@9', RANGE, 206, { 'content-range': 'bytes 100-99999/100009' }, 99_900],
    ['link:404', {}, 404, { 'content-type': 'application/xml' }, 0],
    ['link:410(form=text)', {}, 410, { 'content-type': 'text/plain; charset=utf-8' }, 0],
    ['link:416', {}, 416, { 'content-type': 'application/xml' }, 0],
    ['link:html', {}, 200, { 'content-type': 'text/html; charset=utf-8' }, 0],
    ['link:xml', {}, 200, { 'content-type': 'application/xml' }, 0],
    ['link:503(retry-after=2)', {}, 503, { 'retry-after': '2' }, 0],
  ])('%s under %j, once', async (faults, asked, status, headers, sizeBytes) => {
    const { link } = await withFaults(faults);
    // What strikes a range waits for one.
    if ('range' in asked) expect((await rawGet(link)).status).toBe(200);
    const answer = await rawGet(link, { ...asked });
    expect(answer.status).toBe(status);
    for (const [name, value] of Object.entries(headers)) expect(answer.headers[name]).toBe(value);
    if (sizeBytes > 0) expect(answer.body.length).toBe(sizeBytes);
    expect((await rawGet(link)).headers).toMatchObject({ 'content-length': '100000', etag: ETAG });
  });

  it('makes another clip of it in the middle', async () => {
    const { link } = await withFaults('link:change');
    const changed = await rawGet(link, { range: 'bytes=5-', 'if-range': ETAG });
    expect([changed.status, changed.headers.etag === ETAG]).toEqual([200, false]);
    expect(changed.body.equals(CLIP)).toBe(false);
    expect((await rawGet(link)).headers.etag).toBe(changed.headers.etag);
  });
});
