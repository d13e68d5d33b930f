import { randomUUID } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { describeFsError } from '../platform/fs-error.ts';
import { sanitizeServerText } from '../platform/text.ts';
import { formatCredits } from '../ui/format.ts';
import { formatMarkdownReport } from './markdown.ts';
import { isTrouble, type JobReport, type RunReport, reasonLines, relativePath } from './run-report.ts';

/** GitHub keeps ten annotations of a kind for a step and drops the others without a word; the last one tells of them. */
const MAX_OF_A_KIND = 10;

export interface AnnotationOptions {
  /** Absolute; where the names of the job files start. */
  readonly cwd: string;
  /** `$GITHUB_WORKSPACE`: GitHub knows files by their path from there. */
  readonly workspace?: string | undefined;
}

interface Annotation {
  readonly kind: 'error' | 'warning';
  readonly title: string;
  readonly message: string;
  readonly job?: JobReport | undefined;
}

/**
 * Workflow commands that show failures and warnings on the lines of the job files, one a line, for a stream of a GitHub
 * job; empty where there is nothing to say. Escaped as the runner unescapes (actions/runner, `ActionCommand.cs`). Pure.
 */
export function formatAnnotations(report: RunReport, options: AnnotationOptions): string {
  const refusal: readonly Annotation[] =
    report.error === undefined
      ? []
      : [{ kind: 'error', title: 'evolink', message: reasonLines(report).join('\n') }];
  const failures = report.jobs.filter(isTrouble).map(
    (job): Annotation => ({
      kind: 'error',
      title: `${job.name}: ${job.state}`,
      message: reasonLines(job).join('\n') || job.state,
      job,
    }),
  );
  const errors = [...refusal, ...failures];
  const warnings = [
    ...report.warnings.map((message): Annotation => ({ kind: 'warning', title: 'evolink', message })),
    ...report.jobs.flatMap((job) =>
      job.warnings.map((message): Annotation => ({ kind: 'warning', title: job.name, message, job })),
    ),
  ];
  return [...capped(errors), ...capped(warnings)].map((each) => `${formatCommand(each, options)}\n`).join('');
}

function capped(annotations: readonly Annotation[]): readonly Annotation[] {
  const [first] = annotations;
  if (first === undefined || annotations.length <= MAX_OF_A_KIND) return annotations;
  const shown = annotations.slice(0, MAX_OF_A_KIND - 1);
  const left = annotations.length - shown.length;
  const message = `${left} more ${first.kind}s: see the job summary and the reports`;
  return [...shown, { kind: first.kind, title: 'evolink', message }];
}

function formatCommand({ kind, title, message, job }: Annotation, options: AnnotationOptions): string {
  const properties = [
    ...(job === undefined
      ? []
      : [
          `file=${escapeProperty(sanitizeServerText(pathFromWorkspace(job.file, options)))}`,
          `line=${job.line}`,
          `col=${job.column}`,
        ]),
    `title=${escapeProperty(sanitizeServerText(title, { maxLength: 200 }))}`,
  ];
  const text = sanitizeServerText(message, { maxLength: 2000, multiline: true });
  return `::${kind} ${properties.join(',')}::${escapeData(text)}`;
}

function pathFromWorkspace(file: string, { cwd, workspace }: AnnotationOptions): string {
  const path = resolve(cwd, file);
  if (workspace === undefined || workspace === '') return file;
  const isInside = !relative(workspace, path).startsWith('..');
  return isInside ? (relativePath(workspace, path) ?? file) : file;
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
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
  const outputs: Readonly<Record<string, string>> = {
    saved: String(totals.saved),
    'up-to-date': String(jobs.filter(({ state }) => state === 'up-to-date').length),
    submitted: String(totals.submitted),
    failed: String(totals.failed + totals.invalid),
    skipped: String(totals.skipped),
    credits: credits.used === undefined ? '' : formatCredits(credits.used),
    reports: reportFiles.join('\n'),
  };
  return Object.entries(outputs)
    .map(([name, value]) => `${name}<<${delimiter}\n${value}\n${delimiter}\n`)
    .join('');
}

/** Runners refuse a larger summary as a whole: 1 MiB on github.com, 128 KiB on older servers. Half of it is left to other writers. */
const MAX_SUMMARY_BYTES = 64 * 1024;

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

/** Tells GitHub Actions of a run: job summary, outputs of the step, annotations. Does nothing elsewhere. Never throws. */
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
