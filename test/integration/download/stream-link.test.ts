import { describe, expect, it } from 'vitest';
import type { LinkJob } from '../../../src/download/fetch.ts';
import { streamLink } from '../../../src/download/stream-link.ts';
import type { OutputStream } from '../../../src/platform/io.ts';
import { createSaveRig, sha256 } from './save-rig.ts';

function createStdout(closesAfterBytes = Number.POSITIVE_INFINITY) {
  const chunks: Uint8Array[] = [];
  const size = () => chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const stream: OutputStream = {
    write: async (chunk) => {
      if (size() < closesAfterBytes) chunks.push(Buffer.from(chunk));
    },
    isTty: false,
    colorLevel: 0,
    columns: () => 80,
    isClosed: () => size() >= closesAfterBytes,
    failure: () => undefined,
    raw: process.stdout,
  };
  return { stream, bytes: () => Buffer.concat(chunks) };
}

async function createStreamRig(closesAfterBytes?: number) {
  const rig = await createSaveRig();
  const stdout = createStdout(closesAfterBytes);
  const stream = (change: Partial<LinkJob> = {}) =>
    streamLink({ ...rig.deps, stdout: stdout.stream }, { ...rig.job, ...change });
  return {
    ...rig,
    stdout,
    stream,
    streamError: () =>
      stream().then(
        () => 'no error',
        (error: unknown) => error,
      ),
  };
}

describe('a video on standard output', () => {
  it.each([0, 1, 511, 512, 65_535, 65_536, 65_537, 150_000])(
    'cut after %i bytes: goes on at the exact byte',
    async (cutAfterBytes) => {
      const rig = await createStreamRig();
      rig.server.script({ cut: 'fin', cutAfterBytes }, { cut: 'rst', cutAfterBytes: 30_000 });
      expect((await rig.stream()).sha256).toBe(sha256(rig.content));
      expect(rig.stdout.bytes().equals(rig.content)).toBe(true);
      expect(rig.server.requests[1]?.headers.range).toBe(
        cutAfterBytes >= 512 ? `bytes=${cutAfterBytes}-` : undefined,
      );
      expect(rig.server.requests[1]?.headers['if-range']).toBe(cutAfterBytes >= 512 ? '"v1"' : undefined);
    },
  );

  it('without length, cut: found by its boxes', async () => {
    const rig = await createStreamRig();
    rig.server.always({ hasNoLength: true, cut: 'fin', cutAfterBytes: 100_000 });
    expect(await rig.streamError()).toMatchObject({
      kind: 'download',
      message: expect.stringContaining('its last box lacks'),
    });
  });

  it('a reader that goes away: exit 11 at once', async () => {
    const rig = await createStreamRig(70_000);
    expect(await rig.streamError()).toMatchObject({
      kind: 'local-io',
      exit: 11,
      facts: { resume: ['evolink', 'download', rig.job.taskId] },
    });
    expect(rig.server.requests).toHaveLength(1);
  });
});
