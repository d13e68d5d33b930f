import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import { sweepTemps } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { describeFsError, fsErrorCode, hintForFsError, localIoError } from '../platform/fs-error.ts';
import { acquireLock } from '../platform/lock.ts';
import { checkTransition, type Journal, LOCAL_ID, type RecordChange, type TaskRecord } from './record.ts';
import { createRecordStore, fileNameOf, type Place, placeOf, type RecordStore } from './record-store.ts';

/**
 * Runs work in the state folder; a failure of the file system names the folder, the reason and the way out.
 * @throws EvolinkError `local-io`; everything that is no file-system error passes unchanged
 */
async function inStateFolder<T>(folder: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStateFolderError(folder, error);
  }
}

function toStateFolderError(folder: string, error: unknown): unknown {
  const isOurs = isEvolinkError(error);
  if (isOurs ? error.kind !== 'local-io' : fsErrorCode(error) === undefined) return error;
  const reason = isOurs ? error.message : describeFsError(error);
  const hint = (isOurs ? error.facts.hint : hintForFsError(error)) ?? 'check the folder';
  return new EvolinkError('local-io', `the state folder "${folder}" cannot be used: ${reason}`, {
    hint: `${hint}; or set EVOLINK_STATE_DIR to a folder that can be written`,
  });
}

/** Shorter than this a part of an id is a typing error rather than a name. */
const MIN_PART_LENGTH = 4;
const MAX_CANDIDATES = 10;

/** Looks up records by an id that a person typed. */
interface RecordFinder {
  /**
   * By whole local id or task id, else by a part of one (its beginning, its end, or what follows a `-`); open records before closed ones.
   * @throws EvolinkError `usage` with the candidates when a part fits several
   */
  find(id: string): TaskRecord | undefined;
}

interface Entry {
  readonly name: string;
  readonly localId: string;
  readonly taskId: string | undefined;
}

/** Keeps the ids of closed records for as long as the process lives, as they do not change: each file is read once. */
function createRecordFinder(store: RecordStore): RecordFinder {
  let closedEntries: ReadonlyMap<string, Entry> = new Map();

  function openEntries(): readonly Entry[] {
    return store.list('open').flatMap((name) => readEntry(store, name) ?? []);
  }

  function readClosedEntries(): readonly Entry[] {
    const entries = store
      .list('closed')
      .flatMap((name) => closedEntries.get(name) ?? readEntry(store, name, 'closed') ?? []);
    closedEntries = new Map(entries.map((entry) => [entry.name, entry]));
    return entries;
  }

  return {
    find(id) {
      const direct = LOCAL_ID.test(id) ? readRecord(store, fileNameOf(id)) : undefined;
      if (direct !== undefined) return direct;
      const open = openEntries();
      const match =
        pickExact(open, id) ?? pickExactLater(id) ?? pickPart(open, id) ?? pickPart(readClosedEntries(), id);
      return match && readRecord(store, match.name);
    },
  };

  function pickExactLater(id: string): Entry | undefined {
    return pickExact(readClosedEntries(), id);
  }
}

/** Several records may belong to one task; the newest counts. Names sort by time. */
function pickExact(entries: readonly Entry[], id: string): Entry | undefined {
  return entries.findLast((entry) => entry.taskId === id);
}

function pickPart(entries: readonly Entry[], id: string): Entry | undefined {
  if (id.length < MIN_PART_LENGTH) return undefined;
  const matches = entries.filter(
    ({ localId, taskId }) => isPart(localId, id) || (taskId !== undefined && isPart(taskId, id)),
  );
  const taskIds = new Set(matches.map(({ localId, taskId }) => taskId ?? localId));
  if (taskIds.size > 1) throw ambiguous(id, matches);
  return matches.at(-1);
}

function isPart(whole: string, part: string): boolean {
  return whole.startsWith(part) || whole.endsWith(part) || whole.includes(`-${part}`);
}

function ambiguous(id: string, matches: readonly Entry[]): EvolinkError {
  const details = matches
    .slice(0, MAX_CANDIDATES)
    .map(({ localId, taskId }) => [localId, taskId].filter(Boolean).join('  '));
  if (matches.length > MAX_CANDIDATES) details.push(`and ${matches.length - MAX_CANDIDATES} more`);
  return new EvolinkError('usage', `"${id}" fits ${matches.length} tasks`, {
    hint: 'give more of the id',
    details,
  });
}

function readEntry(store: RecordStore, name: string, place: Place = 'open'): Entry | undefined {
  const record = readRecord(store, name, place);
  return record && { name, localId: record.localId, taskId: record.taskId };
}

function readRecord(store: RecordStore, name: string, place: Place = 'open'): TaskRecord | undefined {
  const stored = store.read(name, place);
  return stored?.kind === 'record' ? stored.record : undefined;
}

/**
 * Finds the open record of an identity, the newest if there are several. An identity is written once, so that of a file
 * which was read before is remembered: a run of thousands of jobs lists the folder for each, and reads what is new. What
 * is returned is always read anew, as other processes work in the same folder.
 */
function createOpenFinder(
  store: RecordStore,
): (identity: string, onStranger?: (pathAndReason: string) => void) => TaskRecord | undefined {
  const identities = new Map<string, string>();
  const strangers = new Set<string>();
  return (identity, onStranger) => {
    let newest: TaskRecord | undefined;
    for (const name of store.list('open')) {
      const known = identities.get(name);
      if (known !== undefined && known !== identity) continue;
      const stored = store.read(name);
      if (stored === undefined) continue;
      if (stored.kind === 'stranger') {
        if (stored.readError !== undefined) throw localIoError(stored.readError, 'read', stored.path);
        if (stored.text?.includes(`"${identity}"`)) throw unreadable(stored);
        if (!strangers.has(name)) onStranger?.(`${stored.path} (${stored.reason})`);
        strangers.add(name);
        continue;
      }
      const { record } = stored;
      identities.set(name, record.identity);
      if (record.identity !== identity || placeOf(record) !== 'open') continue;
      // Names sort by time, so the last one is the newest but for clocks that were set back.
      if (newest === undefined || record.createdAtMs >= newest.createdAtMs) newest = record;
    }
    return newest;
  };
}

/** What may be paid for already is not bought again because a file can't be understood. */
function unreadable({ path, reason }: { readonly path: string; readonly reason: string }): EvolinkError {
  return new EvolinkError(
    'unknown',
    `${path} is a record of this very request and can't be understood (${reason})`,
    {
      hint: 'use the evolink that wrote it; or move the file away, and the request is sent as a new one',
      charged: 'unknown',
    },
  );
}

/** Removes closed records whose last change is older than the age, and temporary files that were left behind. */
async function pruneRecords(
  store: RecordStore,
  { olderThanMs, nowMs }: { olderThanMs: number; nowMs: number },
): Promise<number> {
  let count = 0;
  for (const name of store.list('closed')) {
    const stored = store.read(name, 'closed');
    if (stored?.kind !== 'record' || placeOf(stored.record) !== 'closed') continue;
    if (nowMs - stored.record.updatedAtMs <= olderThanMs) continue;
    await store.remove('closed', name);
    count += 1;
  }
  await sweepTemps(store.folderOf('open'), nowMs);
  await sweepTemps(store.folderOf('closed'), nowMs);
  return count;
}

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
