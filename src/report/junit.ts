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
  readonly timeMs: number;
  readonly lines: readonly string[];
}

/**
 * The run as JUnit XML: a suite a job file, a case a job. A task that the service rejected or ended is a failure, and so
 * is a job that the run did not come to; anything else that went wrong is an error; what still runs, and all of a dry run,
 * is skipped. A run that was refused, or whose report is missing, is a case of its own.
 */
export function formatJunitReport(report: RunReport, { folder }: { readonly folder: string }): string {
  const { started_at, error, missing_shards, files, dry_run } = report;
  // What went wrong with the run and not with a job: reports with jobs alone would look well.
  const whole = [
    ...(error === null ? [] : [wholeCase('evolink run', error.code, reasonLines({ error }))]),
    ...missing_shards.map((name) => wholeCase(`shard ${name}`, 'missing', [missingText([name])])),
  ];
  const suites = new Map<string, Case[]>(files.map((file) => [file, []]));
  for (const job of report.jobs) {
    const cases = suites.get(job.file) ?? [];
    suites.set(job.file, cases);
    cases.push(jobCase(job, dry_run, folder));
  }
  // The schema wants it without a zone.
  const timestamp = started_at.slice(0, 19);
  const suite = (name: string, cases: readonly Case[], values: Values = {}) => {
    const timeMs = cases.reduce((sum, each) => sum + each.timeMs, 0);
    const all = { name, ...countVerdicts(cases), time: seconds(timeMs), timestamp, ...values };
    return element(
      'testsuite',
      all,
      cases.flatMap(({ lines }) => lines),
    );
  };
  const { skipped, ...counts } = countVerdicts([...whole, ...[...suites.values()].flat()]);
  const time = seconds(runDurationMs(report));
  const lines = element('testsuites', { name: 'evolink run', ...counts, time }, [
    ...(whole.length === 0 ? [] : suite('evolink run', whole)),
    ...[...suites].flatMap(([file, cases], id) => suite(file, cases, { file, id })),
  ]);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${lines.join('\n')}\n`;
}

function wholeCase(name: string, type: string, reasons: readonly string[]): Case {
  const error = element('error', { message: reasons[0], type }, reasons.join('\n'));
  const values = { name, classname: 'evolink run', time: seconds(0) };
  return { verdict: 'error', timeMs: 0, lines: element('testcase', values, error) };
}

function jobCase(job: JobReport, isDryRun: boolean, folder: string): Case {
  const { name, file, line, column, state, task_id, local_id, credits, sha256, size_bytes, settings } = job;
  const verdict = verdictOf(job, isDryRun);
  const timeMs = job.duration_ms ?? 0;
  const word = verdict === 'failure' ? 'the run did not come to this job' : stateWord(state);
  const [message = word, ...more] = reasonLines(job);
  const text = [`${file}:${line}:${column}`, message, ...more].join('\n');
  const facts = {
    state,
    task_id,
    local_id,
    model: settings?.model,
    credits_used: credits.used,
    credits_estimated: credits.estimated,
    clip: savedClip(job, folder)?.path,
    sha256,
  };
  const properties = Object.entries(facts).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : element('property', { name: key, value }),
  );
  const size = size_bytes === null ? undefined : formatBytes(size_bytes);
  const words = [
    [stateWord(state), size, creditWords(job)].filter((part) => part !== undefined).join(', '),
    settings && settingWords(settings).join(', '),
    job.prompt && `prompt: ${job.prompt}`,
    ...job.warnings.map((warning) => `warning: ${warning}`),
  ].filter((part) => part !== null);
  const content = [
    ...element('properties', {}, properties),
    ...(verdict === 'passed'
      ? []
      : element(verdict, { message, type: job.error?.code ?? state }, verdict === 'skipped' ? [] : text)),
    ...element('system-out', {}, words.join('\n')),
  ];
  const values = { name, classname: file, time: seconds(timeMs), file, line };
  return { verdict, timeMs, lines: element('testcase', values, content) };
}

function verdictOf(job: JobReport, isDryRun: boolean): Verdict {
  if (isDone(job)) return 'passed';
  if (job.state === 'running' || (isDryRun && job.state === 'not_sent')) return 'skipped';
  return job.state === 'not_sent' || job.error?.code === 'task-failed' ? 'failure' : 'error';
}

function countVerdicts(cases: readonly Case[]) {
  const count = (wanted: Verdict): number => cases.filter(({ verdict }) => verdict === wanted).length;
  return {
    tests: cases.length,
    failures: count('failure'),
    errors: count('error'),
    skipped: count('skipped'),
  };
}

function seconds(durationMs: number): string {
  return (durationMs / 1000).toFixed(3);
}
