import { isUtf8 } from 'node:buffer';
import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  type Stats,
} from 'node:fs';
import { chmod } from 'node:fs/promises';
import { EvolinkError } from '../errors.ts';
import { describeFsError, FileRefusal, fsErrorCode } from './fs-error.ts';

/** Opening a pipe that nobody writes into would wait for ever. Windows has no such pipes, and no such flag. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Opens a regular file. Whatever else has the name (a pipe, a device, a socket, a folder) could be read for ever. Synchronous:
 * for thousands of small files that is several times faster, and the first call of the other kind starts the thread pool,
 * which takes milliseconds.
 * @throws the system's error, or `FileRefusal`; then nothing stays open
 */
export function openRegular(path: string): { readonly descriptor: number; readonly stats: Stats } {
  const descriptor = openSync(path, OPEN_FLAGS);
  const stats = fstatSync(descriptor);
  if (stats.isFile()) return { descriptor, stats };
  closeSync(descriptor);
  throw new FileRefusal(
    stats.isDirectory() ? 'it is a folder' : 'it is not a regular file (a pipe or a device)',
  );
}

/** The same for a file that is given to `use` and closed after it. */
export function withRegularFile<T>(path: string, use: (descriptor: number, stats: Stats) => T): T {
  const { descriptor, stats } = openRegular(path);
  try {
    return use(descriptor, stats);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The bytes of a small regular file.
 * @param userId whose it must be; absent = anybody's
 * @throws the system's error, or `FileRefusal` where it is none, is larger, or is somebody else's
 */
export function readSmallFile(path: string, maxBytes: number, userId?: number): Buffer {
  return withRegularFile(path, (descriptor, { uid, size }) => {
    if (userId !== undefined && uid !== userId)
      throw new FileRefusal(`it belongs to another user (uid ${uid})`, uid);
    requireSize(size, maxBytes);
    return readFileSync(descriptor);
  });
}

/**
 * Reads a whole text file: regular, bounded, strict UTF-8 (a byte order mark is left out).
 * @param options `label`: what the file is, for messages (`config file`); `refusesLinks`: symbolic links are not followed;
 * `allowsShellPipe`: takes a pipe of the shell (`<(…)`, `/dev/fd/63`) and `/dev/null`, only where a person names the file,
 * never for what a file names; `errorKind`: what an unusable file means
 * @returns with owner and permission bits of the file that was read; absent for a pipe
 * @throws EvolinkError `usage` (or as asked): missing, unreadable, not a regular file, a refused link, too large, not UTF-8
 */
export async function readTextFile(
  path: string,
  options: {
    readonly label: string;
    readonly maxBytes: number;
    readonly refusesLinks?: boolean | undefined;
    readonly allowsShellPipe?: boolean | undefined;
    readonly errorKind?: 'usage' | 'auth' | undefined;
  },
) {
  const { label, maxBytes, refusesLinks, allowsShellPipe, errorKind = 'usage' } = options;
  const isPipe = allowsShellPipe === true && /^\/(?:dev\/null|(?:dev|proc\/self)\/fd\/\d+)$/.test(path);
  try {
    const isSymbolicLink = !isPipe && lstatSync(path).isSymbolicLink();
    if (refusesLinks === true && isSymbolicLink) throw new FileRefusal('it is a symbolic link');
    const { bytes, owner } = isPipe
      ? { bytes: await readPipe(path, maxBytes), owner: undefined }
      : withRegularFile(path, (descriptor, { uid, mode, size }) => {
          requireSize(size, maxBytes);
          return { bytes: readFileSync(descriptor), owner: { userId: uid, mode: mode & 0o7777 } };
        });
    // A file can have grown.
    requireSize(bytes.length, maxBytes);
    // No UTF-8 sequence holds the byte of a line feed, so lines can be checked one by one.
    const lines = isUtf8(bytes) ? [] : bytes.toString('latin1').split('\n');
    const broken = lines.findIndex((line) => !isUtf8(Buffer.from(line, 'latin1')));
    if (broken >= 0) throw new FileRefusal(`line ${broken + 1} is not valid UTF-8`);
    return { text: new TextDecoder().decode(bytes), isSymbolicLink, owner };
  } catch (error) {
    const reason = fsErrorCode(error) === 'ENOENT' ? 'there is no such file' : describeFsError(error);
    throw new EvolinkError(errorKind, `cannot read the ${label} "${path}": ${reason}`, { charged: 'no' });
  }
}

function requireSize(sizeBytes: number, maxBytes: number): void {
  const size = maxBytes >= 1_000_000 ? `${maxBytes / 1_000_000} MB` : `${maxBytes / 1000} kB`;
  if (sizeBytes > maxBytes) throw new FileRefusal(`it is larger than ${size}`);
}

/** Counts while it reads, as the size of a pipe is not known; waits without holding up signals. */
async function readPipe(path: string, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    requireSize(sizeBytes, maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * Sees to it that a file with a secret belongs to us and that nobody else can read it: permissions of our own file are
 * repaired, with a warning. A file of root's, such as a secret that a container mounts, is taken as it is.
 * @param label `key file`, `user config`
 * @param userId who runs this process; undefined where the platform has no such number (Windows)
 * @returns warnings
 * @throws EvolinkError `auth` when it belongs to another user, who could read or change it at will
 */
export async function guardSecretFile(
  path: string,
  label: string,
  owner: Awaited<ReturnType<typeof readTextFile>>['owner'],
  userId: number | undefined,
): Promise<readonly string[]> {
  if (owner === undefined || userId === undefined) return [];
  if (owner.userId !== userId) {
    if (owner.userId === 0) return [];
    throw new EvolinkError('auth', `the ${label} "${path}" belongs to another user (uid ${owner.userId})`, {
      hint: 'use a file of your own: copy it, then chmod 600 the copy',
    });
  }
  if ((owner.mode & 0o077) === 0) return [];
  const mode = (owner.mode & 0o777).toString(8).padStart(4, '0');
  const was = `the ${label} "${path}" could be read by other users (mode ${mode})`;
  return chmod(path, 0o600).then(
    () => [`${was}; its mode is now 0600`],
    () => [`${was}, and its mode could not be changed; run: chmod 600 "${path}"`],
  );
}
