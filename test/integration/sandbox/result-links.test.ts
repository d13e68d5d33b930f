import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { CLIP, rawGet, start } from './sandbox-under-test.ts';

const ETAG = `"${createHash('sha256').update(CLIP).digest('hex')}"`;
const HOUR_MS = 3_600_000;

/** A sandbox with one finished task, and then these faults. */
async function finished(faults = '') {
  const sandbox = await start();
  const { link } = await sandbox.finish();
  sandbox.addFaults(faults);
  return { ...sandbox, link };
}

describe('a result link', () => {
  it('serves the whole clip with length, type, strong ETag and no key', async () => {
    const { link, ledger } = await finished();
    const type = { 'content-type': 'video/mp4', 'accept-ranges': 'bytes' };
    const headers = { ...type, 'content-length': '100000', etag: ETAG };
    expect(await rawGet(link)).toMatchObject({ status: 200, body: CLIP, headers });
    const head = await rawGet(link, {}, 'HEAD');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '100000', 0]);
    expect(ledger.leakedCredentials()).toEqual([]);
  });

  it.each([
    [ETAG, 206],
    [`W/${ETAG}`, 200],
  ])('If-Range %s gives %i', async (ifRange, status) => {
    const { link } = await finished();
    expect((await rawGet(link, { range: 'bytes=5-', 'if-range': ifRange })).status).toBe(status);
  });

  it.each(['authorization', 'x-api-key', 'cookie'])('records a %s that should not be there', async (name) => {
    const { link, ledger } = await finished();
    const { status } = await rawGet(link, { [name]: 'Bearer sk-secret' });
    expect(status).toBe(name === 'cookie' ? 200 : 400);
    expect(ledger.leakedCredentials()).toHaveLength(1);
    expect(JSON.stringify(ledger.leakedCredentials())).not.toContain('sk-secret');
  });

  it('expires after its life, with an XML document', async () => {
    const { link, advanceClock } = await finished();
    advanceClock(24 * HOUR_MS - 200_000);
    expect((await rawGet(link)).status).toBe(200);
    advanceClock(200_000);
    const headers = { 'content-type': 'application/xml' };
    expect(await rawGet(link)).toMatchObject({ status: 403, headers });
  });

  it('refuses a changed signature, a library agent, another method and an unknown clip', async () => {
    const { link } = await finished();
    const agent = { 'user-agent': 'got (https://github.com/sindresorhus/got)' };
    const answers = [
      await rawGet(link.replace(/expires=\d/, 'expires=9')),
      await rawGet(link, agent),
      await rawGet(link, {}, 'POST'),
      await rawGet(link.replace('.mp4', '-part2.mp4')),
    ];
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 405, 404]);
  });
});

describe('link faults', () => {
  it.each<[string, number, object, number]>([
    ['wrong-length@50', 200, { 'content-length': '100050' }, 100_000],
    ['extra@10', 200, { 'content-length': '100000' }, 100_000],
    ['no-length', 200, { 'content-length': undefined, connection: 'close' }, 100_000],
    ['chunked', 200, { 'transfer-encoding': 'chunked' }, 100_000],
    ['weak-etag', 200, { etag: `W/${ETAG}` }, 100_000],
    ['no-etag', 200, { etag: undefined, 'last-modified': undefined }, 100_000],
    ['ignore-range', 200, { 'content-range': undefined }, 100_000],
    ['wrong-start@7', 206, { 'content-range': 'bytes 107-99999/100000' }, 99_893],
    ['wrong-total@9', 206, { 'content-range': 'bytes 100-99999/100009' }, 99_900],
    ['410(form=text)', 410, { 'content-type': 'text/plain; charset=utf-8' }, 0],
    ['html', 200, { 'content-type': 'text/html; charset=utf-8' }, 0],
    ['xml', 200, { 'content-type': 'application/xml' }, 0],
    ['503(retry-after=2)', 503, { 'retry-after': '2' }, 0],
  ])('%s, once', async (fault, status, headers, sizeBytes) => {
    const { link } = await finished(`link:${fault}`);
    const isOfRange = /range|start|total/.test(fault);
    // What strikes a range waits for one.
    if (isOfRange) expect((await rawGet(link)).status).toBe(200);
    const answer = await rawGet(link, isOfRange ? { range: 'bytes=100-' } : {});
    expect(answer.status).toBe(status);
    for (const [name, value] of Object.entries(headers)) expect(answer.headers[name]).toBe(value);
    if (sizeBytes > 0) expect(answer.body.length).toBe(sizeBytes);
    expect((await rawGet(link)).headers).toMatchObject({ 'content-length': '100000', etag: ETAG });
  });

  it('makes another clip of it in the middle', async () => {
    const { link } = await finished('link:change');
    const changed = await rawGet(link, { range: 'bytes=5-', 'if-range': ETAG });
    expect([changed.status, changed.headers.etag === ETAG]).toEqual([200, false]);
    expect(changed.body.equals(CLIP)).toBe(false);
    expect((await rawGet(link)).headers.etag).toBe(changed.headers.etag);
  });
});
