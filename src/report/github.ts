import { randomUUID } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Context } from '../platform/context.ts';
import { isInside, relativePath } from '../platform/folders.ts';
import { describeFsError } from '../platform/fs-error.ts';
import { sanitizeServerText } from '../platform/text.ts';
import { formatCredits } from '../ui/format.ts';
import { isTrouble, reasonLines } from './facts.ts';
import { formatMarkdownReport } from './markdown.ts';
import type { JobReport, RunReport } from './run-report.ts';
import { stateWord } from './states.ts';

/** GitHub keeps ten annotations of a kind for a step and drops the others without a word; the last one counts them. */
const MAX_OF_A_KIND = 10;
/** Runners refuse a larger summary as a whole: 1 MiB on github.com, 128 KiB on older servers. Half of it is left to other writers. */
const MAX_SUMMARY_BYTES = 64 * 1024;

/**
 * Workflow commands that show failures and warnings on the lines of the job files, one a line, for a stream of a GitHub
 * job; empty where there is nothing to say. Escaped as the runner unescapes (actions/runner, `ActionCommand.cs`). Pure.
 * @param workspace `$GITHUB_WORKSPACE`: GitHub knows files by their path from there
 */
export function formatAnnotations(report: RunReport, cwd: string, workspace?: string): string {
  const lines = { error: [] as string[], warning: [] as string[] };
  const add = (kind: keyof typeof lines, title: string, message: string, job?: JobReport): void => {
    const text = sanitizeServerText(message, { maxLength: 2000, multiline: true });
    const place = job === undefined ? '' : placeOf(job);
    lines[kind].push(`::${kind} ${place}title=${escapeProperty(title.slice(0, 200))}::${escapeData(text)}\n`);
  };
  const placeOf = ({ file, line, column }: JobReport): string => {
    const path = resolve(cwd, file);
    const name = workspace && isInside(workspace, path) ? relativePath(workspace, path) : file;
    return `file=${escapeProperty(name ?? file)},line=${line},col=${column},`;
  };
  if (report.error !== null) add('error', 'evolink', reasonLines(report).join('\n'));
  for (const message of report.warnings) add('warning', 'evolink', message);
  for (const job of report.jobs) {
    const word = stateWord(job.state);
    if (isTrouble(job)) add('error', `${job.name}: ${word}`, reasonLines(job).join('\n') || word, job);
    for (const message of job.warnings) add('warning', job.name, message, job);
  }
  return Object.entries(lines)
    .flatMap(([kind, all]) => {
      const left = all.length - MAX_OF_A_KIND + 1;
      const rest = `::${kind} title=evolink::${left} more ${kind}s: see the job summary and the reports\n`;
      return left > 1 ? [...all.slice(0, MAX_OF_A_KIND - 1), rest] : all;
    })
    .join('');
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(sanitizeServerText(text)).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/**
 * Publishes a run to GitHub Actions: job summary, outputs of the step, annotations. Does nothing elsewhere. Never throws.
 * @returns workflow commands for stderr (the runner reads both streams), and why summary or outputs could not be written
 */
export async function publishToGithub(
  report: RunReport,
  reportFiles: readonly string[],
  { env, cwd, secrets }: Pick<Context, 'env' | 'cwd' | 'secrets'>,
) {
  if (env.GITHUB_ACTIONS !== 'true') return { annotations: '', warnings: [] };
  const summary = formatMarkdownReport(report, { maxBytes: MAX_SUMMARY_BYTES });
  const { totals, credits, jobs } = report;
  const outputs = {
    saved: totals.saved,
    'up-to-date': totals.up_to_date,
    submitted: totals.running,
    failed: jobs.filter(isTrouble).length,
    skipped: totals.not_sent,
    credits: credits.used === null ? '' : formatCredits(credits.used),
    reports: reportFiles.join('\n'),
  };
  // Random, so that no value can hold it.
  const end = `evolink_${randomUUID()}`;
  const assignments = Object.entries(outputs).map(([name, value]) => `${name}<<${end}\n${value}\n${end}\n`);
  const warnings: string[] = [];
  for (const [path, text] of [
    [env.GITHUB_STEP_SUMMARY, `${summary}\n`],
    [env.GITHUB_OUTPUT, assignments.join('')],
  ])
    if (path)
      await appendFile(path, secrets.mask(text ?? '')).catch((error: unknown) => {
        warnings.push(`cannot append to "${path}": ${describeFsError(error)}`);
      });
  return { annotations: formatAnnotations(report, cwd, env.GITHUB_WORKSPACE), warnings };
}
