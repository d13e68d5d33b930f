import { EvolinkError, isEvolinkError } from '../errors.ts';
import { describeFsError, hintForFsError } from './fs-error.ts';

/**
 * A file-system error as the person may read it: `cannot write "/x/y": the disk is full`. An `EvolinkError` passes
 * unchanged. This is where raw errors of the file system end.
 */
export function localIoError(error: unknown, action: string, path: string): EvolinkError {
  if (isEvolinkError(error)) return error;
  return new EvolinkError('local-io', `cannot ${action} "${path}": ${describeFsError(error)}`, {
    hint: hintForFsError(error),
  });
}
