import { chmod } from 'node:fs/promises';
import { EvolinkError } from '../errors.ts';
import type { TextFile } from '../platform/read-file.ts';

export interface SecretFile {
  readonly path: string;
  /** `key file`, `user config`. */
  readonly label: string;
  readonly owner: TextFile['owner'];
  /** Who runs this process; undefined where the platform has no such number (Windows). */
  readonly userId: number | undefined;
}

/**
 * Sees to it that a file with a secret belongs to us and that nobody else can read it: permissions of our own file are
 * repaired, with a warning. A file of root's, such as a secret that a container mounts, is taken as it is.
 * @returns warnings
 * @throws EvolinkError `auth` when it belongs to another user, who could read or change it at will
 */
export async function guardSecretFile({
  path,
  label,
  owner,
  userId,
}: SecretFile): Promise<readonly string[]> {
  if (owner === undefined || userId === undefined) return [];
  if (owner.userId !== userId) {
    if (owner.userId === 0) return [];
    throw new EvolinkError('auth', `the ${label} "${path}" belongs to another user (uid ${owner.userId})`, {
      hint: 'use a file of your own: copy it, then chmod 600 the copy',
    });
  }
  if ((owner.mode & 0o077) === 0) return [];
  const was = `the ${label} "${path}" could be read by other users (mode ${(owner.mode & 0o777).toString(8).padStart(4, '0')})`;
  try {
    await chmod(path, 0o600);
    return [`${was}; its mode is now 0600`];
  } catch {
    return [`${was}, and its mode could not be changed; run: chmod 600 "${path}"`];
  }
}
