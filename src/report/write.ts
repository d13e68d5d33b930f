import { lstat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import { findWritableFolder, makeFolder } from '../platform/folders.ts';
import { localIoError } from '../platform/fs-error.ts';
import { formatHtmlReport } from './gallery.ts';
import { formatJunitReport } from './junit.ts';
import { formatMarkdownReport } from './markdown.ts';
import { formatJsonReport, type RunReport } from './run-report.ts';

interface ReportPlace {
  /** Absolute path of the folder that the report stands in: links to clips start there. */
  readonly folder: string;
  /** Time of writing, ms since the epoch. */
  readonly nowMs: number;
}

/** From a run to the text of each format, by the ending of the file. A new format is a new row. */
const WRITERS: Readonly<Record<string, (report: RunReport, place: ReportPlace) => string>> = {
  '.json': formatJsonReport,
  '.xml': formatJunitReport,
  '.md': formatMarkdownReport,
  '.html': formatHtmlReport,
};

function writerOf(file: string) {
  return WRITERS[extname(file).toLowerCase()];
}

const HINT = 'name another file, such as: --report report.html';

function refused(file: string, reason: string, hint = HINT): EvolinkError {
  return new EvolinkError('usage', `--report "${file}": ${reason}`, { hint });
}

/**
 * Refuses report files that could not be written as asked, before anything is paid for.
 * @param baseFolder absolute; relative names start there
 * @throws EvolinkError `usage`: an unknown ending, or one file named twice
 */
export function checkReportFiles(files: readonly string[], baseFolder = '/'): void {
  const unknown = files.find((file) => writerOf(file) === undefined);
  if (unknown !== undefined) {
    const hint = 'use .json, .xml (JUnit), .md or .html, such as: --report report.html';
    throw refused(unknown, 'the ending names no report format', hint);
  }
  const paths = files.map((file) => resolve(baseFolder, file));
  const twice = files.find((_file, index) => paths.indexOf(paths[index] ?? '') !== index);
  if (twice !== undefined) throw refused(twice, 'the file is named twice', 'name each report file once');
}

/**
 * Refuses reports that could not be written where they are asked for, before anything is paid for. Leaves all as it was.
 * @param inputs files that the run reads: a report in their place would destroy them
 * @throws EvolinkError `usage`
 */
export async function checkReportPlaces(
  files: readonly string[],
  { baseFolder, inputs }: { readonly baseFolder: string; readonly inputs: readonly string[] },
): Promise<void> {
  const read = new Set(inputs.map((file) => resolve(baseFolder, file)));
  for (const file of files) {
    const path = resolve(baseFolder, file);
    if (read.has(path)) throw refused(file, 'it is read by this very command');
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

interface WriteReportsOptions {
  /** Absolute; relative names of files start there. */
  readonly baseFolder: string;
  /** Time of writing, ms since the epoch. */
  readonly nowMs: number;
  /** Hides secrets, as the streams do. */
  readonly mask?: ((text: string) => string) | undefined;
}

/**
 * Writes the reports of a run, each whole or not at all, in the format that its ending names; missing folders are made.
 * One that fails does not keep the others from being written.
 * @throws EvolinkError `usage` as `checkReportFiles`, `local-io` naming every file that could not be written
 */
export async function writeReports(
  files: readonly string[],
  report: RunReport,
  { baseFolder, nowMs, mask = (text) => text }: WriteReportsOptions,
): Promise<void> {
  checkReportFiles(files, baseFolder);
  const failures: unknown[] = [];
  for (const file of files) {
    const path = resolve(baseFolder, file);
    const folder = dirname(path);
    try {
      const text = mask(writerOf(file)?.(report, { folder, nowMs }) ?? '');
      // With the usual permissions: reports are made to be read by others.
      await makeFolder(folder).catch((error: unknown) => {
        throw localIoError(error, 'make the folder', folder);
      });
      await replaceDurably(path, text, 0o644);
    } catch (error) {
      failures.push(error);
    }
  }
  const [first, ...others] = failures;
  if (first === undefined) return;
  if (!isEvolinkError(first)) throw first;
  throw first.with({
    details: others.map((error) => (error instanceof Error ? error.message : 'an unexpected error')),
  });
}
