import { type Dir, opendirSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import { createDurably, createTempSweeper, renameBusy, replaceDurably } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import {
  describeFsError,
  FileRefusal,
  fsErrorCode,
  hintForFsError,
  localIoError,
} from '../platform/fs-error.ts';
import { acquireLock, type HeldLock, type LockOwner } from '../platform/lock.ts';
import { readSmallFile } from '../platform/read-file.ts';
import { quoteCommand } from '../platform/text.ts';
import {
  checkTransition,
  formatRecord,
  isOpen,
  nameOf,
  parseRecord,
  type RecordChange,
  readName,
  requestPart,
  type TaskRecord,
  taskPart,
} from './record.ts';
import { addPruned, readPruned, writePruned } from './spending.ts';

/** The durable memory of every paid request. Every write is on the disk when its promise resolves. */
export type Journal = ReturnType<typeof createJournal>;

const PLACES = ['open', 'closed'] as const;
type Place = (typeof PLACES)[number];

/** A file of the journal: a record, or what can't be used as one. */
interface Stored {
  readonly path: string;
  readonly record?: TaskRecord;
  /** Why it is no record, as a phrase for people. */
  readonly reason: string;
  /** What a file that is no record holds, where it could be read. */
  readonly text?: string;
  /** Why it could not be read. */
  readonly error?: unknown;
}

const MAX_RECORD_BYTES = 4_000_000;
/** More than are shown at once. */
const NEWEST = 256;
const HOUSEKEEPING_LOCK_WAIT_MS = 10_000;

/**
 * The journal in a state folder, which is made when first needed: one file a record (`tasks/open`, `tasks/closed`) and one a
 * lock (`locks`). Readers take no lock: every file appears and changes as a whole. Writers of one record are in one process
 * at a time, by the lock of its identity. Reads are synchronous: for thousands of small files that is several times faster,
 * and nothing else runs yet. Failures of the file system name the folder, the reason and the way out.
 * @param options.userId whose records are used; absent where files have no owner
 */
export function createJournal({
  folder,
  clock,
  userId,
  pid,
  host,
}: LockOwner & { readonly folder: string; readonly clock: Clock; readonly userId?: number | undefined }) {
  const folders = { open: join(folder, 'tasks', 'open'), closed: join(folder, 'tasks', 'closed') };
  /** Where this process has put records: most are looked for there, and found. */
  const paths = new Map<string, string>();
  /** A run takes thousands: nothing is kept of those that were given back. */
  const locks = new Map<string, HeldLock>();
  const reported = new Set<string>();
  let areFoldersMade = false;
  let migrated: Promise<void> | undefined;
  /** As of the first answer to a submission, and by the answers since: each asks, so the folders are read once a process. */
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

  /** The file names of a folder, hidden ones left out, in any order; none where there is no folder yet. */
  function* namesIn(place: Place): Generator<string> {
    let listing: Dir;
    try {
      listing = opendirSync(folders[place]);
    } catch (error) {
      if (fsErrorCode(error) === 'ENOENT') return;
      throw error;
    }
    for (let entry = listing.readSync(); entry !== null; entry = listing.readSync())
      if (!entry.name.startsWith('.')) yield entry.name;
    listing.closeSync();
  }

  /** Sorted, which is by time. */
  const list = (place: Place) => [...namesIn(place)].sort();

  /** Newest first. The first ones come of a look that keeps no others: to sort a hundred thousand takes its time. */
  function* listNewest(place: Place): Generator<string> {
    let newest: string[] = [];
    let oldest = '';
    for (const name of namesIn(place)) {
      if (name < oldest || newest.push(name) < 2 * NEWEST) continue;
      newest = newest.sort().slice(-NEWEST);
      [oldest = ''] = newest;
    }
    yield* newest.sort().reverse();
    const older = oldest === '' ? [] : list(place).filter((name) => name < oldest);
    yield* older.reverse();
  }

  function readAt(path: string): Stored | undefined {
    let text: string;
    try {
      text = readSmallFile(path, MAX_RECORD_BYTES, userId).toString('utf8');
    } catch (error) {
      return fsErrorCode(error) === 'ENOENT' ? undefined : { path, reason: describeFsError(error), error };
    }
    const record = parseRecord(text);
    if (typeof record === 'string') return { path, reason: record, text };
    const { localId, request = requestPart(record.identity) } = readName(basename(path)) ?? {};
    if (localId === record.localId && request === requestPart(record.identity))
      return { path, record, reason: '' };
    return { path, reason: 'its name is not its id', text };
  }

  /** What lies in a folder, one at a time, of the names that fit: oldest first, unless other names are given. */
  function* scan(place: Place, fits = (_name: string) => true, names: Iterable<string> = list(place)) {
    for (const name of names) {
      const stored = fits(name) ? readAt(join(folders[place], name)) : undefined;
      if (stored !== undefined) yield stored;
    }
  }

  function* records(place: Place, ...how: [fits?: (name: string) => boolean, names?: Iterable<string>]) {
    for (const { record } of scan(place, ...how)) if (record !== undefined) yield record;
  }

  /** The file of a local id, wherever it lies. */
  function read(localId: string): Stored | undefined {
    const path = paths.get(localId);
    const known = path && readAt(path);
    if (known) return known;
    // A third look, as another process may move the record from the second place to the first between two looks.
    for (const place of ['open', 'closed', 'open'] as const) {
      const [stored] = scan(place, (name) => name.startsWith(`${localId}.`));
      if (stored !== undefined) return stored;
    }
    return undefined;
  }

  async function makeFolders(): Promise<void> {
    if (!areFoldersMade) for (const place of PLACES) await ensureFolder(folders[place]);
    areFoldersMade = true;
  }

  function pathOf(record: TaskRecord): string {
    return join(folders[isOpen(record) ? 'open' : 'closed'], nameOf(record));
  }

  async function create(record: TaskRecord): Promise<void> {
    const text = formatRecord(record);
    await makeFolders();
    const path = pathOf(record);
    await createDurably(path, text);
    paths.set(record.localId, path);
  }

  /** Puts a record where its state belongs and under the name that this version gives it. */
  async function move(from: string, record: TaskRecord): Promise<string> {
    const to = pathOf(record);
    if (from === to) return to;
    await makeFolders();
    await renameBusy(from, to);
    paths.set(record.localId, to);
    return to;
  }

  /** Gives the record at a path new content and puts it where its state belongs. */
  async function replace(path: string, record: TaskRecord): Promise<void> {
    const text = formatRecord(record);
    const isReopened = isOpen(record) && dirname(path) === folders.closed;
    // Moved first: a crash in between must never leave an open record where nobody looks for one.
    const from = isReopened ? await move(path, record) : path;
    // Of a completed task nothing is lost with its last state: the task says it again.
    await replaceDurably(from, text, 0o600, record.state !== 'completed');
    paths.set(record.localId, from);
    // The new state is on the disk, and readers go by it: a move that fails now, or is lost, is made up for later.
    if (!isOpen(record)) await move(from, record).catch(() => undefined);
  }

  /**
   * Writes the next state of a record, from the file on the disk and not from memory: so fields survive that this version
   * does not know. A closed state moves the record out of the open folder.
   * @throws EvolinkError `local-io`
   */
  async function update(localId: string, change: RecordChange): Promise<TaskRecord> {
    const { path = '', reason = 'it is gone', record: last } = read(localId) ?? {};
    if (last === undefined)
      throw new EvolinkError('local-io', `the record of ${localId} cannot be changed: ${reason}`, {
        localId,
      });
    if (change.state !== undefined) checkTransition(localId, last.state, change.state);
    // What a change leaves undefined stays as it is known.
    const known = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    const record: TaskRecord = { ...last, ...known, updatedAtMs: clock.now() };
    await replace(path, record);
    return record;
  }

  /** Puts a file that is no record out of the way, where nothing is blocked by it; says where it lies now. */
  async function putAway(path: string): Promise<string> {
    await makeFolders();
    const to = join(folders.closed, `${basename(path)}.dismissed`);
    await renameBusy(path, to);
    return to;
  }

  /** Open records, oldest first. Files that can't be used are left alone, and listed. */
  async function readOpen() {
    const unusable: Stored[] = [];
    const open: TaskRecord[] = [];
    for (const stored of scan('open')) {
      const { record, path } = stored;
      if (record === undefined) unusable.push(stored);
      else if (isOpen(record)) open.push(record);
      // Left here by a process that died between writing the state and moving the file.
      else await move(path, record).catch(() => undefined);
    }
    return { records: open.sort(byAge), unusable };
  }

  /**
   * The open record of an identity, the newest if there are several. `onUnusable` is told once of each file that can't be
   * used and is of another request.
   * @throws EvolinkError `unknown` or `local-io` where a file that can't be used may be the record
   */
  function findOpen(identity: string, onUnusable?: (file: Stored) => void): TaskRecord | undefined {
    const part = requestPart(identity);
    const requestOf = (path: string) => readName(basename(path))?.request;
    const found: TaskRecord[] = [];
    for (const stored of scan('open', (name) => (requestOf(name) ?? part) === part)) {
      const { record, path } = stored;
      if (record?.identity === identity && isOpen(record)) found.push(record);
      if (record !== undefined) continue;
      if (requestOf(path) === part || mayBeOf(identity, stored)) throw blocked(stored, userId);
      if (!reported.has(path)) onUnusable?.(stored);
      reported.add(path);
    }
    return found.sort(byAge).at(-1);
  }

  /** The records of a task of the service, by its whole id; the names of closed ones say whose they are since 0.2. */
  function findOfTask(taskId: string): readonly TaskRecord[] {
    const part = taskPart(taskId);
    const closed = records('closed', (name) => readName(name)?.task === part || isOldName(name));
    return [...closed, ...records('open')].filter((record) => record.taskId === taskId);
  }

  /** Which request each task is of, by what stands for the task in names. */
  function* listTasks() {
    // What is open first, as it may be closed meanwhile.
    for (const { taskId, localId } of [...records('open'), ...records('closed', isOldName)])
      if (taskId !== undefined) yield [taskPart(taskId), localId] as const;
    for (const name of namesIn('closed')) {
      const { task, localId = '' } = readName(name) ?? {};
      if (task !== undefined) yield [task, localId] as const;
    }
  }

  /** The request that a task is of: the asking one, unless the task is known to be another's. */
  function ownerOf(taskId: string, localId: string): string {
    owners ??= new Map(listTasks());
    const holder = owners.get(taskPart(taskId)) ?? localId;
    owners.set(taskPart(taskId), holder);
    return holder;
  }

  /** Which tasks have any record, as of now. */
  function readKnown() {
    const known = new Map(listTasks());
    return (taskId: string): boolean => known.has(taskPart(taskId));
  }

  /**
   * By local id or task id (whole, or an unambiguous short form), or `last`; open or closed. Several records may belong to
   * one task; the newest counts, an open one before all.
   */
  function find(id: string): TaskRecord | undefined {
    if (id === 'last')
      return PLACES.flatMap((place) => readNewest(place).next().value ?? [])
        .sort(byAge)
        .at(-1);
    const record = read(id)?.record ?? findOfTask(id).at(-1);
    return record ?? pickPart(records('open'), id) ?? pickPart(records('closed'), id);
  }

  function readNewest(place: Place) {
    return records(place, undefined, listNewest(place));
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
    const lock = await acquireLock(join(path, `${identity}.lock`), {
      owner: { pid, host },
      clock,
      waitMs,
      signal,
    });
    locks.set(identity, lock);
    const release = (): Promise<void> => {
      locks.delete(identity);
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
    for (const { path, record } of [...scan('open', isOldName)]) {
      if (record === undefined) continue;
      await underLock(record.identity, 0, async () => {
        const current = readAt(path)?.record;
        if (current !== undefined) await move(path, current);
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
      for (const { record, path } of scan(place)) {
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
    for (const place of PLACES) await sweepTemps(folders[place]);
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
    for (const { path, record } of scan('closed')) {
      if (!isErasable(record)) continue;
      await underLock(record.identity, 0, async () => {
        const current = readAt(path)?.record;
        if (!isErasable(current)) return;
        await replace(path, withoutWords(current));
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
    create: inFolder(create),
    update: inFolder(update),
    readOpen: inFolder(readOpen),
    findOpen: inFolder(findOpen),
    find: inFolder(find),
    findOfTask: inFolder(findOfTask),
    ownerOf: inFolder(ownerOf),
    readKnown: inFolder(readKnown),
    readAll,
    /** Records of tasks that have ended, newest first. */
    readEnded: () => readNewest('closed'),
    erase: inFolder(erase),
    prune: inFolder(prune),
    /** What the records cost that were removed. */
    readPruned: async () => readPruned(folder),
    putAway: inFolder(putAway),
    lock: inFolder(lock),
    /** Reads the lock again that this process took of an identity: false where it has it no longer. */
    holds: async (identity: string) => (await locks.get(identity)?.isHeld()) ?? false,
  };
}

/** Whether a file may be the record of any request, as 0.1.0 did not write into the name of which. */
function isOldName(name: string): boolean {
  const known = readName(name);
  return known !== undefined && known.request === undefined;
}

function withoutWords(record: TaskRecord): TaskRecord {
  const { image_urls: _images, video_urls: _videos, audio_urls: _audios, ...rest } = record.body ?? {};
  const body = record.body === undefined ? {} : { body: { ...rest, model: record.body.model, prompt: '' } };
  return { ...record, ...body, links: [], saved: [] };
}

/** Whether a file that can't be used, and whose name does not say it, may be the record of an identity. */
function mayBeOf(identity: string, { path, text, error }: Stored): boolean {
  const isOld = isOldName(basename(path));
  if (text === undefined) return isOld || !(error instanceof FileRefusal);
  return text.includes(`"${identity}"`) || (isOld && !/"identity":\s*"[0-9a-f]{64}"/.test(text));
}

/** What may be paid for already is not submitted again because a file can't be used. */
function blocked({ path, reason, error, text }: Stored, userId: number | undefined): EvolinkError {
  const message = `"${path}" may be the record of this request, and can't be read: ${reason}`;
  const isOthers = error instanceof FileRefusal && error.ownerId !== undefined;
  const chown = `if it is yours: ${quoteCommand(['chown', String(userId), path])}`;
  if (text === undefined)
    return new EvolinkError('local-io', message, {
      hint: isOthers ? chown : hintForFsError(error),
      charged: isOthers ? 'unknown' : undefined,
    });
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
  const names = matches.map(({ localId, taskId }) => [localId, taskId].filter(Boolean).join('  '));
  if (new Set(matches.map(({ localId, taskId }) => taskId ?? localId)).size <= 1) return matches.at(-1);
  throw new EvolinkError('usage', `"${id}" fits ${matches.length} tasks`, {
    hint: 'give more of the id',
    details: names.slice(0, MAX_CANDIDATES),
  });
}

function byAge(a: TaskRecord, b: TaskRecord): number {
  return a.createdAtMs - b.createdAtMs || (a.localId < b.localId ? -1 : 1);
}

/** @returns an EvolinkError `local-io`; what is no file-system error passes unchanged */
function toStateFolderError(folder: string, error: unknown): unknown {
  const known = fsErrorCode(error) === undefined ? error : localIoError(error, 'use', folder);
  if (!isEvolinkError(known) || known.kind !== 'local-io' || known.facts.charged !== undefined) return error;
  const { message, facts } = known;
  return new EvolinkError('local-io', `the state folder "${folder}" cannot be used: ${message}`, {
    hint: `${facts.hint ?? 'check the folder'}; or set EVOLINK_STATE_DIR to a folder that can be written`,
  });
}
