import { EvolinkError, isEvolinkError } from '../errors.ts';

const FREE = 'free some space, then run the command again';
const OWNER = 'check the owner and the mode of the folder, or choose another one';

/** What the codes of the system mean, and what a person can do about it. */
const MEANINGS: Readonly<Record<string, readonly [words: string, hint?: string]>> = {
  ENOSPC: ['the disk is full', FREE],
  EDQUOT: ['the disk quota is used up', FREE],
  EROFS: ['the file system is read-only', 'choose a folder that can be written'],
  EACCES: ['permission denied', OWNER],
  EPERM: ['the operation is not permitted', OWNER],
  ENAMETOOLONG: ['the name is too long for the file system', 'choose a shorter name'],
  EMFILE: ['too many files are open in this process', 'raise the limit, for example: ulimit -n 4096'],
  EEXIST: ['it exists already'],
  ENOENT: ['there is no such file or folder'],
  ENOTDIR: ['a part of the path is a file, not a folder'],
  EISDIR: ['it is a folder'],
  ENOTEMPTY: ['the folder is not empty'],
  ELOOP: ['it is a symbolic link, or links lead in a circle'],
  EBUSY: ['it is in use by another program'],
  EIO: ['the device reported an input/output error'],
};

/** Why we refuse to read a file that the system would read, in the form of the system's errors. */
export class FileRefusal extends Error {
  override readonly name = 'FileRefusal';
  readonly code = 'EREFUSED';
  /** The user whose file it is, where that is the reason. */
  readonly ownerId: number | undefined;

  /** @param reason completes "cannot read …: " */
  constructor(reason: string, ownerId?: number) {
    super(reason);
    this.ownerId = ownerId;
  }
}

/** The code of a system error (`ENOSPC`), or undefined for any other value. */
export function fsErrorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Says in plain words what a file-system error means: `the disk is full`. Never the system's own message, which
 * repeats the call and the path.
 */
export function describeFsError(error: unknown): string {
  if (error instanceof FileRefusal) return error.message;
  const code = fsErrorCode(error);
  if (code === undefined) return 'an unexpected error';
  return MEANINGS[code]?.[0] ?? `the system answered ${code}`;
}

/** What a person can do about a file-system error, where that is known. */
export function hintForFsError(error: unknown): string | undefined {
  return MEANINGS[fsErrorCode(error) ?? '']?.[1];
}

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
