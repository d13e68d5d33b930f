import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { replaceDurably } from '../platform/durable-file.ts';
import { fsErrorCode } from '../platform/fs-error.ts';

const byteCount = z.int().nonnegative();

/** What must be known of a part before a byte of it is believed. */
const partRecordSchema = z.object({
  schemaVersion: z.literal(1),
  taskId: z.string(),
  /** Scheme, host and path of the link: no secret. */
  linkIdentity: z.string(),
  /** What `If-Range` carries; absent when the host gave nothing to recognise the version by. */
  validator: z.string().optional(),
  totalBytes: byteCount.optional(),
  /** So many bytes are on the disk for certain; what lies beyond may be anything. */
  syncedBytes: byteCount,
  /** Of the whole file, once it was found sound: then all that is left is to publish it. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});

export type PartRecord = z.infer<typeof partRecordSchema>;

/** The record of a part; `undefined` when there is none, `unreadable` when it is not one of ours or torn. */
export async function readPartRecord(path: string): Promise<PartRecord | 'unreadable' | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    return fsErrorCode(error) === 'ENOENT' ? undefined : 'unreadable';
  }
  try {
    const parsed = partRecordSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

/**
 * Writes the record; it is on the disk when the promise resolves.
 * @throws EvolinkError `local-io`
 */
export async function writePartRecord(path: string, record: PartRecord): Promise<void> {
  await replaceDurably(path, `${JSON.stringify(record)}\n`);
}
