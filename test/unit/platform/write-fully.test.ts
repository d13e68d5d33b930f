import { expect, test } from 'vitest';
import { ShortWriteError, writeFully } from '../../../src/platform/durable-file.ts';

/** A file that takes at most `perWrite` bytes a call and `capacity` bytes in all. */
function fakeFile({ perWrite = 100, capacity = 100 } = {}) {
  const content: number[] = [];
  return {
    content,
    async write(bytes: Uint8Array, offset: number, length: number, position: number) {
      const taken = bytes.subarray(offset, offset + Math.min(length, perWrite, capacity - position));
      content.splice(position, taken.length, ...taken);
      return { bytesWritten: taken.length };
    },
    stat: async () => ({ size: content.length }),
  };
}

test('a short write is completed', async () => {
  const file = fakeFile({ perWrite: 3 });
  await writeFully(file, Buffer.from('0123456789'));
  expect(Buffer.from(file.content).toString()).toBe('0123456789');
});

test('a write that takes nothing more is an error', async () => {
  const file = fakeFile({ capacity: 4 });
  await expect(writeFully(file, Buffer.from('0123456789'))).rejects.toThrow(ShortWriteError);
});

test('a file of another length than what was written is an error', async () => {
  const file = { ...fakeFile(), stat: async () => ({ size: 9 }) };
  await expect(writeFully(file, Buffer.from('0123456789'))).rejects.toThrow('9 of 10 bytes');
});
