import { relative, resolve } from 'node:path';
import type { JobReport, RunReport } from '../jobs/run-report.ts';
import { sanitizeServerText } from '../platform/server-text.ts';
import { relativePath } from './clip-address.ts';
import { isTrouble, reasonLines } from './job-words.ts';

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
