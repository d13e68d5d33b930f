import { EvolinkError } from '../errors.ts';
import { LOCAL_ID } from './new-local-id.ts';
import type { TaskRecord } from './record.ts';
import { fileNameOf, type Place, type RecordStore } from './record-store.ts';

/** Shorter than this a part of an id is a typing error rather than a name. */
const MIN_PART_LENGTH = 4;
const MAX_CANDIDATES = 10;

/** Looks up records by an id that a person typed. */
export interface RecordFinder {
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
export function createRecordFinder(store: RecordStore): RecordFinder {
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
