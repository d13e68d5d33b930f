import { EvolinkError, isEvolinkError } from '../errors.ts';
import { describeFsError, fsErrorCode, hintForFsError } from '../platform/fs-error.ts';

/**
 * Runs work in the state folder; a failure of the file system names the folder, the reason and the way out.
 * @throws EvolinkError `local-io`; everything that is no file-system error passes unchanged
 */
export async function inStateFolder<T>(folder: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStateFolderError(folder, error);
  }
}

function toStateFolderError(folder: string, error: unknown): unknown {
  const isOurs = isEvolinkError(error);
  if (isOurs ? error.kind !== 'local-io' : fsErrorCode(error) === undefined) return error;
  const reason = isOurs ? error.message : describeFsError(error);
  const hint = (isOurs ? error.facts.hint : hintForFsError(error)) ?? 'check the folder';
  return new EvolinkError('local-io', `the state folder "${folder}" cannot be used: ${reason}`, {
    hint: `${hint}; or set EVOLINK_STATE_DIR to a folder that can be written`,
  });
}
