import { join } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import { sweepTemps } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { describeFsError, fsErrorCode, hintForFsError, localIoError } from '../platform/fs-error.ts';
import { acquireLock, type HeldLock } from '../platform/lock.ts';
import { quoteCommand } from '../platform/text.ts';
import { checkTransition, type RecordChange, type TaskRecord } from './record.ts';
import {
  createRecordStore,
  isOldName,
  type Place,
  placeOf,
  readName,
  requestPart,
  sha256,
  taskEnding,
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
  readOpen(): Promise<{ readonly records: readonly TaskRecord[]; readonly unusable: readonly string[] }>;
  /**
   * The open record of an identity, the newest if there are several. `onUnusable` is called once for each file that can't
   * be used and is of another request.
   * @throws EvolinkError `unknown` or `local-io` where a file that can't be used may be the record
   */
  findOpen(identity: string, onUnusable?: (pathAndReason: string) => void): Promise<TaskRecord | undefined>;
  /** By local id or task id (whole, or an unambiguous short form), or `last`; open or closed. */
  find(id: string): Promise<TaskRecord | undefined>;
  /** The records of a task of the service, by its whole id. */
  findOfTask(taskId: string): Promise<readonly TaskRecord[]>;
  /** Everything, open and closed, oldest first, one record at a time. */
  readAll(): AsyncIterable<TaskRecord>;
  /** Removes closed records older than the age, but for what they cost; returns how many. */
  prune(olderThanMs: number): Promise<number>;
  /** Records of tasks that have ended, newest first. */
  readEnded(): Iterable<TaskRecord>;
  /** Removes prompt, media and paths from the records of tasks that ended longer ago; returns how many. */
  erase(olderThanMs: number): Promise<number>;
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
 * The journal in a state folder: one file a record (`tasks/open`, `tasks/closed`) and one a lock (`locks`). Readers take no
 * lock: every file appears and changes as a whole. Writers of one record are in one process at a time, by the lock of its
 * identity.
 */
export function createJournal({ folder, clock, host, pid, userId }: JournalOptions): Journal {
  const store = createRecordStore(folder, userId);
  const held = new Map<string, HeldLock>();
  const reported = new Set<string>();
  /** By file name; the task of a record never changes once it has one. */
  const taskIds = new Map<string, string>();
  let migrated: Promise<void> | undefined;

  /** Failures of the file system name the folder, the reason and the way out. */
  function inFolder<A extends readonly unknown[], R>(work: (...args: A) => R | Promise<R>) {
    return async (...args: A): Promise<R> => {
      try {
        return await work(...args);
      } catch (error) {
        throw toStateFolderError(folder, error);
      }
    };
  }

  function readRecord(place: Place, name: string): TaskRecord | undefined {
    const stored = store.readNamed(place, name);
    if (stored?.kind !== 'record') return undefined;
    if (stored.record.taskId !== undefined) taskIds.set(name, stored.record.taskId);
    return stored.record;
  }

  /** From the file on the disk, not from memory: so fields survive that this version does not know. */
  async function update(localId: string, change: RecordChange): Promise<TaskRecord> {
    const stored = store.read(localId);
    if (stored === undefined)
      throw new EvolinkError('local-io', `the record of ${localId} is gone`, { localId });
    if (stored.kind === 'unusable') {
      const message = `the record "${stored.path}" cannot be changed: ${stored.reason}`;
      throw new EvolinkError('local-io', message, { localId });
    }
    if (change.state !== undefined) checkTransition(localId, stored.record.state, change.state);
    // What a change leaves undefined stays as it is known.
    const known = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    const record: TaskRecord = { ...stored.record, ...known, updatedAtMs: clock.now() };
    await store.replace(stored.path, record);
    return record;
  }

  async function readOpen() {
    const unusable: string[] = [];
    const records: TaskRecord[] = [];
    for (const name of store.list('open')) {
      const stored = store.readNamed('open', name);
      if (stored === undefined) continue;
      if (stored.kind === 'unusable') unusable.push(`${stored.path} (${stored.reason})`);
      else if (placeOf(stored.record) === 'open') records.push(stored.record);
      // Left here by a process that died between writing the state and moving the file.
      else await store.move(stored.path, stored.record).catch(() => undefined);
    }
    return { records: records.sort(byAge), unusable };
  }

  function findOpen(identity: string, onUnusable?: (pathAndReason: string) => void): TaskRecord | undefined {
    const part = requestPart(identity);
    let newest: TaskRecord | undefined;
    for (const name of store.list('open')) {
      const request = readName(name)?.request;
      if (request !== undefined && request !== part) continue;
      const stored = store.readNamed('open', name);
      if (stored === undefined) continue;
      if (stored.kind === 'unusable') {
        if (request === part || mayBeOf(identity, name, stored)) throw blocked(stored, userId);
        if (!reported.has(name)) onUnusable?.(`${stored.path} (${stored.reason})`);
        reported.add(name);
        continue;
      }
      const { record } = stored;
      if (record.identity !== identity || placeOf(record) !== 'open') continue;
      // Names sort by time, so the last one is the newest but for clocks that were set back.
      if (newest === undefined || record.createdAtMs >= newest.createdAtMs) newest = record;
    }
    return newest;
  }

  /** The names of closed records say which task they are of; those of 0.1.0 and of open ones do not. */
  function findOfTask(taskId: string): readonly TaskRecord[] {
    const ending = taskEnding(taskId);
    return (['closed', 'open'] as const).flatMap((place) =>
      store.list(place).flatMap((name) => {
        if (place === 'closed' && !name.endsWith(ending) && !isOldName(name)) return [];
        if ((taskIds.get(name) ?? taskId) !== taskId) return [];
        const record = readRecord(place, name);
        return record?.taskId === taskId ? [record] : [];
      }),
    );
  }

  /** Several records may belong to one task; the newest counts, an open one before all. */
  function find(id: string): TaskRecord | undefined {
    if (id === 'last')
      return (['open', 'closed'] as const)
        .flatMap((place) => newestFirst(place).next().value ?? [])
        .sort(byAge)
        .at(-1);
    const direct = store.read(id);
    if (direct?.kind === 'record') return direct.record;
    const all = (place: Place) => store.list(place).flatMap((name) => readRecord(place, name) ?? []);
    return findOfTask(id).at(-1) ?? pickPart(() => all('open'), id) ?? pickPart(() => all('closed'), id);
  }

  async function* readAll(): AsyncGenerator<TaskRecord> {
    const places = new Map<string, readonly [Place, string]>();
    await inFolder(() => {
      for (const place of ['closed', 'open'] as const)
        for (const name of store.list(place)) places.set(readName(name)?.localId ?? name, [place, name]);
    })();
    for (const [localId, [place, name]] of [...places].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const stored = store.readNamed(place, name) ?? store.read(localId);
      if (stored?.kind === 'record') yield stored.record;
    }
  }

  /** Names sort by the second; within one the records say which is newer. */
  function* newestFirst(place: Place): Generator<TaskRecord, undefined> {
    let second: TaskRecord[] = [];
    for (const name of store.list(place).toReversed()) {
      const record = readRecord(place, name);
      if (record === undefined) continue;
      if (second[0]?.localId.slice(0, 15) !== record.localId.slice(0, 15)) {
        yield* second.sort(byAge).toReversed();
        second = [];
      }
      second.push(record);
    }
    yield* second.sort(byAge).toReversed();
  }

  async function erase(olderThanMs: number): Promise<number> {
    let count = 0;
    for (const record of newestFirst('closed')) {
      const { body, localId, updatedAtMs } = record;
      const stored = store.read(localId);
      const isOld = clock.now() - updatedAtMs > olderThanMs && (body?.prompt ?? '') !== '';
      if (!isOld || body === undefined || stored?.kind !== 'record') continue;
      const { image_urls: _images, video_urls: _videos, audio_urls: _audios, ...rest } = body;
      await store.replace(stored.path, { ...record, body: { ...rest, prompt: '' }, links: [], saved: [] });
      count += 1;
    }
    return count;
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
    for (const name of store.list('open').filter(isOldName)) {
      const identity = readRecord('open', name)?.identity;
      if (identity === undefined) continue;
      const rename = async () => {
        const current = store.readNamed('open', name);
        if (current?.kind === 'record') await store.move(current.path, current.record);
      };
      await underLock(identity, 0, rename).catch(() => undefined);
    }
  }

  async function prune(olderThanMs: number): Promise<number> {
    const nowMs = clock.now();
    const old = new Map<string, TaskRecord>();
    const keptTasks = new Set<string>();
    for (const place of ['open', 'closed'] as const) {
      for (const name of store.list(place)) {
        const record = readRecord(place, name);
        if (record === undefined) continue;
        const isOver = place === 'closed' && placeOf(record) === 'closed' && record.state !== 'dismissed';
        if (isOver && nowMs - record.updatedAtMs > olderThanMs) old.set(name, record);
        else if (record.taskId !== undefined) keptTasks.add(record.taskId);
      }
    }
    const remove = async () => {
      // A task that has another record is counted by that one.
      const last = [...old.values()].filter(({ taskId }) => taskId !== undefined && !keptTasks.has(taskId));
      await writePruned(folder, addPruned(readPruned(folder), last));
      for (const name of old.keys()) await store.remove(name);
    };
    if (old.size > 0) await underLock('spending', PRUNE_LOCK_WAIT_MS, remove);
    for (const path of Object.values(store.folders)) await sweepTemps(path, nowMs);
    return old.size;
  }

  return {
    folder,
    create: inFolder(store.create),
    update: inFolder(update),
    readOpen: inFolder(readOpen),
    findOpen: inFolder(findOpen),
    find: inFolder(find),
    findOfTask: inFolder(findOfTask),
    readAll,
    readEnded: () => newestFirst('closed'),
    erase: inFolder(erase),
    prune: inFolder(prune),
    readPruned: async () => readPruned(folder),
    unusable: inFolder(() =>
      store.list('open').flatMap((name) => {
        const stored = store.readNamed('open', name);
        return stored?.kind === 'unusable' ? [stored] : [];
      }),
    ),
    putAway: inFolder(store.putAway),
    holds: async (identity) => (await held.get(identity)?.isHeld()) ?? true,
    lock: inFolder(async (identity, { waitMs, signal }) => {
      migrated ??= migrate();
      await migrated;
      return takeLock(identity, waitMs, signal).catch((error: unknown) => {
        throw withLookAt(error);
      });
    }),
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

function pickPart(records: () => readonly TaskRecord[], id: string): TaskRecord | undefined {
  if (id.length < MIN_PART_LENGTH) return undefined;
  const isPart = (whole = ''): boolean =>
    whole.startsWith(id) || whole.endsWith(id) || whole.includes(`-${id}`);
  const matches = records().filter(({ localId, taskId }) => isPart(localId) || isPart(taskId));
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

/** Whoever has to wait for another process can see meanwhile how far the task is. */
function withLookAt(error: unknown): unknown {
  if (!isEvolinkError(error) || error.kind !== 'locked') return error;
  const hint = `${error.facts.hint}; until then evolink status shows how far the task is`;
  return new EvolinkError('locked', error.message, { ...error.facts, hint });
}

/** Identities are hex digits; anything else is made so. */
function lockName(identity: string): string {
  return `${/^[0-9a-z]{1,64}$/.test(identity) ? identity : sha256(identity)}.lock`;
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
