import { describe, expect, it } from 'vitest';
import { streamLink } from '../../../src/download/stream-link.ts';
import { createMemoryIo } from '../../helpers/memory-io.ts';
import { createSaveRig, sha256 } from './save-rig.ts';

describe('a video on standard output', () => {
  it.each([0, 1, 511, 512, 65_535, 65_536, 65_537, 150_000])(
    'cut after %i bytes: goes on at the exact byte',
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
});
