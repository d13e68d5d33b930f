import { extname, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';

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
