import { lstat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { findWritableFolder } from '../platform/folders.ts';

const FORMATS = { '.json': 'json', '.xml': 'junit', '.md': 'markdown', '.html': 'html' } as const;
export type ReportFormat = (typeof FORMATS)[keyof typeof FORMATS];

/** What is written into a file of this name; undefined for an ending that stands for no format. */
export function reportFormatOf(file: string): ReportFormat | undefined {
  const extension = extname(file).toLowerCase();
  return Object.entries(FORMATS).find(([known]) => known === extension)?.[1];
}

/**
 * Refuses report files that could not be written as asked, before anything is paid for.
 * @param baseFolder absolute; relative names start there
 * @throws EvolinkError `usage`: an unknown ending, or one file named twice
 */
export function checkReportFiles(files: readonly string[], baseFolder = '/'): void {
  const unknown = files.filter((file) => reportFormatOf(file) === undefined);
  if (unknown.length > 0) {
    throw new EvolinkError('usage', `--report "${unknown[0]}": the ending names no report format`, {
      details: unknown.slice(1).map((file) => `"${file}" neither`),
      hint: 'use .json, .xml (JUnit), .md or .html, such as: --report report.html',
      charged: 'no',
    });
  }
  const paths = files.map((file) => resolve(baseFolder, file));
  const twice = files.find((_file, index) => paths.indexOf(paths[index] ?? '') !== index);
  if (twice === undefined) return;
  throw new EvolinkError('usage', `--report "${twice}": the file is named twice`, {
    hint: 'name each report file once',
    charged: 'no',
  });
}

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
