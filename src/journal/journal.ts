import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import { ensureFolder } from '../platform/ensure-folder.ts';
import { acquireLock } from '../platform/lock.ts';
import { createRecordFinder } from './find-record.ts';
import { createOpenFinder } from './open-finder.ts';
import { pruneRecords } from './prune-records.ts';
import type { Journal, RecordChange, TaskRecord } from './record.ts';
import { createRecordStore, fileNameOf, placeOf, type RecordStore } from './record-store.ts';
import { inStateFolder } from './state-folder-error.ts';
import { checkTransition } from './transitions.ts';

export interface JournalOptions {
  /** The state folder, absolute. Made when first needed. */
  readonly folder: string;
  readonly clock: Clock;
  /** Name of this machine and number of this process, for locks. */
  readonly host: string;
  readonly pid: number;
}

/**
 * The journal in a state folder: one file a record (`tasks/open`, `tasks/closed`) and one a lock (`locks`). Readers take no lock:
 * every file appears and changes as a whole. Writers of one record are in one process at a time, by the lock of its
 * identity, and in line within it.
 */
export function createJournal({ folder, clock, host, pid }: JournalOptions): Journal {
  const store = createRecordStore(folder);
  const finder = createRecordFinder(store);
  const findOpen = createOpenFinder(store);
  const lastUpdates = new Map<string, Promise<unknown>>();

  /** Updates of one record happen one after the other, also when the caller does not wait. */
  function inLine<T>(localId: string, work: () => Promise<T>): Promise<T> {
    const result = (lastUpdates.get(localId) ?? Promise.resolve()).then(work);
    const settled = result
      .catch(() => undefined)
      .finally(() => {
        if (lastUpdates.get(localId) === settled) lastUpdates.delete(localId);
      });
    lastUpdates.set(localId, settled);
    return result;
  }

  async function readOpen() {
    const strangers: string[] = [];
    const records: TaskRecord[] = [];
    for (const name of store.list('open')) {
      const stored = store.read(name);
      if (stored === undefined) continue;
      if (stored.kind === 'stranger') strangers.push(`${stored.path} (${stored.reason})`);
      else if (placeOf(stored.record) === 'open') records.push(stored.record);
      // Left here by a process that died between writing the state and moving the file.
      else await store.tidy(name).catch(() => undefined);
    }
    return { records: records.sort(byAge), strangers };
  }

  return {
    folder,
    create: (record) => inStateFolder(folder, () => store.create(record)),
    update: (localId, change) =>
      inLine(localId, () =>
        inStateFolder(folder, () => updateRecord(store, { localId, change, nowMs: clock.now() })),
      ),
    readOpen: () => inStateFolder(folder, readOpen),
    findOpen: (identity, onStranger) => inStateFolder(folder, async () => findOpen(identity, onStranger)),
    find: (id) => inStateFolder(folder, () => finder.find(id)),
    async *readAll() {
      const names = await inStateFolder(folder, () =>
        [...new Set([...store.list('open'), ...store.list('closed')])].sort(),
      );
      for (const name of names) {
        const stored = store.read(name);
        if (stored?.kind === 'record') yield stored.record;
      }
    },
    prune: (olderThanMs) =>
      inStateFolder(folder, () => pruneRecords(store, { olderThanMs, nowMs: clock.now() })),
    lock: (identity, { waitMs, signal }) =>
      inStateFolder(folder, async () => {
        const locks = join(folder, 'locks');
        await ensureFolder(locks);
        const path = join(locks, lockName(identity));
        return acquireLock(path, { owner: { pid, host }, clock, waitMs, signal }).catch((error: unknown) => {
          throw withLookAt(error);
        });
      }),
  };
}

interface Update {
  readonly localId: string;
  readonly change: RecordChange;
  readonly nowMs: number;
}

/** From the file on the disk, not from memory: so fields survive that this version does not know. */
async function updateRecord(store: RecordStore, { localId, change, nowMs }: Update): Promise<TaskRecord> {
  const stored = store.read(fileNameOf(localId));
  if (stored === undefined) {
    throw new EvolinkError('local-io', `the record of ${localId} is gone`, { localId });
  }
  if (stored.kind === 'stranger') {
    throw new EvolinkError('local-io', `the record "${stored.path}" cannot be changed: ${stored.reason}`, {
      localId,
    });
  }
  checkTransition(localId, stored.record.state, change.state ?? stored.record.state);
  const record: TaskRecord = { ...stored.record, ...withoutUndefined(change), updatedAtMs: nowMs };
  await store.replace(record);
  return record;
}

/** What a change leaves undefined stays as it is known. */
function withoutUndefined(change: RecordChange): RecordChange {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

function byAge(a: TaskRecord, b: TaskRecord): number {
  return a.createdAtMs - b.createdAtMs || (a.localId < b.localId ? -1 : 1);
}

/** Whoever has to wait for another process can see meanwhile how far the task is. */
function withLookAt(error: unknown): unknown {
  if (!isEvolinkError(error) || error.kind !== 'locked') return error;
  const hint = `${error.facts.hint}; until then evolink status shows how far the task is`;
  return new EvolinkError('locked', error.message, { ...error.facts, hint });
}

/** Identities are hex digits; anything else is made so. */
function lockName(identity: string): string {
  const isSafe = /^[0-9a-z]{1,64}$/.test(identity);
  return `${isSafe ? identity : createHash('sha256').update(identity).digest('hex')}.lock`;
}
