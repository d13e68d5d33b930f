import { formatBytes } from '../ui/format.ts';
import { toIsoTime } from '../ui/json.ts';
import {
  creditWords,
  type JobReport,
  type ReportPlace,
  type RunReport,
  reasonLines,
  relativePath,
  STATE_WORDS,
  savedClip,
  settingWords,
} from './run-report.ts';

/** What XML 1.0 §2.2 allows; all else can't be written in any form, not even as a reference. */
const INVALID = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;
const REFERENCES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  // A parser would make spaces of these in an attribute, and a line feed of a carriage return (§2.11, §3.3.3).
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/** Text for an attribute in double quotes. */
function escapeXmlAttribute(text: string): string {
  return text.replace(INVALID, '').replace(/[&<>"\t\n\r]/g, (char) => REFERENCES[char] ?? '');
}

/** Text between tags; `]]>` can't arise, as `>` is escaped. */
function escapeXmlText(text: string): string {
  return text.replace(INVALID, '').replace(/[&<>\r]/g, (char) => REFERENCES[char] ?? '');
}

type Verdict = 'passed' | 'failure' | 'error' | 'skipped';
type Attributes = Readonly<Record<string, string | number | undefined>>;

/**
 * The run as JUnit XML: a suite a job file, a case a job. A task that the service refused or ended is a failure, and so
 * is a job that the run did not come to; anything else that went wrong is an error; what is still running, or planned in a
 * dry run, is skipped. A run that was refused, or whose report is missing, is a case of its own.
 */
export function formatJunitReport(report: RunReport, place: Pick<ReportPlace, 'folder'>): string {
  const suites = [...groupByFile(report)].map(([file, jobs], index) =>
    formatSuite(report, { file, jobs, index, folder: place.folder }),
  );
  const time = seconds(Math.max(0, report.endedAtMs - report.startedAtMs));
  const { tests, failures, errors } = countVerdicts(report.jobs, report);
  const whole = wholeProblems(report);
  const open = `<testsuites${attributes({ name: 'evolink run', tests: tests + whole.length, failures, errors: errors + whole.length, time })}>`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    open,
    ...formatWhole(whole, report),
    ...suites,
    '</testsuites>',
    '',
  ].join('\n');
}

interface WholeProblem {
  readonly name: string;
  readonly type: string;
  readonly lines: readonly string[];
}

/** What went wrong with the run and not with a job: reports with jobs alone would look well. */
function wholeProblems({ error, missingShards = [] }: RunReport): readonly WholeProblem[] {
  return [
    ...(error === undefined
      ? []
      : [{ name: 'evolink run', type: error.kind, lines: reasonLines({ error }) }]),
    ...missingShards.map((shard) => {
      return { name: `shard ${shard}`, type: 'missing', lines: [`the report of shard ${shard} is missing`] };
    }),
  ];
}

function formatWhole(problems: readonly WholeProblem[], { startedAtMs }: RunReport): readonly string[] {
  if (problems.length === 0) return [];
  const time = seconds(0);
  const count = problems.length;
  const head = { name: 'evolink run', tests: count, failures: 0, errors: count, skipped: 0, time };
  return [
    `  <testsuite${attributes({ ...head, timestamp: toTimestamp(startedAtMs) })}>`,
    ...problems.flatMap(({ name, type, lines }) => [
      `    <testcase${attributes({ name, classname: 'evolink run', time })}>`,
      `      <error${attributes({ message: noAttachments(lines[0] ?? ''), type })}>${escapeXmlText(noAttachments(lines.join('\n')))}</error>`,
      '    </testcase>',
    ]),
    '  </testsuite>',
  ];
}

interface Suite {
  readonly file: string;
  readonly jobs: readonly JobReport[];
  readonly index: number;
  readonly folder: string;
}

function formatSuite(report: RunReport, { file, jobs, index, folder }: Suite): string {
  const time = seconds(jobs.reduce((sum, { durationMs }) => sum + (durationMs ?? 0), 0));
  const timestamp = toTimestamp(report.startedAtMs);
  const head = { name: file, ...countVerdicts(jobs, report), time, timestamp, file, id: index };
  const run: readonly (readonly [string, string | number | undefined])[] = [
    ['tool_version', report.toolVersion],
    ['sandbox', report.isSandbox ? 'true' : undefined],
    ['dry_run', report.isDryRun ? 'true' : undefined],
    ['shard', report.shard === undefined ? undefined : `${report.shard.index}/${report.shard.count}`],
  ];
  return [
    `  <testsuite${attributes(head)}>`,
    ...formatProperties(run, '    '),
    ...jobs.map((job) => formatCase(job, { report, folder })),
    '  </testsuite>',
  ].join('\n');
}

function formatCase(
  job: JobReport,
  { report, folder }: Pick<Suite, 'folder'> & { readonly report: RunReport },
): string {
  const head = {
    name: job.name,
    classname: job.file,
    time: seconds(job.durationMs ?? 0),
    file: job.file,
    line: job.line,
  };
  const clip = savedClip(job);
  const properties: readonly (readonly [string, string | number | undefined])[] = [
    ['state', job.state],
    ['task_id', job.taskId],
    ['local_id', job.localId],
    ['model', job.settings?.model],
    ['credits_used', job.credits.used],
    ['credits_estimated', job.credits.estimated],
    ['clip', clip === undefined ? undefined : (relativePath(folder, clip) ?? clip)],
    ['sha256', job.sha256],
  ];
  return [
    `    <testcase${attributes(head)}>`,
    ...formatProperties(properties, '      '),
    ...formatVerdict(job, report),
    `      <system-out>${escapeXmlText(noAttachments(describe(job).join('\n')))}</system-out>`,
    '    </testcase>',
  ].join('\n');
}

function formatVerdict(job: JobReport, report: RunReport): readonly string[] {
  const verdict = verdictOf(job, report);
  const word = verdict === 'failure' ? 'the run did not come to this job' : STATE_WORDS[job.state];
  const [message = word, ...more] = reasonLines(job);
  const head = { message: noAttachments(message), type: job.error?.kind ?? job.state };
  if (verdict === 'passed') return [];
  if (verdict === 'skipped') return [`      <skipped${attributes(head)}/>`];
  const text = escapeXmlText(
    noAttachments([`${job.file}:${job.line}:${job.column}`, message, ...more].join('\n')),
  );
  return [`      <${verdict}${attributes(head)}>${text}</${verdict}>`];
}

function verdictOf({ state, error }: JobReport, { isDryRun }: Pick<RunReport, 'isDryRun'>): Verdict {
  switch (state) {
    case 'saved':
    case 'up-to-date':
      return 'passed';
    case 'failed':
      return error?.kind === 'task-failed' ? 'failure' : 'error';
    case 'invalid':
      return 'error';
    case 'skipped':
    case 'planned':
      return isDryRun ? 'skipped' : 'failure';
    default:
      return 'skipped';
  }
}

function describe(job: JobReport): readonly string[] {
  const credits = creditWords(job);
  const size = job.sizeBytes === undefined ? [] : [formatBytes(job.sizeBytes)];
  return [
    [STATE_WORDS[job.state], ...size, ...(credits === undefined ? [] : [credits])].join(', '),
    ...(job.settings === undefined ? [] : [settingWords(job.settings).join(', ')]),
    ...(job.prompt === undefined ? [] : [`prompt: ${job.prompt}`]),
    ...job.warnings.map((warning) => `warning: ${warning}`),
  ];
}

/** GitLab and Jenkins take `[[ATTACHMENT|path]]` in the output for a file to publish: a prompt must not name one. */
function noAttachments(text: string): string {
  return text.replace(/\[(?=\[\s*ATTACHMENT)/gi, '[ ');
}

function formatProperties(
  entries: readonly (readonly [string, string | number | undefined])[],
  indent: string,
): readonly string[] {
  const lines = entries
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${indent}  <property${attributes({ name, value })}/>`);
  return lines.length === 0 ? [] : [`${indent}<properties>`, ...lines, `${indent}</properties>`];
}

function attributes(values: Attributes): string {
  return Object.entries(values)
    .map(([name, value]) => (value === undefined ? '' : ` ${name}="${escapeXmlAttribute(String(value))}"`))
    .join('');
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

function groupByFile({ files, jobs }: RunReport): ReadonlyMap<string, readonly JobReport[]> {
  const groups = new Map<string, JobReport[]>(files.map((file) => [file, []]));
  for (const job of jobs) {
    const group = groups.get(job.file);
    if (group === undefined) groups.set(job.file, [job]);
    else group.push(job);
  }
  return groups;
}

/** As the schema wants it: without a zone. */
function toTimestamp(atMs: number): string {
  return (toIsoTime(atMs) ?? '').slice(0, 19);
}

function seconds(durationMs: number): string {
  return (durationMs / 1000).toFixed(3);
}
