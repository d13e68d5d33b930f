import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { createReadLane, type ReadLane } from '../../../src/api/body-tap.ts';

const BUFFER_BYTES = 1024 ** 2;

function makeLane() {
  const ending = new AbortController();
  const onRoom = vi.fn();
  const lane = createReadLane(ending.signal, onRoom);
  // As a connection does it: it asks for room before the first read, and for more after each.
  let room = lane.nextRoom();
  const receive = (bytes: Uint8Array | string, skippedBytes = 0) => {
    const read = Buffer.from(bytes).subarray(0, room.byteLength);
    room.set(read);
    const goesOn = lane.push(read.byteLength, skippedBytes);
    room = lane.nextRoom();
    return goesOn;
  };
  return { lane, ending, onRoom, receive, roomBytes: () => room.byteLength };
}

const textOf = ({ value }: IteratorResult<Uint8Array>) => Buffer.from(value).toString();

async function readText(lane: ReadLane, lengthBytes: number): Promise<string[]> {
  const texts: string[] = [];
  for await (const chunk of lane.read(lengthBytes)) texts.push(Buffer.from(chunk).toString());
  return texts;
}

describe('a lane', () => {
  it('gives out in one piece what has come in several', async () => {
    const { lane, receive } = makeLane();
    receive('head: a', 6);
    receive('b');
    const chunks = lane.read(4);
    expect(textOf(await chunks.next())).toBe('ab');
    receive('c');
    receive('d');
    expect(textOf(await chunks.next())).toBe('cd');
    expect(await chunks.next()).toMatchObject({ done: true });
  });

  it('stops the connection at three full buffers, and lets it go on when one is free again', async () => {
    const { lane, onRoom, receive } = makeLane();
    const full = Buffer.alloc(BUFFER_BYTES, 'x');
    expect([receive(full), receive(full), receive(full)]).toEqual([true, true, false]);
    const chunks = lane.read(4 * BUFFER_BYTES);
    await chunks.next();
    expect(onRoom).not.toHaveBeenCalled();
    await chunks.next();
    expect(onRoom).toHaveBeenCalledTimes(1);
  });

  it('uses a buffer for nothing else while it is being filled', async () => {
    const { lane, receive } = makeLane();
    const chunks = lane.read(4 * BUFFER_BYTES);
    receive('a');
    await chunks.next();
    const reading = chunks.next();
    receive('b'.repeat(BUFFER_BYTES - 1));
    const { value } = await reading;
    receive('c'.repeat(BUFFER_BYTES));
    expect(Buffer.from(value ?? []).every((byte) => byte === 0x62)).toBe(true);
  });

  it('takes what still comes from a connection that was told to wait', async () => {
    const { lane, receive } = makeLane();
    for (const letter of ['a', 'b', 'c', 'd', 'e']) receive(letter.repeat(BUFFER_BYTES));
    const texts = await readText(lane, 5 * BUFFER_BYTES);
    expect(texts.map((text) => `${text[0]}${text.length}`)).toEqual(
      ['a', 'b', 'c', 'd', 'e'].map((letter) => `${letter}${BUFFER_BYTES}`),
    );
  });

  it('gives out what has come before it throws the reason', async () => {
    const { lane, ending, receive } = makeLane();
    receive('kept');
    ending.abort(new Error('cut'));
    const chunks = lane.read(100);
    expect(textOf(await chunks.next())).toBe('kept');
    await expect(chunks.next()).rejects.toThrow('cut');
  });

  it('wakes who waits when it ends', async () => {
    const { lane, ending } = makeLane();
    const waiting = lane.read(100).next();
    ending.abort(new Error('cut'));
    await expect(waiting).rejects.toThrow('cut');
  });

  it('ends with the read that brings the last byte, whatever else that brings', async () => {
    const { lane, receive } = makeLane();
    receive('abcdefgh');
    expect(await readText(lane, 5)).toEqual(['abcdefgh']);
  });
});

it('a chunk never changes while it is used, and few buffers serve a long body', async () => {
  const source = Buffer.alloc(24 * BUFFER_BYTES);
  for (let at = 0; at < source.byteLength; at += 4) source.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
  const reads = fc.array(fc.integer({ min: 1, max: BUFFER_BYTES }), { minLength: 1, maxLength: 50 });
  await fc.assert(
    fc.asyncProperty(reads, fc.infiniteStream(fc.nat(3)), async (sizes, counts) => {
      const { lane, receive, roomBytes } = makeLane();
      const buffers = new Set<ArrayBufferLike>();
      let sentBytes = 0;
      const left = [...sizes];
      let goesOn = true;
      const comeIn = () => {
        const size = left.shift();
        if (size === undefined || !goesOn) return;
        const readBytes = Math.min(size, roomBytes(), source.byteLength - sentBytes);
        goesOn = receive(source.subarray(sentBytes, sentBytes + readBytes));
        sentBytes += readBytes;
      };
      const chunks = lane.read(source.byteLength);
      for (let received = 0; ; ) {
        comeIn();
        if (sentBytes === received) break;
        const { value } = await chunks.next();
        if (!(value instanceof Uint8Array)) return expect.unreachable();
        goesOn = true;
        buffers.add(value.buffer);
        for (let count = counts.next().value ?? 0; count > 0; count -= 1) comeIn();
        expect(source.subarray(received, received + value.byteLength).equals(value)).toBe(true);
        received += value.byteLength;
      }
      expect(buffers.size).toBeLessThanOrEqual(5);
    }),
    { numRuns: 20 },
  );
});
