import { stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { fsErrorCode } from './fs-error.ts';
import { localIoError } from './local-io-error.ts';
import { openTempBeside } from './temp-file.ts';

export interface FolderNeed {
  /** What is to be written, as in `the output`. */
  readonly what: string;
  readonly hint: string;
}

/**
 * The nearest folder that exists: this one or one above. What is missing below it can be made, as it can be written to.
 * Leaves all as it was.
 * @throws EvolinkError `local-io`; nothing was charged then
 */
export async function findWritableFolder(folder: string, need: FolderNeed): Promise<string> {
  const { what, hint } = need;
  const refuse = (error: unknown): EvolinkError =>
    localIoError(error, `write to the folder of ${what}`, folder).with({ charged: 'no', hint });
  const stats = await stat(folder).catch((error: unknown) => {
    if (fsErrorCode(error) === 'ENOENT' || fsErrorCode(error) === 'ENOTDIR') return undefined;
    throw refuse(error);
  });
  if (stats === undefined) return findWritableFolder(dirname(folder), need);
  if (!stats.isDirectory()) {
    throw new EvolinkError('local-io', `"${folder}" is a file, so it can't hold ${what}`, {
      hint,
      charged: 'no',
    });
  }
  await tryFolder(folder).catch((error: unknown) => {
    throw refuse(error);
  });
  return folder;
}

/** Only a file that was made there proves it: access(2) knows nothing of Windows' access lists, nor of what root can't do. */
async function tryFolder(folder: string): Promise<void> {
  const { path, handle } = await openTempBeside(join(folder, 'any'), '', { mode: 0o600, isDurable: false });
  await handle.close();
  await unlink(path);
}
