import type { RunReport } from '../jobs/run-report.ts';
import type { Context } from './context.ts';

/**
 * Writes the reports that were asked for, and tells GitHub Actions of the run where it runs there.
 * @throws EvolinkError `local-io` naming the reports that could not be written
 */
export async function publishRun(
  context: Context,
  report: RunReport,
  files: readonly string[],
): Promise<void> {
  const { env, cwd, clock, io, secrets } = context;
  const mask = (text: string): string => secrets.mask(text);
  if (env.GITHUB_ACTIONS === 'true') {
    const { publishToGithub } = await import('../report/publish-to-github.ts');
    const { annotations, warnings } = await publishToGithub(report, { env, cwd, reportFiles: files, mask });
    await io.stderr.write(`${annotations}${warnings.map((warning) => `warning: ${warning}\n`).join('')}`);
  }
  if (files.length === 0) return;
  const { writeReports } = await import('../report/write-reports.ts');
  await writeReports(files, report, { baseFolder: cwd, nowMs: clock.now(), mask });
}
