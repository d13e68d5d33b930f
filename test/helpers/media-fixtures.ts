import { fileURLToPath } from 'node:url';

export const mediaFolder = fileURLToPath(new URL('../fixtures/media/', import.meta.url));

/** The path of a file in test/fixtures/media. */
export function fixture(name: string): string {
  return `${mediaFolder}${name}`;
}

/** The clip with a megabyte of nothing before its index, so that its first bytes do not tell its length. */
export function withLateIndex(clip: Buffer): Buffer {
  const gap = Buffer.alloc(1024 ** 2);
  gap.writeUInt32BE(gap.length);
  gap.write('free', 4);
  return Buffer.concat([clip.subarray(0, 32), gap, clip.subarray(32)]);
}
