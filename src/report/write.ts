import { dirname, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import { makeFolder } from '../platform/folders.ts';
import { localIoError } from '../platform/fs-error.ts';
import { checkReportFiles, type ReportFormat, reportFormatOf } from './check-files.ts';
import { formatHtmlReport } from './gallery.ts';
import { formatJsonReport } from './json.ts';
import { formatJunitReport } from './junit.ts';
import { formatMarkdownReport } from './markdown.ts';
import type { RunReport } from './run-report.ts';
import type { ReportPlace } from './words.ts';

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
