import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { cutToBytes, MAX_NAME_BYTES } from './file-name.ts';

const PART_SUFFIX = '.part';
const RECORD_SUFFIX = '.json';
const HASH_LENGTH = 8;

/** What the decoration of a part and its record adds to the final name: `.` … `.1a2b3c4d.part.json`. */
export const PART_DECORATION_BYTES = 1 + 1 + HASH_LENGTH + PART_SUFFIX.length + RECORD_SUFFIX.length;

export interface PartPaths {
  readonly part: string;
  readonly record: string;
}

/** What makes a link the same link although its signature is new: scheme, host and path, without query and fragment. */
export function linkIdentity(link: string): string {
  // Not a URL at all: opening it will say so in better words.
  if (!URL.canParse(link)) return link.replace(/[?#].*$/s, '');
  const { protocol, host, pathname } = new URL(link);
  return `${protocol}//${host}${pathname}`;
}

/**
 * Where the unfinished download of a target lies: in the target's own folder (publishing must not cross file systems),
 * named after the target, the task and the link, so that no other task's bytes can ever be taken for these.
 */
export function partPaths(
  target: string,
  source: { readonly taskId: string; readonly link: string },
): PartPaths {
  const identity = `${source.taskId}\n${linkIdentity(source.link)}`;
  const hash = createHash('sha256').update(identity).digest('hex').slice(0, HASH_LENGTH);
  const shortName = cutToBytes(basename(target), MAX_NAME_BYTES - PART_DECORATION_BYTES);
  const part = join(dirname(target), `.${shortName}.${hash}${PART_SUFFIX}`);
  return { part, record: `${part}${RECORD_SUFFIX}` };
}
