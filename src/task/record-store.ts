import { readdirSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { createDurably, renameBusy, replaceDurably, syncFolder } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { describeFsError, FileRefusal, fsErrorCode } from '../platform/fs-error.ts';
import { readSmallFileSync } from '../platform/read-file.ts';
import {
  CLOSED_STATES,
  describeMisfit,
  formatRecord,
  isTaskRecord,
  LOCAL_ID,
  type ParsedRecord,
  parseRecord,
  type TaskRecord,
} from './record.ts';

export type Place = 'open' | 'closed';
type StoredRecord = ParsedRecord & {
  readonly path: string;
  /** What the file holds that is no record. */
  readonly text?: string;
  /** Why a file that is there could not be read: what it holds is not known. */
  readonly readError?: unknown;
};

/** Records as files: `tasks/open/<localId>.json` and `tasks/closed/<localId>.json`. */
export interface RecordStore {
  folderOf(place: Place): string;
  /** The file names of a folder, hidden ones left out, sorted, which is by time; none where there is no folder yet. */
  list(place: Place): readonly string[];
  /** The record of a file name, wherever it is, looked for in `place` first; undefined where there is none. */
  read(name: string, place?: Place): StoredRecord | undefined;
  create(record: TaskRecord): Promise<void>;
  /** Gives an existing record new content and puts it where its state belongs. */
  replace(record: TaskRecord): Promise<void>;
  /** Puts a record where its state belongs, if it is elsewhere. */
  tidy(name: string): Promise<void>;
  remove(place: Place, name: string): Promise<void>;
}

/** Where a record belongs. */
export function placeOf({ state }: TaskRecord): Place {
  return CLOSED_STATES.includes(state) ? 'closed' : 'open';
}

/** The file name of a record. */
export function fileNameOf(localId: string): string {
  return `${localId}.json`;
}

/** Reads are synchronous: for thousands of small files that is several times faster, and nothing else runs yet. */
export function createRecordStore(stateFolder: string): RecordStore {
  const folders = { open: join(stateFolder, 'tasks', 'open'), closed: join(stateFolder, 'tasks', 'closed') };
  let areFoldersMade = false;

  async function makeFolders(): Promise<void> {
    if (areFoldersMade) return;
    await ensureFolder(folders.open);
    await ensureFolder(folders.closed);
    areFoldersMade = true;
  }

  function locate(name: string, first: Place = 'open'): { place: Place; text: string } | undefined {
    const second: Place = first === 'open' ? 'closed' : 'open';
    // A third look, as another process may move the record from the second place to the first between two looks.
    for (const place of [first, second, first]) {
      const text = readOptional(join(folders[place], name));
      if (text !== undefined) return { place, text };
    }
    return undefined;
  }

  async function tidy(name: string): Promise<void> {
    // Again after a move: another process may have changed the state in between.
    for (let round = 0; round < 3; round += 1) {
      const found = locate(name);
      const parsed = found && parseRecord(found.text);
      if (found === undefined || parsed?.kind !== 'record' || placeOf(parsed.record) === found.place) return;
      await move(name, found.place, placeOf(parsed.record));
    }
  }

  async function move(name: string, from: Place, to: Place): Promise<void> {
    await renameBusy(join(folders[from], name), join(folders[to], name));
    await syncFolder(folders[to]);
    await syncFolder(folders[from]);
  }

  return {
    folderOf: (place) => folders[place],
    list: (place) => listNames(folders[place]),
    read(name, place = 'open') {
      const path = join(folders[place], name);
      try {
        const found = locate(name, place);
        if (found === undefined) return undefined;
        const parsed = parseRecord(found.text);
        const isMisnamed = parsed.kind === 'record' && fileNameOf(parsed.record.localId) !== name;
        const checked: ParsedRecord = isMisnamed
          ? { kind: 'stranger', reason: 'its name is not its id' }
          : parsed;
        const content = checked.kind === 'stranger' ? { text: found.text } : {};
        return { ...checked, ...content, path: join(folders[found.place], name) };
      } catch (error) {
        return { kind: 'stranger', reason: describeFsError(error), path, readError: error };
      }
    },
    async create(record) {
      const text = formatChecked(record);
      await makeFolders();
      await createDurably(join(folders[placeOf(record)], fileNameOf(record.localId)), text);
    },
    async replace(record) {
      const name = fileNameOf(record.localId);
      const target = placeOf(record);
      const place = locate(name)?.place ?? target;
      if (target === 'open') {
        // Moved first: a crash in between must never leave an open record where nobody looks for one.
        if (place === 'closed') await move(name, 'closed', 'open');
        return replaceDurably(join(folders.open, name), formatChecked(record));
      }
      await replaceDurably(join(folders[place], name), formatChecked(record));
      // The new state is on the disk, and readers go by it: a move that fails now is made up for later.
      if (place === 'open') await tidy(name).catch(() => undefined);
    },
    tidy,
    remove: (place, name) => unlink(join(folders[place], name)),
  };
}

/** A record that could not be read again must never be written. */
function formatChecked(record: TaskRecord): string {
  const text = formatRecord(record);
  const written: unknown = JSON.parse(text);
  if (isTaskRecord(written) && LOCAL_ID.test(record.localId)) return text;
  throw new EvolinkError(
    'internal',
    `record ${record.localId} cannot be written: ${describeMisfit(written)}`,
  );
}

function listNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch (error) {
    if (fsErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** A record with the longest prompt has some 100 kB. */
const MAX_RECORD_BYTES = 10_000_000;

function readOptional(path: string): string | undefined {
  try {
    return readSmallFileSync(path, MAX_RECORD_BYTES).toString('utf8');
  } catch (error) {
    if (fsErrorCode(error) === 'ENOENT') return undefined;
    // Something else has the name of a record: as good as a torn one.
    if (error instanceof FileRefusal && error.code !== 'EISDIR') return '';
    throw error;
  }
}

/**
 * Writes a record to `evolink-task-<id>.json` in the working directory: the way out when the service has taken a task
 * and the state folder fails. Returns the path, or undefined when that fails too. Never throws.
 */
export async function saveFallback(record: TaskRecord, cwd: string): Promise<string | undefined> {
  const id = (record.taskId ?? record.localId).replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64);
  const path = join(cwd, `evolink-task-${id}.json`);
  try {
    await replaceDurably(path, formatRecord(record));
    return path;
  } catch {
    return undefined;
  }
}
