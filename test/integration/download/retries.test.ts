import { describe, expect, it } from 'vitest';
import { LinkFailure } from '../../../src/api/http-types.ts';
import { createSaveRig, sha256 } from './save-rig.ts';

const CUT = { cut: 'fin', cutAfterBytes: 100_000 } as const;

describe('bounds', () => {
  it('a drip: the connection is dropped, and in the end the download', async () => {
    const rig = await createSaveRig();
    const { clock } = rig;
    const client = {
      open: async () => ({
        status: 200,
        headers: { 'content-length': '200000', etag: '"v1"' },
        body: drip(),
        close: () => undefined,
      }),
    };
    async function* drip() {
      for (let count = 0; count < 1_000; count += 1) {
        await clock.sleep(1_000);
        yield Uint8Array.of(count);
      }
    }
    const error = await rig.saveError({}, { client });
    expect(error).toMatchObject({
      kind: 'download',
      message: expect.stringContaining('slower than 10240 bytes a second over 30 s'),
    });
    expect(clock.monotonicMs()).toBeLessThan(200_000);
  });

  it('a Retry-After beyond the life of the link: given up at once', async () => {
    const rig = await createSaveRig();
    rig.server.always({ status: 503, headers: { 'retry-after': '7200' } });
    const error = await rig.saveError({ linkExpiresAtMs: rig.clock.now() + 3_600_000 });
    expect(error).toMatchObject({ kind: 'download', message: expect.stringContaining('would outlast') });
    expect(rig.clock.sleeps).toEqual([]);
  });

  it('a failure that will not pass is not repeated', async () => {
    const rig = await createSaveRig();
    const client = {
      open: async () => Promise.reject(new LinkFailure('redirect', 'the link leads in a circle', false)),
    };
    expect(await rig.saveError({}, { client })).toMatchObject({
      kind: 'download',
      isRetryable: false,
      message: expect.stringContaining('the link leads in a circle'),
    });
    expect(rig.clock.sleeps).toEqual([]);
  });
});

describe('dead links', () => {
  it('a fresh link to another path begins anew, and leaves no part behind', async () => {
    const rig = await createSaveRig();
    rig.server.script(CUT, { status: 403 });
    expect(
      (await rig.save({ refreshLink: async () => ({ link: `${rig.server.origin}/other.mp4` }) })).sha256,
    ).toBe(sha256(rig.content));
    expect(rig.ranges()).toEqual([undefined, 'bytes=100000-', undefined]);
    expect(await rig.files()).toEqual(['clip.mp4']);
  });

  it('a page with status 200 from a link that the service knows to be gone: exit 10', async () => {
    const rig = await createSaveRig();
    rig.server.always({ body: '<html>expired</html>' });
    expect(await rig.saveError({ refreshLink: async () => 'gone' })).toMatchObject({ kind: 'expired' });
  });
});
