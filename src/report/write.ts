import { lstat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import { findWritableFolder, makeFolder } from '../platform/folders.ts';
import { localIoError } from '../platform/fs-error.ts';
import { formatJsonReport } from './document.ts';
import { formatHtmlReport } from './gallery.ts';
import { formatJunitReport } from './junit.ts';
import { formatMarkdownReport } from './markdown.ts';
import type { ReportPlace, RunReport } from './run-report.ts';

const FORMATS = { '.json': 'json', '.xml': 'junit', '.md': 'markdown', '.html': 'html' } as const;
type ReportFormat = (typeof FORMATS)[keyof typeof FORMATS];

/** What is written into a file of this name; undefined for an ending that stands for no format. */
function reportFormatOf(file: string): ReportFormat | undefined {
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

/** The way from a run to the text of each format. A new format is a new row. */
const WRITERS: Readonly<Record<ReportFormat, (report: RunReport, place: ReportPlace) => string>> = {
  json: formatJsonReport,
  junit: formatJunitReport,
  markdown: formatMarkdownReport,
  html: formatHtmlReport,
};

export interface WriteReportsOptions {
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
    try {
      const folder = dirname(path);
      const text = mask(writerOf(file)(report, { folder, nowMs }));
      await makeReportFolder(folder);
      await replaceDurably(path, text, 0o644);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw joinFailures(failures);
}

/** With the usual permissions: reports are made to be read by others. */
async function makeReportFolder(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
  } catch (error) {
    throw localIoError(error, 'make the folder', folder);
  }
}

function writerOf(file: string): (report: RunReport, place: ReportPlace) => string {
  return WRITERS[reportFormatOf(file) ?? 'json'];
}

/** The first failure speaks; the others are told below it. */
function joinFailures([first, ...others]: readonly unknown[]): unknown {
  if (!(first instanceof EvolinkError)) return first;
  const more = others.map((error) => (error instanceof Error ? error.message : 'an unexpected error'));
  return first.with({ details: more });
}
