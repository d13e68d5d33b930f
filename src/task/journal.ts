import { unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import { createTempSweeper } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { describeFsError, FileRefusal, fsErrorCode, hintForFsError } from '../platform/fs-error.ts';
import { acquireLock, type HeldLock, type LockOwner } from '../platform/lock.ts';
import { quoteCommand } from '../platform/text.ts';
import { checkTransition, isOpen, type RecordChange, sha256, type TaskRecord } from './record.ts';
import {
  createRecordStore,
  isOldName,
  PLACES,
  type Place,
  readName,
  requestPart,
  type Stored,
  taskPart,
} from './record-store.ts';
import { addPruned, readPruned, writePruned } from './spending.ts';

/** The durable memory of every paid request. Every write is on the disk when its promise resolves. */
export type Journal = ReturnType<typeof createJournal>;

const isGivenBack = async (): Promise<boolean> => false;

const HOUSEKEEPING_LOCK_WAIT_MS = 10_000;

/**
 * The journal in a state folder, which is made when first needed: one file a record (`tasks/open`, `tasks/closed`) and one a
 * lock (`locks`). Readers take no lock: every file appears and changes as a whole. Writers of one record are in one process
 * at a time, by the lock of its identity. Failures of the file system name the folder, the reason and the way out.
 * @param options.userId whose records are used; absent where files have no owner
 */
export function createJournal({
  folder,
  clock,
  userId,
  pid,
  host,
}: LockOwner & { readonly folder: string; readonly clock: Clock; readonly userId?: number | undefined }) {
  const store = createRecordStore(folder, userId);
  /** Whether this process still has a lock that it took. */
  const locks = new Map<string, HeldLock['isHeld']>();
  const reported = new Set<string>();
  let migrated: Promise<void> | undefined;
  /** Which request a task is of, by what stands for the task in names: as of the first question, and by answers since. */
  let owners: Map<string, string> | undefined;

  function inFolder<A extends readonly unknown[], R>(work: (...args: A) => R | Promise<R>) {
    return async (...args: A): Promise<R> => {
      try {
        return await work(...args);
      } catch (error) {
        throw toStateFolderError(folder, error);
      }
    };
  }

  function* records(place: Place, ...how: [fits?: (name: string) => boolean, isNewestFirst?: boolean]) {
    for (const { record } of store.scan(place, ...how)) if (record !== undefined) yield record;
  }

  /**
   * Writes the next state of a record, from the file on the disk and not from memory: so fields survive that this version
   * does not know. A closed state moves the record out of the open folder.
   * @throws EvolinkError `local-io`
   */
  async function update(localId: string, change: RecordChange): Promise<TaskRecord> {
    const { path, reason, record: last } = store.read(localId) ?? {};
    if (path === undefined || last === undefined) {
      const what =
        path === undefined
          ? `the record of ${localId} is gone`
          : `the record "${path}" cannot be changed: ${reason}`;
      throw new EvolinkError('local-io', what, { localId });
    }
    if (change.state !== undefined) checkTransition(localId, last.state, change.state);
    // What a change leaves undefined stays as it is known.
    const known = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    const record: TaskRecord = { ...last, ...known, updatedAtMs: clock.now() };
    await store.replace(path, record);
    return record;
  }

  /** Open records, oldest first. Files that can't be used are left alone, and listed. */
  async function readOpen() {
    const unusable: Stored[] = [];
    const open: TaskRecord[] = [];
    for (const stored of store.scan('open')) {
      const { record, path } = stored;
      if (record === undefined) unusable.push(stored);
      else if (isOpen(record)) open.push(record);
      // Left here by a process that died between writing the state and moving the file.
      else await store.move(path, record).catch(() => undefined);
    }
    return { records: open.sort(byAge), unusable };
  }

  /**
   * The open record of an identity, the newest if there are several. `onUnusable` is called once for each file that can't
   * be used and is of another request.
   * @throws EvolinkError `unknown` or `local-io` where a file that can't be used may be the record
   */
  function findOpen(identity: string, onUnusable?: (file: Stored) => void): TaskRecord | undefined {
    const part = requestPart(identity);
    const requestOf = (name: string) => readName(name)?.request;
    const found: TaskRecord[] = [];
    for (const stored of store.scan('open', (name) => (requestOf(name) ?? part) === part)) {
      const { record, path } = stored;
      const name = basename(path);
      if (record?.identity === identity && isOpen(record)) found.push(record);
      if (record !== undefined) continue;
      if (requestOf(name) === part || mayBeOf(identity, name, stored)) throw blocked(stored, userId);
      if (!reported.has(name)) onUnusable?.(stored);
      reported.add(name);
    }
    return found.sort(byAge).at(-1);
  }

  /** The records of a task of the service, by its whole id; the names of closed ones say whose they are since 0.2. */
  function findOfTask(taskId: string): readonly TaskRecord[] {
    const part = taskPart(taskId);
    const closed = records('closed', (name) => readName(name)?.task === part || isOldName(name));
    return [...closed, ...records('open')].filter((record) => record.taskId === taskId);
  }

  /** Every answer to a submission asks, so the folders are listed once a process. */
  function knownTasks(): Map<string, string> {
    if (owners !== undefined) return owners;
    const found = new Map<string, string>();
    for (const name of store.list('closed')) {
      const { task, localId = '' } = readName(name) ?? {};
      if (task !== undefined) found.set(task, localId);
    }
    for (const { taskId, localId } of [...records('closed', isOldName), ...records('open')])
      if (taskId !== undefined) found.set(taskPart(taskId), localId);
    // Only once all is read: what a disk that failed half-way has given knows too little.
    owners = found;
    return owners;
  }

  /** The request that a task is of: the asking one, unless the task is known to be another's. */
  function ownerOf(taskId: string, localId: string): string {
    const tasks = knownTasks();
    const owner = tasks.get(taskPart(taskId)) ?? localId;
    tasks.set(taskPart(taskId), owner);
    return owner;
  }

  /**
   * By local id or task id (whole, or an unambiguous short form), or `last`; open or closed. Several records may belong to
   * one task; the newest counts, an open one before all.
   */
  function find(id: string): TaskRecord | undefined {
    if (id === 'last')
      return PLACES.flatMap((place) => records(place, undefined, true).next().value ?? [])
        .sort(byAge)
        .at(-1);
    const record = store.read(id)?.record ?? findOfTask(id).at(-1);
    return record ?? pickPart(records('open'), id) ?? pickPart(records('closed'), id);
  }

  /** Everything, one record at a time: first what is open, as it may be closed meanwhile, then the rest, oldest first. */
  function* readAll(): Generator<TaskRecord> {
    try {
      for (const place of PLACES) yield* records(place);
    } catch (error) {
      throw toStateFolderError(folder, error);
    }
  }

  async function takeLock(identity: string, waitMs: number, signal?: AbortSignal): Promise<HeldLock> {
    const path = join(folder, 'locks');
    await ensureFolder(path);
    const name = /^[0-9a-z]{1,64}$/.test(identity) ? identity : sha256(identity);
    const options = { owner: { pid, host }, clock, waitMs, signal };
    const lock = await acquireLock(join(path, `${name}.lock`), options);
    locks.set(identity, lock.isHeld);
    const release = (): Promise<void> => {
      // A run takes thousands: of one that was given back nothing else is kept.
      locks.set(identity, isGivenBack);
      return lock.release();
    };
    return { ...lock, release };
  }

  async function underLock(identity: string, waitMs: number, work: () => Promise<void>): Promise<void> {
    const lock = await takeLock(identity, waitMs);
    try {
      await work();
    } finally {
      await lock.release().catch(() => undefined);
    }
  }

  /** Gives records of 0.1.0 names that say whose they are; one that a process works on keeps its own. */
  async function migrate(): Promise<void> {
    for (const { path, record } of [...store.scan('open', isOldName)]) {
      if (record === undefined) continue;
      await underLock(record.identity, 0, async () => {
        const current = store.readAt(path)?.record;
        if (current !== undefined) await store.move(path, current);
      }).catch(() => undefined);
    }
  }

  /**
   * Holds the identity for this process; a dead holder is replaced. `waitedSinceMs` is set where another one had it.
   * @throws EvolinkError `locked`, naming pid, host and since when, if another process still holds it after `waitMs`
   */
  async function lock(identity: string, waitMs: number, signal?: AbortSignal): Promise<HeldLock> {
    migrated ??= migrate();
    await migrated;
    return takeLock(identity, waitMs, signal);
  }

  /** Removes closed records older than the age, but for what they cost; returns how many. */
  async function prune(olderThanMs: number): Promise<number> {
    const nowMs = clock.now();
    const old = new Map<string, TaskRecord>();
    const keptTasks = new Set<string | undefined>();
    for (const place of PLACES)
      for (const { record, path } of store.scan(place)) {
        if (record === undefined) continue;
        const isOver = place === 'closed' && !isOpen(record) && record.state !== 'dismissed';
        if (isOver && nowMs - record.updatedAtMs > olderThanMs) old.set(path, record);
        else keptTasks.add(record.taskId);
      }
    const remove = async () => {
      // A task that has another record is counted by that one.
      const last = [...old.values()].filter(({ taskId }) => !keptTasks.has(taskId));
      await writePruned(folder, addPruned(readPruned(folder), last));
      for (const path of old.keys()) await unlink(path);
    };
    if (old.size > 0) await underLock('spending', HOUSEKEEPING_LOCK_WAIT_MS, remove);
    const sweepTemps = createTempSweeper(clock);
    for (const path of Object.values(store.folders)) await sweepTemps(path);
    return old.size;
  }

  /** Removes prompt, media and paths from the records of tasks that ended longer ago; counts those that are in use, too. */
  async function erase(olderThanMs: number) {
    const count = { erased: 0, busy: 0 };
    const isErasable = (record: TaskRecord | undefined): record is TaskRecord =>
      record !== undefined &&
      !isOpen(record) &&
      clock.now() - record.updatedAtMs > olderThanMs &&
      ((record.body?.prompt ?? '') !== '' || (record.saved ?? []).length > 0);
    for (const { path, record } of store.scan('closed')) {
      if (!isErasable(record)) continue;
      await underLock(record.identity, 0, async () => {
        const current = store.readAt(path)?.record;
        if (!isErasable(current)) return;
        await store.replace(path, withoutWords(current));
        count.erased += 1;
      }).catch((error: unknown) => {
        if (!isEvolinkError(error) || error.kind !== 'locked') throw error;
        count.busy += 1;
      });
    }
    return count;
  }

  return {
    /**
     * Creates a record exclusively.
     * @throws EvolinkError `local-io` when it cannot be made durable: then nothing may be sent
     */
    create: inFolder(store.create),
    update: inFolder(update),
    readOpen: inFolder(readOpen),
    findOpen: inFolder(findOpen),
    find: inFolder(find),
    findOfTask: inFolder(findOfTask),
    ownerOf: inFolder(ownerOf),
    /** Says whether there is any record of a task. */
    knowsTask: inFolder((taskId: string) => knownTasks().has(taskPart(taskId))),
    readAll,
    /** Records of tasks that have ended, newest first. */
    readEnded: () => records('closed', undefined, true),
    erase: inFolder(erase),
    prune: inFolder(prune),
    /** What the records cost that were removed. */
    readPruned: async () => readPruned(folder),
    putAway: inFolder(store.putAway),
    lock: inFolder(lock),
    /** Reads the lock again that this process took of an identity: false where another process has it now. */
    holds: async (identity: string) => (await locks.get(identity)?.()) ?? true,
  };
}

function withoutWords(record: TaskRecord): TaskRecord {
  const { image_urls: _images, video_urls: _videos, audio_urls: _audios, ...rest } = record.body ?? {};
  const body = record.body === undefined ? {} : { body: { ...rest, model: record.body.model, prompt: '' } };
  return { ...record, ...body, links: [], saved: [] };
}

/** Whether a file that can't be used, and whose name does not say it, may be the record of an identity. */
function mayBeOf(identity: string, name: string, { text, error }: Stored): boolean {
  if (text === undefined) return isOldName(name) || !(error instanceof FileRefusal);
  if (text.includes(`"${identity}"`)) return true;
  return isOldName(name) && !/"identity":\s*"[0-9a-f]{64}"/.test(text);
}

/** What may be paid for already is not submitted again because a file can't be used. */
function blocked({ path, reason, error, text }: Stored, userId: number | undefined): EvolinkError {
  const message = `"${path}" may be the record of this request, and can't be read: ${reason}`;
  const isOthers = error instanceof FileRefusal && error.ownerId !== undefined;
  if (text === undefined && !isOthers)
    return new EvolinkError('local-io', message, { hint: hintForFsError(error) });
  if (text === undefined) {
    const hint = `if it is yours: ${quoteCommand(['chown', String(userId), path])}`;
    return new EvolinkError('local-io', message, { hint, charged: 'unknown' });
  }
  return new EvolinkError('unknown', message, {
    details: ['the request may have been submitted and charged', '--new submits it all the same'],
    hint: `if the dashboard shows no task of it: ${quoteCommand(['evolink', 'forget', path])}`,
    charged: 'unknown',
  });
}

/** Shorter than this a part of an id is a typing error rather than a name. */
const MIN_PART_LENGTH = 4;
const MAX_CANDIDATES = 10;

function pickPart(records: Iterable<TaskRecord>, id: string): TaskRecord | undefined {
  if (id.length < MIN_PART_LENGTH) return undefined;
  const isPart = (whole = ''): boolean =>
    whole.startsWith(id) || whole.endsWith(id) || whole.includes(`-${id}`);
  const matches = [...records].filter(({ localId, taskId }) => isPart(localId) || isPart(taskId));
  if (new Set(matches.map(({ localId, taskId }) => taskId ?? localId)).size <= 1) return matches.at(-1);
  const details = matches
    .slice(0, MAX_CANDIDATES)
    .map(({ localId, taskId }) => [localId, taskId].filter(Boolean).join('  '));
  if (matches.length > MAX_CANDIDATES) details.push(`and ${matches.length - MAX_CANDIDATES} more`);
  throw new EvolinkError('usage', `"${id}" fits ${matches.length} tasks`, {
    hint: 'give more of the id',
    details,
  });
}

function byAge(a: TaskRecord, b: TaskRecord): number {
  return a.createdAtMs - b.createdAtMs || (a.localId < b.localId ? -1 : 1);
}

/** @returns an EvolinkError `local-io`; what is no file-system error passes unchanged */
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
