import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  createPartWriter,
  diskOpener,
  openPart,
  type PartHandle,
  type PartOpener,
  readPartRecord,
} from '../../../src/download/part-file.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';
import { sha256 } from './save-rig.ts';

const MIB = 1024 ** 2;

/** The real disk with some of its calls replaced. */
function openerWith(change: (handle: PartHandle) => Partial<PartHandle>): PartOpener {
  const wrap = (handle: PartHandle): PartHandle => ({
    read: (bytes, offset, length, position) => handle.read(bytes, offset, length, position),
    write: (bytes, offset, length, position) => handle.write(bytes, offset, length, position),
    truncate: (length) => handle.truncate(length),
    sync: () => handle.sync(),
    datasync: () => handle.datasync(),
    stat: (options) => handle.stat(options),
    close: () => handle.close(),
    ...change(handle),
  });
  return {
    create: async (path) => wrap(await diskOpener.create(path)),
    reopen: async (path) => wrap(await diskOpener.reopen(path)),
  };
}

async function newPart(opener: PartOpener = diskOpener, totalBytes = 64 * MIB) {
  const folder = await tempFolder();
  const key = { target: join(folder, 'clip.mp4'), taskId: 'task-1', link: 'https://x.example/a.mp4' };
  const part = await openPart(key, opener);
  await part.startOver({ validator: '"v1"', totalBytes });
  return {
    key,
    part,
    syncedBytes: async () => recordOf(await readPartRecord(part.paths.record)).syncedBytes,
  };
}

function recordOf(record: Awaited<ReturnType<typeof readPartRecord>>) {
  if (record === undefined || record === 'unreadable') throw new Error('no record');
  return record;
}

function eio(): Error {
  return Object.assign(new Error('EIO'), { code: 'EIO' });
}

describe('bytes on their way to the disk', () => {
  it('arrive in order whatever their sizes, though the chunks are used again at once', async () => {
    const { part } = await newPart();
    const expected: Buffer[] = [];
    const chunk = Buffer.alloc(3 * MIB);
    for (const size of [1, 100, 70_000, 300_000, MIB - 1, MIB, MIB + 1, 3 * MIB, 5, 2 * MIB + 7]) {
      const bytes = randomBytes(size);
      expected.push(bytes);
      bytes.copy(chunk);
      await part.write(chunk.subarray(0, size));
      chunk.fill(0);
    }
    const content = Buffer.concat(expected);
    expect(part.sizeBytes()).toBe(content.length);
    expect(await part.seal()).toBe(sha256(content));
    expect(sha256(await readFile(part.paths.part))).toBe(sha256(content));
  });

  it('never wait in more than two buffers: a slow disk slows the reading', async () => {
    let pending = 0;
    let release: () => void = () => undefined;
    const slow = openerWith((handle) => ({
      write: async (...place) => {
        pending += 1;
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        pending -= 1;
        return handle.write(...place);
      },
    }));
    const { part } = await newPart(slow);
    const chunk = Buffer.alloc(512 * 1024);
    const waits: (Promise<void> | undefined)[] = [];
    for (let count = 0; count < 3; count += 1) waits.push(part.write(chunk));
    expect(waits).toEqual([undefined, undefined, undefined]);
    const wait = part.write(chunk);
    expect(wait).toBeInstanceOf(Promise);
    expect(pending).toBe(1);
    const timer = setInterval(() => release(), 1);
    await wait;
    await part.suspend();
    clearInterval(timer);
  });

  it('that can not be written are not counted, and the error is never lost', async () => {
    let writes = 0;
    const failing = openerWith((handle) => ({
      write: async (...place) => {
        writes += 1;
        if (writes > 1) throw eio();
        return handle.write(...place);
      },
    }));
    const handle = await failing.create(join(await tempFolder(), 'part'));
    const writer = createPartWriter(handle, 0);
    writer.push(Buffer.alloc(300_000));
    await writer.flush();
    writer.push(Buffer.alloc(300_000));
    await expect(writer.flush()).rejects.toThrow('EIO');
    expect([writer.acceptedBytes(), writer.writtenBytes()]).toEqual([300_000, 300_000]);
    expect(() => writer.push(Buffer.alloc(1))).toThrow('EIO');
    await expect(writer.flush()).rejects.toThrow('EIO');
    await handle.close();
  });
});

describe('steps made durable behind the bytes', () => {
  it('are on record while the rest still comes, and never run ahead of the disk', async () => {
    const order: string[] = [];
    const watched = openerWith((handle) => ({
      datasync: async () => {
        await handle.datasync();
        order.push('sync');
      },
    }));
    const { part, syncedBytes } = await newPart(watched);
    for (let count = 0; count < 12; count += 1) {
      await part.write(randomBytes(MIB));
      await part.flush();
    }
    // A step is begun by the bytes that come after it was due.
    for (let tries = 0; tries < 1_000 && (await syncedBytes()) === 0; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(await syncedBytes()).toBeGreaterThanOrEqual(MIB);
    expect(await syncedBytes()).toBeLessThanOrEqual(part.sizeBytes());
    expect(order.length).toBeGreaterThan(0);
    await part.suspend();
    expect(await syncedBytes()).toBe(12 * MIB);
  });

  it('a sync that fails is final: what it was to keep is never believed, though the next one would succeed', async () => {
    let syncs = 0;
    const failing = openerWith((handle) => ({
      datasync: async () => {
        syncs += 1;
        if (syncs === 1) throw eio();
        await handle.datasync();
      },
    }));
    const { part, syncedBytes } = await newPart(failing);
    await part.write(randomBytes(2 * MIB));
    await part.flush();
    // The first begins the step, the second meets its failure at the latest after it has ended.
    await part.write(randomBytes(1_000));
    await expect(part.sync()).rejects.toThrow('EIO');
    await part.suspend();
    expect(await syncedBytes()).toBe(0);
    expect(syncs).toBe(1);
  });

  it('the last sync failing leaves nothing sealed', async () => {
    const failing = openerWith(() => ({
      sync: async () => {
        throw eio();
      },
    }));
    const { part, key } = await newPart(failing, 1_000);
    await part.write(randomBytes(1_000));
    await expect(part.seal()).rejects.toThrow('EIO');
    await part.suspend();
    const record = recordOf(await readPartRecord(part.paths.record));
    expect([record.sha256, record.syncedBytes]).toEqual([undefined, 0]);
    expect((await openPart(key)).sizeBytes()).toBe(0);
  });
});
