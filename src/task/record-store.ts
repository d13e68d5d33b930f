import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createDurably, renameBusy, replaceDurably } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { describeFsError, FileRefusal, fsErrorCode } from '../platform/fs-error.ts';
import { readSmallFile } from '../platform/read-file.ts';
import { CLOSED_STATES, formatRecord, LOCAL_ID, parseRecord, type TaskRecord } from './record.ts';

export type Place = 'open' | 'closed';

/** A file that is no record that may be used. */
export interface Unusable {
  readonly kind: 'unusable';
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

const MAX_RECORD_BYTES = 4_000_000;
const NAME = /^([^.]{1,64})(?:\.([0-9a-f]{32}))?(?:\.[0-9a-f]{16})?\.json$/;
/** What 0.1.0 has named its records. */
const OLD_NAME = /^\d{8}-\d{6}-[0-9a-z]{6}\.json$/;

/**
 * What a file name says, so that a file that can't be read still stands for its request: the local id, and the first half of
 * the request's identity (absent in names of 0.1.0). Undefined for a name that no version gives to a record.
 */
export function readName(name: string) {
  const [, localId, request] = NAME.exec(name) ?? [];
  return localId === undefined || !LOCAL_ID.test(localId) ? undefined : { localId, request };
}

/** Whether a file may be the record of any request, as 0.1.0 did not write into the name of which. */
export function isOldName(name: string): boolean {
  return OLD_NAME.test(name);
}

/** The part of an identity that stands in names. */
export function requestPart(identity: string): string {
  return (/^[0-9a-f]{64}$/.test(identity) ? identity : sha256(identity)).slice(0, 32);
}

/** How the names of closed records of a task end. */
export function taskEnding(taskId: string): string {
  return `.${sha256(taskId).slice(0, 16)}.json`;
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Where a record belongs. */
export function placeOf({ state }: TaskRecord): Place {
  return CLOSED_STATES.includes(state) ? 'closed' : 'open';
}

function nameOf(record: TaskRecord): string {
  const { localId, identity, taskId } = record;
  const isOfTask = placeOf(record) === 'closed' && taskId !== undefined;
  return `${localId}.${requestPart(identity)}${isOfTask ? taskEnding(taskId) : '.json'}`;
}

/**
 * Records as files: `tasks/open` and `tasks/closed`, one each. Reads are synchronous: for thousands of small files that is
 * several times faster, and nothing else runs yet.
 * @param userId whose records are used; absent where files have no owner
 */
export function createRecordStore(stateFolder: string, userId?: number) {
  const folders = { open: join(stateFolder, 'tasks', 'open'), closed: join(stateFolder, 'tasks', 'closed') };
  /** Where records were seen last; a hint that is checked. */
  const names = new Map<string, string>();
  /** What was parsed last of open records: most reads find the text that this process has written. */
  const parsed = new Map<string, { readonly text: string; readonly record: TaskRecord }>();
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

  /** The record of a file name that was listed. */
  function readNamed(place: Place, name: string): StoredRecord | undefined {
    const path = join(folders[place], name);
    try {
      const text = readSmallFile(path, MAX_RECORD_BYTES, userId).toString('utf8');
      const known = parsed.get(path);
      if (known?.text === text) return { kind: 'record', record: known.record, path };
      const found = parseRecord(text);
      if (found.kind === 'unusable') return { ...found, path, text };
      const { localId, request } = readName(name) ?? {};
      const { record } = found;
      const isNamedSo = (request ?? requestPart(record.identity)) === requestPart(record.identity);
      if (localId === record.localId && isNamedSo) return { kind: 'record', record, path };
      return { kind: 'unusable', reason: 'its name is not its id', path, text };
    } catch (error) {
      if (fsErrorCode(error) === 'ENOENT') return undefined;
      const reason = describeFsError(error);
      if (error instanceof FileRefusal) return { kind: 'unusable', reason, path, ownerId: error.ownerId };
      return { kind: 'unusable', reason, path, readError: error };
    }
  }

  /** The record of an id, wherever it lies. */
  function read(localId: string): StoredRecord | undefined {
    const known = names.get(localId);
    const found = known === undefined ? undefined : readNamed('open', known);
    if (found !== undefined) return found;
    // A third look, as another process may move the record from the second place to the first between two looks.
    for (const place of ['open', 'closed', 'open'] as const) {
      const name = list(place).find((each) => each.startsWith(`${localId}.`));
      const stored = name === undefined ? undefined : readNamed(place, name);
      if (stored === undefined || name === undefined) continue;
      if (place === 'open') names.set(localId, name);
      return stored;
    }
    return undefined;
  }

  /** Puts a record where its state belongs and under the name that this version gives it; returns that path. */
  async function move(from: string, record: TaskRecord): Promise<string> {
    const to = join(folders[placeOf(record)], nameOf(record));
    if (from === to) return to;
    await makeFolders();
    await renameBusy(from, to);
    names.delete(record.localId);
    return to;
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
    readNamed,
    move,
    /** The name is on the disk with the next state: so far nothing was sent. */
    async create(record: TaskRecord): Promise<void> {
      const text = formatRecord(record);
      await makeFolders();
      const name = nameOf(record);
      const path = join(folders[placeOf(record)], name);
      await createDurably(path, text, 0o600, false);
      if (placeOf(record) !== 'open') return;
      names.set(record.localId, name);
      parsed.set(path, { text, record });
    },
    /** Gives the record at a path new content and puts it where its state belongs. */
    async replace(path: string, record: TaskRecord): Promise<void> {
      const text = formatRecord(record);
      const isReopened = placeOf(record) === 'open' && dirname(path) === folders.closed;
      // Moved first: a crash in between must never leave an open record where nobody looks for one.
      const from = isReopened ? await move(path, record) : path;
      // Of a completed task nothing is lost with its last state: the task says it again.
      await replaceDurably(from, text, 0o600, record.state !== 'completed');
      if (placeOf(record) === 'open') parsed.set(from, { text, record });
      else parsed.delete(from);
      // The new state is on the disk, and readers go by it: a move that fails now, or is lost, is made up for later.
      if (placeOf(record) === 'closed') await move(from, record).catch(() => undefined);
    },
    /** Puts a file that is no record out of the way, where nothing is blocked by it. */
    async putAway(path: string): Promise<string> {
      await makeFolders();
      const to = join(folders.closed, `${basename(path)}.dismissed`);
      await renameBusy(path, to);
      return to;
    },
    remove: (name: string) => unlink(join(folders.closed, name)),
  };
}
