import { formatBytes } from '../platform/text.ts';
import { creditWords, isDone, reasonLines, runDurationMs, savedClip, settingWords } from './facts.ts';
import { missingText } from './merge.ts';
import type { JobReport, RunReport } from './run-report.ts';
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

/** An element with what lies in it, one line each; what is not known is left out. Lines within a text stay as they are. */
function element(name: string, values: Values, content: readonly string[] | string = []): string[] {
  const attributes = Object.entries(values).map(([key, value]) =>
    value === null || value === undefined
      ? ''
      : ` ${key}="${escapeXml(`${value}`).replaceAll('\n', '&#10;')}"`,
  );
  const head = `${name}${attributes.join('')}`;
  if (typeof content === 'string') return [`<${head}>${escapeXml(content)}</${name}>`];
  return content.length === 0
    ? [`<${head}/>`]
    : [`<${head}>`, ...content.map((line) => `  ${line}`), `</${name}>`];
}

type Verdict = 'passed' | 'failure' | 'error' | 'skipped';

interface Case {
  readonly verdict: Verdict;
  readonly lines: readonly string[];
}

/**
 * The run as JUnit XML: a suite a job file, a case a job. A task that the service rejected or ended is a failure, and so
 * is a job that the run did not come to; anything else that went wrong is an error; what still runs, and all of a dry run,
 * is skipped. A run that was refused, or whose report is missing, is a case of its own.
 */
export function formatJunitReport(report: RunReport, { folder }: { readonly folder: string }): string {
  const { started_at, error, missing_shards, files, dry_run } = report;
  const suites = new Map<string, Case[]>(files.map((file) => [file, []]));
  const add = (file: string, one: Case): void => {
    const cases = suites.get(file) ?? [];
    cases.push(one);
    suites.set(file, cases);
  };
  // What went wrong with the run and not with a job: reports with jobs alone would look well.
  if (error !== null) add(WHOLE, wholeCase(WHOLE, error.code, reasonLines({ error })));
  for (const name of missing_shards) add(WHOLE, wholeCase(`shard ${name}`, 'missing', [missingText([name])]));
  for (const job of report.jobs) add(job.file, jobCase(job, dry_run, folder));
  // The schema wants it without a zone.
  const timestamp = started_at.slice(0, 19);
  const { skipped, ...counts } = countVerdicts([...suites.values()].flat());
  const time = seconds(runDurationMs(report));
  const lines = element(
    'testsuites',
    { name: WHOLE, ...counts, time },
    [...suites].flatMap(([name, cases]) =>
      element(
        'testsuite',
        { name, ...countVerdicts(cases), timestamp, file: name === WHOLE ? null : name },
        cases.flatMap((each) => each.lines),
      ),
    ),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${lines.join('\n')}\n`;
}

/** The suite of what belongs to no job. */
const WHOLE = 'evolink run';

function wholeCase(name: string, type: string, reasons: readonly string[]): Case {
  const error = element('error', { message: reasons[0], type }, reasons.join('\n'));
  return {
    verdict: 'error',
    lines: element('testcase', { name, classname: WHOLE, time: seconds(0) }, error),
  };
}

function jobCase(job: JobReport, isDryRun: boolean, folder: string): Case {
  const { name, file, line, column, state, size_bytes } = job;
  const verdict = verdictOf(job, isDryRun);
  const word = verdict === 'failure' ? 'the run did not come to this job' : stateWord(state);
  const [message = word, ...more] = reasonLines(job);
  const text = [`${file}:${line}:${column}`, message, ...more].join('\n');
  const size = size_bytes === null ? undefined : formatBytes(size_bytes);
  const words = [
    [stateWord(state), size, creditWords(job)].filter((part) => part !== undefined).join(', '),
    settingWords(job),
    job.task_id && `task: ${job.task_id}`,
    savedClip(job, folder)?.path,
    job.prompt && `prompt: ${job.prompt}`,
    ...job.warnings.map((warning) => `warning: ${warning}`),
  ].filter((part) => part);
  const values = { name, classname: file, time: seconds(job.duration_ms ?? 0), file, line };
  const lines = element('testcase', values, [
    ...(verdict === 'passed'
      ? []
      : element(verdict, { message, type: job.error?.code ?? state }, verdict === 'skipped' ? [] : text)),
    ...element('system-out', {}, words.join('\n')),
  ]);
  return { verdict, lines };
}

function verdictOf(job: JobReport, isDryRun: boolean): Verdict {
  if (isDone(job)) return 'passed';
  if (job.state === 'running' || (isDryRun && job.state === 'not_sent')) return 'skipped';
  return job.state === 'not_sent' || job.error?.code === 'task-failed' ? 'failure' : 'error';
}

function countVerdicts(cases: readonly Case[]) {
  const count = (wanted: Verdict): number => cases.filter(({ verdict }) => verdict === wanted).length;
  const [failures, errors, skipped] = [count('failure'), count('error'), count('skipped')];
  return { tests: cases.length, failures, errors, skipped };
}

function seconds(durationMs: number): string {
  return (durationMs / 1000).toFixed(3);
}
