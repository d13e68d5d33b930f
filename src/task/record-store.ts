import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createDurably, renameBusy, replaceDurably, syncFolder } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { describeFsError, FileRefusal, fsErrorCode } from '../platform/fs-error.ts';
import { readSmallFile } from '../platform/read-file.ts';
import { CLOSED_STATES, formatRecord, LOCAL_ID, parseRecord, type TaskRecord } from './record.ts';

export type Place = 'open' | 'closed';

/** A file that is no record that may be used. */
export interface Unusable {
  readonly kind: 'stranger';
  readonly path: string;
  /** A phrase for people. */
  readonly reason: string;
  /** What the file holds, where it could be read. */
  readonly text?: string;
  /** Why a file that is there could not be read. */
  readonly readError?: unknown;
  /** The user whose file it is, where that is somebody else. */
  readonly ownerId?: number | undefined;
}
export type StoredRecord =
  | { readonly kind: 'record'; readonly record: TaskRecord; readonly path: string }
  | Unusable;

/** What the name of a record's file says, so that a file that can't be read still stands for its request. */
export interface RecordName {
  readonly name: string;
  readonly localId: string;
  /** The first half of the request's identity; absent in names of version 0.1.0. */
  readonly request?: string | undefined;
  /** Stands for the task, in names of closed records. */
  readonly task?: string | undefined;
}

const MAX_RECORD_BYTES = 4_000_000;
const NAME = /^([^.]{1,64})(?:\.([0-9a-f]{32}))?(?:\.([0-9a-f]{16}))?\.json$/;
/** What 0.1.0 has named its records. */
const OLD_NAME = /^\d{8}-\d{6}-[0-9a-z]{6}\.json$/;

/** What a file name says; undefined for one that no version gives to a record. */
export function readName(name: string): RecordName | undefined {
  const [, localId, request, task] = NAME.exec(name) ?? [];
  if (localId === undefined || !LOCAL_ID.test(localId)) return undefined;
  return { name, localId, request, task };
}

/** Whether a file may be the record of any request, as 0.1.0 did not write into the name of which. */
export function isOldName(name: string): boolean {
  return OLD_NAME.test(name);
}

/** The part of an identity that stands in names. */
export function requestPart(identity: string): string {
  return (/^[0-9a-f]{64}$/.test(identity) ? identity : sha256(identity)).slice(0, 32);
}

/** What stands for a task in names. */
export function taskPart(taskId: string): string {
  return sha256(taskId).slice(0, 16);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Where a record belongs. */
export function placeOf({ state }: TaskRecord): Place {
  return CLOSED_STATES.includes(state) ? 'closed' : 'open';
}

function nameOf({ localId, identity, taskId, state }: TaskRecord): string {
  const parts = [localId, requestPart(identity)];
  if (CLOSED_STATES.includes(state) && taskId !== undefined) parts.push(taskPart(taskId));
  return `${parts.join('.')}.json`;
}

/** Records as files: `tasks/open` and `tasks/closed`, one each. */
export type RecordStore = ReturnType<typeof createRecordStore>;

/**
 * Reads are synchronous: for thousands of small files that is several times faster, and nothing else runs yet.
 * @param userId whose records are used; absent where files have no owner
 */
export function createRecordStore(stateFolder: string, userId?: number) {
  const folders = { open: join(stateFolder, 'tasks', 'open'), closed: join(stateFolder, 'tasks', 'closed') };
  /** Where records were seen last; a hint that is checked. */
  const names = new Map<string, string>();
  let areFoldersMade = false;

  /** The file names of a folder, hidden ones left out, sorted, which is by time; none where there is no folder yet. */
  function list(place: Place): readonly string[] {
    try {
      return readdirSync(folders[place])
        .filter((name) => !name.startsWith('.'))
        .sort();
    } catch (error) {
      if (fsErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  function readAt(path: string): StoredRecord | undefined {
    try {
      const content = readSmallFile(path, MAX_RECORD_BYTES, userId).toString('utf8');
      const parsed = parseRecord(content);
      if (parsed.kind === 'stranger') return { ...parsed, path, text: content };
      const { localId, request } = readName(basename(path)) ?? {};
      const { record } = parsed;
      const isNamedSo =
        localId === record.localId && (request === undefined || request === requestPart(record.identity));
      if (isNamedSo) return { kind: 'record', record, path };
      return { kind: 'stranger', reason: 'its name is not its id', path, text: content };
    } catch (error) {
      if (fsErrorCode(error) === 'ENOENT') return undefined;
      const reason = describeFsError(error);
      if (error instanceof FileRefusal) return { kind: 'stranger', reason, path, ownerId: error.ownerId };
      return { kind: 'stranger', reason, path, readError: error };
    }
  }

  /** The record of an id, wherever it lies. */
  function read(localId: string): StoredRecord | undefined {
    const known = names.get(localId);
    const found = known === undefined ? undefined : readAt(join(folders.open, known));
    if (found !== undefined) return found;
    // A third look, as another process may move the record from the second place to the first between two looks.
    for (const place of ['open', 'closed', 'open'] as const) {
      const name = list(place).find((each) => readName(each)?.localId === localId);
      const stored = name === undefined ? undefined : readAt(join(folders[place], name));
      if (stored === undefined || name === undefined) continue;
      if (place === 'open') names.set(localId, name);
      return stored;
    }
    return undefined;
  }

  async function move(from: string, record: TaskRecord): Promise<void> {
    const to = join(folders[placeOf(record)], nameOf(record));
    if (from === to) return;
    await makeFolders();
    await renameBusy(from, to);
    names.delete(record.localId);
    await syncFolder(dirname(to));
    if (dirname(from) !== dirname(to)) await syncFolder(dirname(from));
  }

  async function makeFolders(): Promise<void> {
    if (areFoldersMade) return;
    await ensureFolder(folders.open);
    await ensureFolder(folders.closed);
    areFoldersMade = true;
  }

  return {
    folders,
    list,
    read,
    /** The record of a file name that was listed. */
    readNamed: (place: Place, name: string) => readAt(join(folders[place], name)),
    /** Puts a record where its state belongs and under the name that this version gives it. */
    move,
    async create(record: TaskRecord): Promise<void> {
      const text = formatRecord(record);
      await makeFolders();
      const name = nameOf(record);
      await createDurably(join(folders[placeOf(record)], name), text);
      if (placeOf(record) === 'open') names.set(record.localId, name);
    },
    /** Gives the record at a path new content and puts it where its state belongs. */
    async replace(path: string, record: TaskRecord): Promise<void> {
      const text = formatRecord(record);
      const isOpen = placeOf(record) === 'open';
      const from = isOpen && dirname(path) === folders.closed ? join(folders.open, nameOf(record)) : path;
      // Moved first: a crash in between must never leave an open record where nobody looks for one.
      if (from !== path) await move(path, record);
      await replaceDurably(from, text);
      // The new state is on the disk, and readers go by it: a move that fails now is made up for later.
      if (!isOpen) await move(from, record).catch(() => undefined);
    },
    /** Puts a file that is no record out of the way, where nothing is blocked by it. */
    async putAway(path: string): Promise<string> {
      await makeFolders();
      const to = join(folders.closed, `${basename(path)}.dismissed`);
      await rename(path, to);
      await syncFolder(folders.closed);
      await syncFolder(folders.open);
      return to;
    },
    remove: (place: Place, name: string) => unlink(join(folders[place], name)),
  };
}
