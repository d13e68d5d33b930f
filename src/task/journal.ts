import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import { quoteCommand } from '../platform/command-text.ts';
import { sweepTemps } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { describeFsError, fsErrorCode, hintForFsError, localIoError } from '../platform/fs-error.ts';
import { acquireLock, type HeldLock } from '../platform/lock.ts';
import { checkTransition, type RecordChange, type TaskRecord } from './record.ts';
import {
  createRecordStore,
  isOldName,
  type Place,
  placeOf,
  type RecordStore,
  readName,
  requestPart,
  taskPart,
  type Unusable,
} from './record-store.ts';
import { addPruned, type PrunedSpending, readPruned, writePruned } from './spending.ts';

/** The durable memory of every paid request. Every write is on the disk when its promise resolves. */
export interface Journal {
  readonly folder: string;
  /**
   * Creates a record exclusively, before anything is sent.
   * @throws EvolinkError `local-io` when it cannot be made durable: then nothing may be sent.
   */
  create(record: TaskRecord): Promise<void>;
  /**
   * Writes the next state of a record. Unknown fields of the file on disk survive. A closed state moves the record out of
   * the open folder.
   * @throws EvolinkError `local-io`
   */
  update(localId: string, change: RecordChange): Promise<TaskRecord>;
  /** Open records, oldest first. Files that can't be used are left alone and reported: `<path> (<reason>)`. */
  readOpen(): Promise<{ readonly records: readonly TaskRecord[]; readonly strangers: readonly string[] }>;
  /**
   * The open record of an identity, the newest if there are several. `onStranger` is told once of each file that can't
   * be used and is of another request.
   * @throws EvolinkError `unknown` or `local-io` where a file that can't be used may be the record
   */
  findOpen(identity: string, onStranger?: (pathAndReason: string) => void): Promise<TaskRecord | undefined>;
  /** By local id or task id (whole, or an unambiguous short form), open or closed. */
  find(id: string): Promise<TaskRecord | undefined>;
  /** The records of a task of the service, by its whole id. */
  findOfTask(taskId: string): Promise<readonly TaskRecord[]>;
  /** Everything, open and closed, oldest first, one record at a time. */
  readAll(): AsyncIterable<TaskRecord>;
  /** Removes closed records older than the age, but for what they cost; returns how many. */
  prune(olderThanMs: number): Promise<number>;
  /** What the records cost that were removed. */
  readPruned(): Promise<PrunedSpending>;
  /** Files of the open folder that can't be used. */
  unusable(): Promise<readonly Unusable[]>;
  /** Puts such a file out of the way; returns where it lies now. */
  putAway(path: string): Promise<string>;
  /**
   * Holds the identity for this process; a dead holder is replaced.
   * @throws EvolinkError `locked`, naming pid, host and since when, if another process still holds it after `waitMs`.
   */
  lock(identity: string, options: { waitMs: number; signal?: AbortSignal }): Promise<JournalLock>;
  /** Reads the lock again that this process took of an identity: false where another process has it now. */
  holds(identity: string): Promise<boolean>;
}

export interface JournalLock {
  release(): Promise<void>;
}

export interface JournalOptions {
  /** The state folder, absolute. Made when first needed. */
  readonly folder: string;
  readonly clock: Clock;
  /** Name of this machine and number of this process, for locks. */
  readonly host: string;
  readonly pid: number;
  /** Whose records are used; absent where files have no owner. */
  readonly userId?: number | undefined;
}

const PRUNE_LOCK_WAIT_MS = 10_000;

/**
 * The journal in a state folder: one file a record (`tasks/open`, `tasks/closed`) and one a lock (`locks`). Readers take no lock:
 * every file appears and changes as a whole. Writers of one record are in one process at a time, by the lock of its
 * identity, and in line within it.
 */
export function createJournal({ folder, clock, host, pid, userId }: JournalOptions): Journal {
  const store = createRecordStore(folder, userId);
  const find = createFinder(store);
  const findOpen = createOpenFinder(store, userId);
  const held = new Map<string, HeldLock>();
  const lastUpdates = new Map<string, Promise<unknown>>();
  const inFolder = <T>(work: () => T | Promise<T>): Promise<T> => inStateFolder(folder, work);
  let migrated: Promise<void> | undefined;

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
      const stored = store.readNamed('open', name);
      if (stored === undefined) continue;
      if (stored.kind === 'stranger') strangers.push(`${stored.path} (${stored.reason})`);
      else if (placeOf(stored.record) === 'open') records.push(stored.record);
      // Left here by a process that died between writing the state and moving the file.
      else await store.move(stored.path, stored.record).catch(() => undefined);
    }
    return { records: records.sort(byAge), strangers };
  }

  async function takeLock(identity: string, waitMs: number, signal?: AbortSignal): Promise<JournalLock> {
    const locks = join(folder, 'locks');
    await ensureFolder(locks);
    const options = { owner: { pid, host }, clock, waitMs, signal };
    const lock = await acquireLock(join(locks, lockName(identity)), options);
    held.set(identity, lock);
    return {
      release() {
        if (held.get(identity) === lock) held.delete(identity);
        return lock.release();
      },
    };
  }

  /** Gives records of 0.1.0 names that say whose they are; one that a process works on keeps its own. */
  async function migrate(): Promise<void> {
    for (const name of store.list('open').filter(isOldName)) {
      const stored = store.readNamed('open', name);
      if (stored?.kind !== 'record') continue;
      const lock = await takeLock(stored.record.identity, 0).catch(() => undefined);
      if (lock === undefined) continue;
      try {
        const current = store.readNamed('open', name);
        if (current?.kind === 'record') await store.move(current.path, current.record);
      } finally {
        await lock.release().catch(() => undefined);
      }
    }
  }

  async function prune(olderThanMs: number): Promise<number> {
    const nowMs = clock.now();
    const old = new Map<string, TaskRecord>();
    const keptTasks = new Set<string>();
    for (const place of ['open', 'closed'] as const) {
      for (const name of store.list(place)) {
        const stored = store.readNamed(place, name);
        if (stored?.kind !== 'record') continue;
        const { record } = stored;
        const isOver = place === 'closed' && placeOf(record) === 'closed' && record.state !== 'dismissed';
        if (isOver && nowMs - record.updatedAtMs > olderThanMs) old.set(name, record);
        else if (record.taskId !== undefined) keptTasks.add(record.taskId);
      }
    }
    if (old.size > 0) {
      const lock = await takeLock('spending', PRUNE_LOCK_WAIT_MS);
      try {
        // A task that has another record is counted by that one.
        const last = [...old.values()].filter(({ taskId }) => taskId !== undefined && !keptTasks.has(taskId));
        await writePruned(folder, addPruned(await readPruned(folder), last));
        for (const name of old.keys()) await store.remove('closed', name);
      } finally {
        await lock.release().catch(() => undefined);
      }
    }
    for (const path of Object.values(store.folders)) await sweepTemps(path, nowMs);
    return old.size;
  }

  return {
    folder,
    create: (record) => inFolder(() => store.create(record)),
    update: (localId, change) =>
      inLine(localId, () => inFolder(() => updateRecord(store, { localId, change, nowMs: clock.now() }))),
    readOpen: () => inFolder(readOpen),
    findOpen: (identity, onStranger) => inFolder(async () => findOpen(identity, onStranger)),
    find: (id) => inFolder(() => find.byId(id)),
    findOfTask: (taskId) => inFolder(() => find.ofTask(taskId)),
    async *readAll() {
      const places = new Map<string, { readonly place: Place; readonly name: string }>();
      await inFolder(() => {
        for (const place of ['closed', 'open'] as const)
          for (const name of store.list(place)) places.set(readName(name)?.localId ?? name, { place, name });
      });
      for (const [localId, { place, name }] of [...places].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const stored = store.readNamed(place, name) ?? store.read(localId);
        if (stored?.kind === 'record') yield stored.record;
      }
    },
    prune: (olderThanMs) => inFolder(() => prune(olderThanMs)),
    readPruned: () => readPruned(folder),
    unusable: () =>
      inFolder(() =>
        store.list('open').flatMap((name) => {
          const stored = store.readNamed('open', name);
          return stored?.kind === 'stranger' ? [stored] : [];
        }),
      ),
    putAway: (path) => inFolder(() => store.putAway(path)),
    holds: async (identity) => (await held.get(identity)?.isHeld()) ?? true,
    lock: (identity, { waitMs, signal }) =>
      inFolder(async () => {
        migrated ??= migrate();
        await migrated;
        return takeLock(identity, waitMs, signal).catch((error: unknown) => {
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
  const stored = store.read(localId);
  if (stored === undefined)
    throw new EvolinkError('local-io', `the record of ${localId} is gone`, { localId });
  if (stored.kind === 'stranger') {
    throw new EvolinkError('local-io', `the record "${stored.path}" cannot be changed: ${stored.reason}`, {
      localId,
    });
  }
  if (change.state !== undefined) checkTransition(localId, stored.record.state, change.state);
  // What a change leaves undefined stays as it is known.
  const known = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  const record: TaskRecord = { ...stored.record, ...known, updatedAtMs: nowMs };
  await store.replace(stored.path, record);
  return record;
}

/**
 * Finds the open record of an identity by the names of files; of those that 0.1.0 has named, the identities are
 * remembered. What is returned is always read anew, as other processes work in the same folder.
 */
function createOpenFinder(
  store: RecordStore,
  userId: number | undefined,
): (identity: string, onStranger?: (pathAndReason: string) => void) => TaskRecord | undefined {
  const identities = new Map<string, string>();
  const strangers = new Set<string>();
  return (identity, onStranger) => {
    const part = requestPart(identity);
    let newest: TaskRecord | undefined;
    for (const name of store.list('open')) {
      const request = readName(name)?.request ?? identities.get(name);
      if (request !== undefined && request !== part) continue;
      const stored = store.readNamed('open', name);
      if (stored === undefined) continue;
      if (stored.kind === 'stranger') {
        if (request === part || mayBeOf(identity, name, stored)) throw blocked(stored, userId);
        if (!strangers.has(name)) onStranger?.(`${stored.path} (${stored.reason})`);
        strangers.add(name);
        continue;
      }
      const { record } = stored;
      identities.set(name, requestPart(record.identity));
      if (record.identity !== identity || placeOf(record) !== 'open') continue;
      // Names sort by time, so the last one is the newest but for clocks that were set back.
      if (newest === undefined || record.createdAtMs >= newest.createdAtMs) newest = record;
    }
    return newest;
  };
}

/** Whether a file that can't be used, and whose name does not say it, may be the record of an identity. */
function mayBeOf(identity: string, name: string, { text, readError }: Unusable): boolean {
  if (readError !== undefined) return true;
  if (text?.includes(`"${identity}"`)) return true;
  const isOfAnother = text !== undefined && /"identity":\s*"[0-9a-f]{64}"/.test(text);
  return isOldName(name) && !isOfAnother;
}

/** What may be paid for already is not submitted again because a file can't be used. */
function blocked(
  { path, reason, readError, ownerId, text }: Unusable,
  userId: number | undefined,
): EvolinkError {
  if (readError !== undefined) return localIoError(readError, 'read', path);
  if (ownerId !== undefined) {
    return new EvolinkError('local-io', `"${path}" may be the record of this request, and ${reason}`, {
      hint: `if it is yours: ${quoteCommand(['chown', String(userId), path])}`,
      charged: 'unknown',
    });
  }
  if (text === undefined) return new EvolinkError('local-io', `cannot read "${path}": ${reason}`);
  return new EvolinkError(
    'unknown',
    `"${path}" may be the record of this request and can't be read (${reason})`,
    {
      details: ['the request may have been submitted and charged', '--new submits it all the same'],
      hint: `if the dashboard shows no task of it: ${quoteCommand(['evolink', 'forget', path])}`,
      charged: 'unknown',
    },
  );
}

/** Shorter than this a part of an id is a typing error rather than a name. */
const MIN_PART_LENGTH = 4;
const MAX_CANDIDATES = 10;

interface Entry {
  readonly localId: string;
  readonly taskId: string | undefined;
}

/** Looks up records by ids. Keeps those of closed records, as they do not change: each file is read once. */
function createFinder(store: RecordStore) {
  let closedEntries: ReadonlyMap<string, Entry> = new Map();

  function readEntry(place: Place, name: string): Entry | undefined {
    const stored = store.readNamed(place, name);
    if (stored?.kind !== 'record') return undefined;
    const { localId, taskId } = stored.record;
    return { localId, taskId };
  }

  function readOpenEntries(): readonly Entry[] {
    return store.list('open').flatMap((name) => readEntry('open', name) ?? []);
  }

  function readClosedEntries(isWanted: (name: string) => boolean): readonly Entry[] {
    const found = new Map<string, Entry>();
    for (const name of store.list('closed').filter(isWanted)) {
      const entry = closedEntries.get(name) ?? readEntry('closed', name);
      if (entry !== undefined) found.set(name, entry);
    }
    closedEntries = new Map([...closedEntries, ...found]);
    return [...found.values()];
  }

  /** The name of a closed record says which task it may be of; names of 0.1.0 do not. */
  function ofTask(taskId: string): readonly Entry[] {
    const part = taskPart(taskId);
    const mayBe = (name: string): boolean => {
      const { request, task } = readName(name) ?? {};
      return task === part || (task === undefined && request === undefined);
    };
    return [...readClosedEntries(mayBe), ...readOpenEntries()].filter((entry) => entry.taskId === taskId);
  }

  function readRecord({ localId }: Entry): readonly TaskRecord[] {
    const stored = store.read(localId);
    return stored?.kind === 'record' ? [stored.record] : [];
  }

  return {
    ofTask: (taskId: string) => ofTask(taskId).flatMap(readRecord),
    byId(id: string): TaskRecord | undefined {
      const [direct] = readRecord({ localId: id, taskId: undefined });
      if (direct !== undefined) return direct;
      // Several records may belong to one task; the newest counts, an open one before all.
      const match =
        ofTask(id).at(-1) ??
        pickPart(readOpenEntries(), id) ??
        pickPart(
          readClosedEntries(() => true),
          id,
        );
      return match && readRecord(match)[0];
    },
  };
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
  if (
    isOurs ? error.kind !== 'local-io' || error.facts.charged !== undefined : fsErrorCode(error) === undefined
  )
    return error;
  const reason = isOurs ? error.message : describeFsError(error);
  const hint = (isOurs ? error.facts.hint : hintForFsError(error)) ?? 'check the folder';
  return new EvolinkError('local-io', `the state folder "${folder}" cannot be used: ${reason}`, {
    hint: `${hint}; or set EVOLINK_STATE_DIR to a folder that can be written`,
  });
}
