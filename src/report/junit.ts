import { formatBytes } from '../platform/text.ts';

import { creditWords, isDone, reasonLines, runDurationMs, savedClip, settingWords } from './facts.ts';
import { type JobReport, type RunReport, relativePath } from './run-report.ts';
import { stateWord } from './states.ts';

/** What XML 1.0 §2.2 allows; all else can't be written in any form, not even as a reference. */
const INVALID = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;

/** Any text, for an attribute in double quotes or between tags. A parser would make spaces or line feeds of bare controls. */
function escapeXml(text: string): string {
  return (
    text
      .replace(INVALID, '')
      .replace(/[&<>"\t\r]/g, (char) => `&#${char.charCodeAt(0)};`)
      // GitLab and Jenkins take `[[ATTACHMENT|path]]` in the output for a file to publish: a prompt must not name one.
      .replace(/\[(?=\[\s*ATTACHMENT)/gi, '[ ')
  );
}

type Values = Readonly<Record<string, string | number | null | undefined>>;

/** An element with what lies in it, one line each; what is null is left out. */
function element(name: string, values: Values, content: readonly string[] | string = []): readonly string[] {
  const attributes = Object.entries(values)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => ` ${key}="${escapeXml(String(value)).replaceAll('\n', '&#10;')}"`)
    .join('');
  if (typeof content === 'string') return [`<${name}${attributes}>${escapeXml(content)}</${name}>`];
  if (content.length === 0) return [`<${name}${attributes}/>`];
  return [`<${name}${attributes}>`, ...content.map(indent), `</${name}>`];
}

/** Lines within a text stay as they are. */
function indent(line: string): string {
  return `  ${line}`;
}

function properties(values: Values): readonly string[] {
  const known = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  if (known.length === 0) return [];
  return element(
    'properties',
    {},
    known.flatMap(([name, value]) => element('property', { name, value })),
  );
}

type Verdict = 'passed' | 'failure' | 'error' | 'skipped';

/**
 * The run as JUnit XML: a suite a job file, a case a job. A task that the service rejected or ended is a failure, and so
 * is a job that the run did not come to; anything else that went wrong is an error; what still runs, and all of a dry run,
 * is skipped. A run that was refused, or whose report is missing, is a case of its own.
 */
export function formatJunitReport(report: RunReport, { folder }: { readonly folder: string }): string {
  const whole = wholeProblems(report);
  const byFile = new Map<string, JobReport[]>(report.files.map((file) => [file, []]));
  for (const job of report.jobs) byFile.set(job.file, [...(byFile.get(job.file) ?? []), job]);
  const { tests, failures, errors } = countVerdicts(report.jobs, report);
  const head = { tests: tests + whole.length, failures, errors: errors + whole.length };
  const time = seconds(runDurationMs(report));
  const lines = element('testsuites', { name: 'evolink run', ...head, time }, [
    ...(whole.length === 0 ? [] : formatWhole(whole, report)),
    ...[...byFile].flatMap(([file, jobs], id) => formatSuite(report, { file, jobs, id, folder })),
  ]);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${lines.join('\n')}\n`;
}

/** What went wrong with the run and not with a job: reports with jobs alone would look well. */
function wholeProblems({ error, missing_shards: missing }: RunReport) {
  return [
    ...(error === null ? [] : [{ name: 'evolink run', type: error.code, lines: reasonLines({ error }) }]),
    ...missing.map((shard) => ({
      name: `shard ${shard}`,
      type: 'missing',
      lines: [`the report of shard ${shard} is missing`],
    })),
  ];
}

function formatWhole(problems: ReturnType<typeof wholeProblems>, report: RunReport): readonly string[] {
  const time = seconds(0);
  const counts = { tests: problems.length, failures: 0, errors: problems.length, skipped: 0 };
  return element(
    'testsuite',
    { name: 'evolink run', ...counts, time, timestamp: timestampOf(report) },
    problems.flatMap(({ name, type, lines }) =>
      element(
        'testcase',
        { name, classname: 'evolink run', time },
        element('error', { message: lines[0], type }, lines.join('\n')),
      ),
    ),
  );
}

interface Suite {
  readonly file: string;
  readonly jobs: readonly JobReport[];
  readonly id: number;
  readonly folder: string;
}

function formatSuite(report: RunReport, { file, jobs, id, folder }: Suite): readonly string[] {
  const time = seconds(jobs.reduce((sum, job) => sum + (job.duration_ms ?? 0), 0));
  const timestamp = timestampOf(report);
  return element('testsuite', { name: file, ...countVerdicts(jobs, report), time, timestamp, file, id }, [
    ...properties({
      tool_version: report.tool_version,
      sandbox: report.sandbox ? 'true' : null,
      dry_run: report.dry_run ? 'true' : null,
      shard: report.shard && `${report.shard.index}/${report.shard.count}`,
    }),
    ...jobs.flatMap((job) => formatCase(job, report, folder)),
  ]);
}

function formatCase(job: JobReport, report: RunReport, folder: string): readonly string[] {
  const { name, file, line, state, task_id, local_id, credits, sha256 } = job;
  const clip = savedClip(job);
  const time = seconds(job.duration_ms ?? 0);
  return element('testcase', { name, classname: file, time, file, line }, [
    ...properties({
      state,
      task_id,
      local_id,
      model: job.settings?.model,
      credits_used: credits.used,
      credits_estimated: credits.estimated,
      clip: clip && (relativePath(folder, clip) ?? clip),
      sha256,
    }),
    ...formatVerdict(job, report),
    ...element('system-out', {}, describe(job).join('\n')),
  ]);
}

function formatVerdict(job: JobReport, report: RunReport): readonly string[] {
  const verdict = verdictOf(job, report);
  const word = verdict === 'failure' ? 'the run did not come to this job' : stateWord(job.state);
  const [message = word, ...more] = reasonLines(job);
  const values = { message, type: job.error?.code ?? job.state };
  if (verdict === 'passed') return [];
  if (verdict === 'skipped') return element('skipped', values);
  return element(verdict, values, [`${job.file}:${job.line}:${job.column}`, message, ...more].join('\n'));
}

function verdictOf(job: JobReport, { dry_run: isDryRun }: RunReport): Verdict {
  if (isDone(job)) return 'passed';
  if (job.state === 'running') return 'skipped';
  if (job.state === 'not_sent') return isDryRun ? 'skipped' : 'failure';
  return job.error?.code === 'task-failed' ? 'failure' : 'error';
}

function describe(job: JobReport): readonly string[] {
  const size = job.size_bytes === null ? undefined : formatBytes(job.size_bytes);
  return [
    [stateWord(job.state), size, creditWords(job)].filter((part) => part !== undefined).join(', '),
    ...(job.settings === null ? [] : [settingWords(job.settings).join(', ')]),
    ...(job.prompt === null ? [] : [`prompt: ${job.prompt}`]),
    ...job.warnings.map((warning) => `warning: ${warning}`),
  ];
}

function countVerdicts(jobs: readonly JobReport[], report: RunReport) {
  const verdicts = jobs.map((job) => verdictOf(job, report));
  const count = (wanted: Verdict): number => verdicts.filter((verdict) => verdict === wanted).length;
  return {
    tests: jobs.length,
    failures: count('failure'),
    errors: count('error'),
    skipped: count('skipped'),
  };
}

/** As the schema wants it: without a zone. */
function timestampOf({ started_at: startedAt }: RunReport): string {
  return startedAt.slice(0, 19);
}

function seconds(durationMs: number): string {
  return (durationMs / 1000).toFixed(3);
}
