import { lstat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import { findWritableFolder, makeFolder } from '../platform/folders.ts';
import { localIoError } from '../platform/fs-error.ts';
import { formatHtmlReport } from './gallery.ts';
import { formatJunitReport } from './junit.ts';
import { formatMarkdownReport } from './markdown.ts';
import { formatJsonReport, type RunReport } from './run-report.ts';

/** From a run to the text of each format, by the ending of the file: links to clips start at its folder. */
const WRITERS: Readonly<Record<string, typeof formatHtmlReport>> = {
  '.json': formatJsonReport,
  '.xml': formatJunitReport,
  '.md': formatMarkdownReport,
  '.html': formatHtmlReport,
};

const writerOf = (file: string) => WRITERS[extname(file).toLowerCase()];
const HINT = 'name a .json, .xml (JUnit), .md or .html file, such as: --report report.html';

/**
 * Refuses reports that could not be written as asked, before anything is paid for. Leaves all as it was.
 * @param inputs files that the command reads: a report in their place would destroy them
 * @throws EvolinkError `usage`
 */
export async function checkReports(
  files: readonly string[],
  cwd: string,
  inputs: readonly string[] = [],
): Promise<void> {
  const taken = new Map(inputs.map((file) => [resolve(cwd, file), 'it is read by this very command']));
  for (const file of files) {
    const refused = (reason: string) =>
      new EvolinkError('usage', `--report "${file}": ${reason}`, { hint: HINT });
    if (writerOf(file) === undefined) throw refused('the ending names no report format');
    const path = resolve(cwd, file);
    const stats = await lstat(path).catch(() => undefined);
    const isOther = stats !== undefined && !stats.isFile() && !stats.isSymbolicLink();
    const other = stats?.isDirectory() === true ? 'it is a folder' : 'it is a device or a pipe, not a file';
    const reason = taken.get(path) ?? (isOther ? other : undefined);
    if (reason !== undefined) throw refused(reason);
    taken.set(path, 'the file is named twice');
    await findWritableFolder(dirname(path), { what: 'the report', hint: HINT }).catch((error: unknown) => {
      throw isEvolinkError(error) ? refused(error.message) : error;
    });
  }
}

/**
 * Writes the reports of a run, each whole or not at all, in the format that its ending names; missing folders are made.
 * One that fails does not keep the others from being written.
 * @param files as `checkReports` has found them good
 * @throws EvolinkError `local-io` naming every file that could not be written
 */
export async function writeReports(
  files: readonly string[],
  report: RunReport,
  { cwd, clock, secrets }: Pick<Context, 'cwd' | 'clock' | 'secrets'>,
): Promise<void> {
  const failures: EvolinkError[] = [];
  for (const file of files) {
    const path = resolve(cwd, file);
    const folder = dirname(path);
    try {
      const text = secrets.mask(writerOf(file)?.(report, { folder, nowMs: clock.now() }) ?? '');
      // With the usual permissions: reports are made to be read by others.
      await makeFolder(folder).catch((error: unknown) => {
        throw localIoError(error, 'make the folder', folder);
      });
      await replaceDurably(path, text, 0o644);
    } catch (error) {
      if (!isEvolinkError(error)) throw error;
      failures.push(error);
    }
  }
  const [first, ...others] = failures;
  if (first !== undefined) throw first.with({ details: others.map(({ message }) => message) });
}
