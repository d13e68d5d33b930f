import { describe, expect, it } from 'vitest';
import { streamLink } from '../../../src/download/stream-link.ts';
import { createMemoryIo } from '../../helpers/memory-io.ts';
import { createSaveRig, sha256 } from './save-rig.ts';

const CUT = { cut: 'fin', cutAfterBytes: 100_000 } as const;

it('a Retry-After beyond the life of the link: given up at once', async () => {
  const rig = await createSaveRig();
  rig.server.always({ status: 503, headers: { 'retry-after': '7200' } });
  const error = await rig.saveError({ linkExpiresAtMs: rig.clock.now() + 3_600_000 });
  expect(error).toMatchObject({ kind: 'download', message: expect.stringContaining('would outlast') });
  expect(rig.clock.sleeps).toEqual([]);
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

  it('what came from a fresh link is continued by the next run, which is given the dead one', async () => {
    const rig = await createSaveRig();
    const refreshLink = async () => ({ link: `${rig.server.origin}/other.mp4` });
    rig.server.script({ status: 403 }, CUT, { status: 400 }, { status: 403 });
    expect(await rig.saveError({ refreshLink })).toMatchObject({ facts: { retryable: false } });
    expect((await rig.save({ refreshLink })).sha256).toBe(sha256(rig.content));
    expect(rig.ranges().slice(-2)).toEqual([undefined, 'bytes=100000-']);
  });
});

describe('a continued download', () => {
  it('takes shorter ranges than it asks for', async () => {
    const rig = await createSaveRig();
    rig.server.script(CUT, { span: [100_000, 120_000] }, { span: [120_001, 150_000] });
    expect((await rig.save()).sha256).toBe(sha256(rig.content));
    expect(rig.ranges()).toEqual([undefined, 'bytes=100000-', 'bytes=120001-', 'bytes=150001-']);
  });

  it('works under an old modification date where there is no tag', async () => {
    const rig = await createSaveRig();
    const headers = { etag: undefined, 'last-modified': 'Wed, 01 Oct 2025 10:00:00 GMT' };
    rig.server.script({ ...CUT, headers });
    rig.server.always({ headers });
    expect((await rig.save()).sha256).toBe(sha256(rig.content));
    expect(rig.server.requests[1]?.headers).toMatchObject({
      range: 'bytes=100000-',
      'if-range': headers['last-modified'],
    });
  });
});

it.each([0, 1, 511, 512, 65_535, 65_536, 65_537, 150_000])(
  'a video on standard output, cut after %i bytes: goes on at the exact byte',
  async (cutAfterBytes) => {
    const rig = await createSaveRig();
    const { stdout } = createMemoryIo();
    rig.server.script({ cut: 'fin', cutAfterBytes }, { cut: 'rst', cutAfterBytes: 30_000 });
    const { sha256: hash } = await streamLink({ ...rig.deps, stdout }, rig.job);
    expect(hash).toBe(sha256(rig.content));
    expect(stdout.bytes().equals(rig.content)).toBe(true);
    const { range, 'if-range': validator } = rig.server.requests[1]?.headers ?? {};
    expect([range, validator]).toEqual(
      cutAfterBytes >= 512 ? [`bytes=${cutAfterBytes}-`, '"v1"'] : [undefined, undefined],
    );
  },
);
