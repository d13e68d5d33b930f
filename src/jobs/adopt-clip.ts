import { constants } from 'node:fs';
import { copyFile, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hashFile } from '../download/hash-file.ts';
import { localIoError } from '../platform/local-io-error.ts';
import { makeFolder } from '../platform/make-folder.ts';
import { publishFile } from '../platform/publish-file.ts';

/**
 * Copies a clip and the record beside it to another name; the old file stays, as another job file may name it. The new
 * name appears whole, record first, so that a stop in between is made up for by the next run.
 * @throws EvolinkError `local-io`
 */
export async function adoptClip(from: string, to: string): Promise<void> {
  try {
    await makeFolder(dirname(to));
    await copyWhole(`${from}.json`, `${to}.json`, true);
    await copyWhole(from, to, false);
  } catch (error) {
    throw localIoError(error, 'copy the clip to', to).with({ charged: 'no' });
  }
}

async function copyWhole(from: string, to: string, canReplace: boolean): Promise<void> {
  const part = join(dirname(to), `.${basename(to).slice(0, 100)}.copy`);
  await unlink(part).catch(() => undefined);
  await copyFile(from, part, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const isPublished = async (path: string): Promise<boolean> =>
    (await hashFile(path)) === (await hashFile(part));
  try {
    await publishFile({ part, target: to, canReplace, isPublished });
  } finally {
    await unlink(part).catch(() => undefined);
  }
}
