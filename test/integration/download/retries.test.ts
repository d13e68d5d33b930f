import { describe, expect, it } from 'vitest';
import { LinkFailure } from '../../../src/config/output-pattern.ts';
import { createSaveRig, sha256 } from './save-rig.ts';

const CUT = { cut: 'fin', cutAfterBytes: 100_000 } as const;

describe('bounds', () => {
  it.each([
    ['announced', {}, []],
    ['found in flight', { hasNoLength: true }, []],
  ])('a file above the largest size, %s: exit 9, nothing is left', async (_, step, left) => {
    const rig = await createSaveRig();
    rig.server.always(step);
    const limits = { ...rig.job.limits, maxSizeBytes: 100_000 };
    expect(await rig.saveError({ limits })).toMatchObject({
      kind: 'download',
      isRetryable: false,
      message: expect.stringContaining('larger than 97.7 KiB'),
    });
    expect(await rig.files()).toEqual(left);
  });

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

  it.each([429, 503])('%i with Retry-After: at least that long', async (status) => {
    const rig = await createSaveRig();
    rig.server.script({ status, headers: { 'retry-after': '7' } });
    await rig.save();
    expect(rig.clock.sleeps).toEqual([7_500]);
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
  it.each([403, 404, 410])(
    '%i: a fresh link is asked for, and the download goes on under the validator',
    async (status) => {
      const rig = await createSaveRig();
      rig.server.script(CUT, { status });
      const refreshLink = async () => ({ link: rig.server.link.replace('secret', 'fresh') });
      expect((await rig.save({ refreshLink })).sha256).toBe(sha256(rig.content));
      expect(rig.server.requests[2]).toMatchObject({
        path: '/clip.mp4?signature=fresh',
        headers: { range: 'bytes=100000-', 'if-range': '"v1"' },
      });
    },
  );

  it('a fresh link to another path begins anew, and leaves no part behind', async () => {
    const rig = await createSaveRig();
    rig.server.script(CUT, { status: 403 });
    expect(
      (await rig.save({ refreshLink: async () => ({ link: `${rig.server.origin}/other.mp4` }) })).sha256,
    ).toBe(sha256(rig.content));
    expect(rig.ranges()).toEqual([undefined, 'bytes=100000-', undefined]);
    expect(await rig.files()).toEqual(['clip.mp4']);
  });

  it('gone for good: exit 10 with the times', async () => {
    const rig = await createSaveRig();
    rig.server.always({ status: 403 });
    const error = await rig.saveError({
      refreshLink: async () => 'gone',
      linkExpiresAtMs: Date.UTC(2026, 10, 20),
    });
    expect(error).toMatchObject({
      kind: 'expired',
      exit: 10,
      isRetryable: false,
      facts: { taskId: rig.job.taskId },
    });
    expect(error).toMatchObject({
      facts: {
        details: [
          'its link was valid until 2026-11-20T00:00:00.000Z',
          expect.stringContaining('it is 2026-11-21T09:15:02.000Z now'),
        ],
      },
    });
  });

  it('a page with status 200 from a link that the service knows to be gone: exit 10', async () => {
    const rig = await createSaveRig();
    rig.server.always({ body: '<html>expired</html>' });
    expect(await rig.saveError({ refreshLink: async () => 'gone' })).toMatchObject({ kind: 'expired' });
  });

  it('a link that stays dead before its time: exit 9; after its time: exit 10', async () => {
    const rig = await createSaveRig();
    rig.server.always({ status: 404 });
    expect(await rig.saveError({ linkExpiresAtMs: rig.clock.now() + 9e6 })).toMatchObject({
      kind: 'download',
    });
    expect(await rig.saveError({ linkExpiresAtMs: rig.clock.now() - 1 })).toMatchObject({ kind: 'expired' });
  });

  it('never shows the signature of a link', async () => {
    const rig = await createSaveRig();
    rig.server.always({ status: 500 });
    const error = await rig.saveError();
    expect(JSON.stringify([error, rig.events, error instanceof Error ? error.message : ''])).not.toContain(
      'secret',
    );
  });
});
