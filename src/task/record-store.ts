import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createDurably, renameBusy, replaceDurably } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { describeFsError, fsErrorCode } from '../platform/fs-error.ts';
import { readSmallFile } from '../platform/read-file.ts';
import { formatRecord, isOpen, parseRecord, sha256, type TaskRecord } from './record.ts';

export const PLACES = ['open', 'closed'] as const;
export type Place = (typeof PLACES)[number];

/** A file of the journal: a record, or what can't be used as one. */
export interface Stored {
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
/** Ours, and what 0.1.0 has named its records. */
const NAME =
  /^(?:([0-9a-z][0-9a-z-]{0,63})\.([0-9a-f]{32})(?:\.([0-9a-f]{16}))?|(\d{8}-\d{6}-[0-9a-z]{6}))\.json$/;

/**
 * What a file name says, so that a file that can't be read still stands for its request: the local id, the first half of
 * the request's identity (absent in names of 0.1.0), and of a closed record which task it is of. Undefined for a name that
 * no version gives to a record.
 */
export function readName(name: string) {
  const [, localId, request, task, oldId] = NAME.exec(name) ?? [];
  const id = localId ?? oldId;
  return id === undefined ? undefined : { localId: id, request, task };
}

/** Whether a file may be the record of any request, as 0.1.0 did not write into the name of which. */
export function isOldName(name: string): boolean {
  const known = readName(name);
  return known !== undefined && known.request === undefined;
}

/** The part of an identity that stands in names. */
export function requestPart(identity: string): string {
  return (/^[0-9a-f]{64}$/.test(identity) ? identity : sha256(identity)).slice(0, 32);
}

/** What stands for a task in the names of its closed records. */
export function taskPart(taskId: string): string {
  return sha256(taskId).slice(0, 16);
}

/**
 * Records as files: `tasks/open` and `tasks/closed`, one each. Reads are synchronous: for thousands of small files that is
 * several times faster, and nothing else runs yet.
 * @param userId whose records are used; absent where files have no owner
 */
export function createRecordStore(stateFolder: string, userId?: number) {
  const folders = { open: join(stateFolder, 'tasks', 'open'), closed: join(stateFolder, 'tasks', 'closed') };
  /** Where this process has put records: most are looked for there, and found. */
  const paths = new Map<string, string>();
  let areFoldersMade = false;

  function pathOf(record: TaskRecord): string {
    const { localId, identity, taskId } = record;
    const task = isOpen(record) || taskId === undefined ? '' : `.${taskPart(taskId)}`;
    const name = `${localId}.${requestPart(identity)}${task}.json`;
    return join(isOpen(record) ? folders.open : folders.closed, name);
  }

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

  function readAt(path: string): Stored | undefined {
    let text: string;
    try {
      text = readSmallFile(path, MAX_RECORD_BYTES, userId).toString('utf8');
    } catch (error) {
      return fsErrorCode(error) === 'ENOENT' ? undefined : { path, reason: describeFsError(error), error };
    }
    const { localId = '', request } = readName(basename(path)) ?? {};
    const record = parseRecord(text);
    if (typeof record === 'string') return { path, reason: record, text };
    const part = requestPart(record.identity);
    if (localId === record.localId && (request ?? part) === part) return { path, record, reason: '' };
    return { path, reason: 'its name is not its id', text };
  }

  /** What lies in a folder, in order, or in the opposite one: one record at a time, of those whose names fit. */
  function* scan(place: Place, fits: (name: string) => boolean = () => true, isNewestFirst = false) {
    const names = list(place);
    for (const name of isNewestFirst ? names.toReversed() : names) {
      const stored = fits(name) ? readAt(join(folders[place], name)) : undefined;
      if (stored !== undefined) yield stored;
    }
  }

  /** The record of an id, wherever it lies. */
  function read(localId: string): Stored | undefined {
    const path = paths.get(localId);
    const found = path && readAt(path);
    if (found) return found;
    // A third look, as another process may move the record from the second place to the first between two looks.
    for (const place of ['open', 'closed', 'open'] as const) {
      const [stored] = scan(place, (name) => name.startsWith(`${localId}.`));
      if (stored !== undefined) return stored;
    }
    return undefined;
  }

  async function makeFolders(): Promise<void> {
    if (areFoldersMade) return;
    await ensureFolder(folders.open);
    await ensureFolder(folders.closed);
    areFoldersMade = true;
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

  return {
    folders,
    list,
    scan,
    read,
    readAt,
    move,
    async create(record: TaskRecord): Promise<void> {
      const text = formatRecord(record);
      await makeFolders();
      const path = pathOf(record);
      await createDurably(path, text);
      paths.set(record.localId, path);
    },
    /** Gives the record at a path new content and puts it where its state belongs. */
    async replace(path: string, record: TaskRecord): Promise<void> {
      const text = formatRecord(record);
      const isReopened = isOpen(record) && dirname(path) === folders.closed;
      // Moved first: a crash in between must never leave an open record where nobody looks for one.
      const from = isReopened ? await move(path, record) : path;
      // Of a completed task nothing is lost with its last state: the task says it again.
      await replaceDurably(from, text, 0o600, record.state !== 'completed');
      paths.set(record.localId, from);
      // The new state is on the disk, and readers go by it: a move that fails now, or is lost, is made up for later.
      if (!isOpen(record)) await move(from, record).catch(() => undefined);
    },
    /** Puts a file that is no record out of the way, where nothing is blocked by it; says where it lies now. */
    async putAway(path: string): Promise<string> {
      await makeFolders();
      const to = join(folders.closed, `${basename(path)}.dismissed`);
      await renameBusy(path, to);
      return to;
    },
  };
}
