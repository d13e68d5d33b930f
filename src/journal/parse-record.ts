import type { TaskRecord } from './record.ts';
import { describeMisfit, isTaskRecord } from './record-guard.ts';

/** The version of the record's form that this program writes. It changes only when an older program would misread it. */
export const SCHEMA_VERSION = 1;

export type ParsedRecord =
  | { readonly kind: 'record'; readonly record: TaskRecord }
  /** Not one of ours, or not whole; `reason` is a phrase for people. */
  | { readonly kind: 'stranger'; readonly reason: string };

/** Reads the text of a record's file. Fields that this version does not know are kept in the object. Pure. */
export function parseRecord(text: string): ParsedRecord {
  const data = parseJson(text);
  if (data === undefined) return { kind: 'stranger', reason: 'not whole, or not JSON' };
  if (isTaskRecord(data)) return { kind: 'record', record: data };
  const version =
    typeof data === 'object' && data !== null && 'schemaVersion' in data ? data.schemaVersion : undefined;
  if (typeof version === 'number' && version > SCHEMA_VERSION) {
    return { kind: 'stranger', reason: `written by a newer evolink (schema version ${version})` };
  }
  return { kind: 'stranger', reason: describeMisfit(data) };
}

/** The text of a record's file. */
export function formatRecord(record: TaskRecord): string {
  return `${JSON.stringify(record, null, 1)}\n`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
