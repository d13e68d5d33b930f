import { lstat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { findWritableFolder } from '../platform/writable-folder.ts';

export interface ReportPlacesOptions {
  /** Absolute; relative names start there. */
  readonly baseFolder: string;
  /** Files that the run reads: a report in their place would destroy them. */
  readonly inputs: readonly string[];
}

/**
 * Refuses reports that could not be written where they are asked for, before anything is paid for. Leaves all as it was.
 * @throws EvolinkError `usage`
 */
export async function checkReportPlaces(
  files: readonly string[],
  { baseFolder, inputs }: ReportPlacesOptions,
): Promise<void> {
  const taken = new Set(inputs.map((file) => resolve(baseFolder, file)));
  for (const file of files) {
    const path = resolve(baseFolder, file);
    if (taken.has(path)) throw refused(file, 'it is read by this very command');
    const stats = await lstat(path).catch(() => undefined);
    if (stats?.isDirectory() === true) throw refused(file, 'it is a folder');
    if (stats !== undefined && !stats.isFile() && !stats.isSymbolicLink())
      throw refused(file, 'it is a device or a pipe, not a file');
    try {
      await findWritableFolder(dirname(path), { what: 'the report', hint: HINT });
    } catch (error) {
      throw isEvolinkError(error) ? refused(file, error.message) : error;
    }
  }
}

const HINT = 'name another file, such as: --report report.html';

function refused(file: string, reason: string): EvolinkError {
  return new EvolinkError('usage', `--report "${file}": ${reason}`, { hint: HINT, charged: 'no' });
}
