import { randomUUID } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { describeFsError } from '../platform/fs-error.ts';
import { sanitizeServerText } from '../platform/text.ts';
import { formatCredits } from '../ui/format.ts';
import { isTrouble, reasonLines } from './facts.ts';
import { formatMarkdownReport } from './markdown.ts';
import { type JobReport, type RunReport, relativePath } from './run-report.ts';
import { stateWord } from './states.ts';

/** GitHub keeps ten annotations of a kind for a step and drops the others without a word; the last one counts them. */
const MAX_OF_A_KIND = 10;
/** Runners refuse a larger summary as a whole: 1 MiB on github.com, 128 KiB on older servers. Half of it is left to other writers. */
const MAX_SUMMARY_BYTES = 64 * 1024;

export interface AnnotationOptions {
  /** Absolute; where the names of the job files start. */
  readonly cwd: string;
  /** `$GITHUB_WORKSPACE`: GitHub knows files by their path from there. */
  readonly workspace?: string | undefined;
}

interface Annotation {
  readonly title: string;
  readonly message: string;
  readonly job?: JobReport | undefined;
}

/**
 * Workflow commands that show failures and warnings on the lines of the job files, one a line, for a stream of a GitHub
 * job; empty where there is nothing to say. Escaped as the runner unescapes (actions/runner, `ActionCommand.cs`). Pure.
 */
export function formatAnnotations(report: RunReport, options: AnnotationOptions): string {
  const errors: readonly Annotation[] = [
    ...(report.error === null ? [] : [{ title: 'evolink', message: reasonLines(report).join('\n') }]),
    ...report.jobs.filter(isTrouble).map((job) => ({
      title: `${job.name}: ${stateWord(job.state)}`,
      message: reasonLines(job).join('\n') || stateWord(job.state),
      job,
    })),
  ];
  const warnings: readonly Annotation[] = [
    ...report.warnings.map((message) => ({ title: 'evolink', message })),
    ...report.jobs.flatMap((job) => job.warnings.map((message) => ({ title: job.name, message, job }))),
  ];
  return formatCommands('error', errors, options) + formatCommands('warning', warnings, options);
}

function formatCommands(
  kind: string,
  annotations: readonly Annotation[],
  { cwd, workspace }: AnnotationOptions,
): string {
  const left = annotations.length - MAX_OF_A_KIND + 1;
  const rest = { title: 'evolink', message: `${left} more ${kind}s: see the job summary and the reports` };
  const shown = left > 1 ? [...annotations.slice(0, MAX_OF_A_KIND - 1), rest] : annotations;
  const format = ({ title, message, job }: Annotation): string => {
    const place =
      job === undefined
        ? ''
        : `file=${escapeProperty(pathFrom(workspace, resolve(cwd, job.file)) ?? job.file)},line=${job.line},col=${job.column},`;
    const text = sanitizeServerText(message, { maxLength: 2000, multiline: true });
    return `::${kind} ${place}title=${escapeProperty(title.slice(0, 200))}::${escapeData(text)}\n`;
  };
  return shown.map(format).join('');
}

/** Undefined where the file is not in the workspace. */
function pathFrom(workspace: string | undefined, path: string): string | undefined {
  if (workspace === undefined || workspace === '' || relative(workspace, path).startsWith('..'))
    return undefined;
  return relativePath(workspace, path) ?? undefined;
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(sanitizeServerText(text)).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/**
 * The outputs of a step, for `$GITHUB_OUTPUT`: counts by state, credits, and the report files, one a line.
 * @param delimiter of the multi-line form: random, so that no value can hold it. Pure.
 */
export function formatStepOutputs(
  report: RunReport,
  { reportFiles, delimiter }: { readonly reportFiles: readonly string[]; readonly delimiter: string },
): string {
  const { totals, credits, jobs } = report;
  const outputs = {
    saved: totals.saved,
    'up-to-date': jobs.filter(({ state }) => state === 'up_to_date').length,
    submitted: totals.running,
    failed: jobs.filter(isTrouble).length,
    skipped: totals.not_sent,
    credits: credits.used === null ? '' : formatCredits(credits.used),
    reports: reportFiles.join('\n'),
  };
  return Object.entries(outputs)
    .map(([name, value]) => `${name}<<${delimiter}\n${value}\n${delimiter}\n`)
    .join('');
}

export interface GithubOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute; where the names of job files and reports start. */
  readonly cwd: string;
  readonly reportFiles: readonly string[];
  /** Hides secrets, as the streams do. */
  readonly mask?: ((text: string) => string) | undefined;
}

export interface GithubWords {
  /** Workflow commands, for stderr (the runner reads both streams); empty outside of GitHub Actions. */
  readonly annotations: string;
  /** Why summary or outputs could not be written; the run goes on. */
  readonly warnings: readonly string[];
}

/** Publishes a run to GitHub Actions: job summary, outputs of the step, annotations. Does nothing elsewhere. Never throws. */
export async function publishToGithub(report: RunReport, options: GithubOptions): Promise<GithubWords> {
  const { env, cwd, reportFiles, mask = (text) => text } = options;
  if (env.GITHUB_ACTIONS !== 'true') return { annotations: '', warnings: [] };
  const summary = formatMarkdownReport(report, { folder: cwd, maxBytes: MAX_SUMMARY_BYTES, hasLinks: false });
  const outputs = formatStepOutputs(report, { reportFiles, delimiter: `evolink_${randomUUID()}` });
  const warnings = [
    ...(await append(env.GITHUB_STEP_SUMMARY, mask(`${summary}\n`))),
    ...(await append(env.GITHUB_OUTPUT, mask(outputs))),
  ];
  return { annotations: formatAnnotations(report, { cwd, workspace: env.GITHUB_WORKSPACE }), warnings };
}

async function append(path: string | undefined, text: string): Promise<readonly string[]> {
  if (path === undefined || path === '') return [];
  try {
    await appendFile(path, text);
    return [];
  } catch (error) {
    return [`cannot append to "${path}": ${describeFsError(error)}`];
  }
}
