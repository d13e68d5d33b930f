import { EvolinkError } from '../errors.ts';
import { localIoError } from '../platform/local-io-error.ts';
import type { TaskRecord } from './record.ts';
import { placeOf, type RecordStore } from './record-store.ts';

/**
 * Finds the open record of an identity, the newest if there are several. An identity is written once, so that of a file
 * which was read before is remembered: a run of thousands of jobs lists the folder for each, and reads what is new. What
 * is returned is always read anew, as other processes work in the same folder.
 */
export function createOpenFinder(
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
