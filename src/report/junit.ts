import { relativePath } from '../platform/folders.ts';
import { formatBytes } from '../platform/text.ts';
import { creditWords, isDone, reasonLines, runDurationMs, savedClip, settingWords } from './facts.ts';
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

function known(values: Values): [string, string][] {
  return Object.entries(values).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : [[key, String(value)]],
  );
}

/** An element with what lies in it, one line each; what is null is left out. Lines within a text stay as they are. */
function element(name: string, values: Values, content: readonly string[] | string = []): string[] {
  const attributes = known(values).map(
    ([key, value]) => ` ${key}="${escapeXml(value).replaceAll('\n', '&#10;')}"`,
  );
  const head = `${name}${attributes.join('')}`;
  if (typeof content === 'string') return [`<${head}>${escapeXml(content)}</${name}>`];
  return content.length === 0
    ? [`<${head}/>`]
    : [`<${head}>`, ...content.map((line) => `  ${line}`), `</${name}>`];
}

function properties(values: Values): string[] {
  const each = known(values).flatMap(([name, value]) => element('property', { name, value }));
  return each.length === 0 ? [] : element('properties', {}, each);
}

type Verdict = 'passed' | 'failure' | 'error' | 'skipped';

/** A case, with the elements that say why it did not pass. */
interface Case {
  readonly values: Values;
  readonly verdict: Verdict;
  readonly timeMs: number;
  readonly content: readonly string[];
}

/**
 * The run as JUnit XML: a suite a job file, a case a job. A task that the service rejected or ended is a failure, and so
 * is a job that the run did not come to; anything else that went wrong is an error; what still runs, and all of a dry run,
 * is skipped. A run that was refused, or whose report is missing, is a case of its own.
 */
export function formatJunitReport(report: RunReport, { folder }: { readonly folder: string }): string {
  const { tool_version, shard, sandbox, dry_run, started_at } = report;
  const byFile = new Map<string, Case[]>(report.files.map((file) => [file, []]));
  for (const job of report.jobs) {
    const cases = byFile.get(job.file) ?? [];
    cases.push(jobCase(job, report, folder));
    byFile.set(job.file, cases);
  }
  const made = properties({
    tool_version,
    sandbox: sandbox ? 'true' : null,
    dry_run: dry_run ? 'true' : null,
    shard: shard && `${shard.index}/${shard.count}`,
  });
  // The schema wants it without a zone.
  const timestamp = started_at.slice(0, 19);
  const suite = (name: string, cases: readonly Case[], values: Values, head: readonly string[]): string[] => {
    const time = seconds(cases.reduce((sum, { timeMs }) => sum + timeMs, 0));
    return element('testsuite', { name, ...countVerdicts(cases), time, timestamp, ...values }, [
      ...head,
      ...cases.flatMap((each) => element('testcase', each.values, each.content)),
    ]);
  };
  const whole = wholeCases(report);
  const { skipped, ...counts } = countVerdicts([...whole, ...[...byFile.values()].flat()]);
  const time = seconds(runDurationMs(report));
  const lines = element('testsuites', { name: 'evolink run', ...counts, time }, [
    ...(whole.length === 0 ? [] : suite('evolink run', whole, {}, [])),
    ...[...byFile].flatMap(([file, cases], id) => suite(file, cases, { file, id }, made)),
  ]);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${lines.join('\n')}\n`;
}

/** What went wrong with the run and not with a job: reports with jobs alone would look well. */
function wholeCases({ error, missing_shards: missing }: RunReport): readonly Case[] {
  const one = (name: string, type: string, lines: readonly string[]): Case => ({
    values: { name, classname: 'evolink run', time: seconds(0) },
    verdict: 'error',
    timeMs: 0,
    content: element('error', { message: lines[0], type }, lines.join('\n')),
  });
  return [
    ...(error === null ? [] : [one('evolink run', error.code, reasonLines({ error }))]),
    ...missing.map((shard) => one(`shard ${shard}`, 'missing', [`the report of shard ${shard} is missing`])),
  ];
}

function jobCase(job: JobReport, report: RunReport, folder: string): Case {
  const { name, file, line, state, task_id, local_id, credits, sha256, size_bytes: size, settings } = job;
  const clip = savedClip(job);
  const timeMs = job.duration_ms ?? 0;
  const verdict = verdictOf(job, report);
  const words = [
    [stateWord(state), size === null ? undefined : formatBytes(size), creditWords(job)]
      .filter((part) => part !== undefined)
      .join(', '),
    ...(settings === null ? [] : [settingWords(settings).join(', ')]),
    ...(job.prompt === null ? [] : [`prompt: ${job.prompt}`]),
    ...job.warnings.map((warning) => `warning: ${warning}`),
  ];
  return {
    values: { name, classname: file, time: seconds(timeMs), file, line },
    verdict,
    timeMs,
    content: [
      ...properties({
        state,
        task_id,
        local_id,
        model: settings?.model,
        credits_used: credits.used,
        credits_estimated: credits.estimated,
        clip: clip && (relativePath(folder, clip) ?? clip),
        sha256,
      }),
      ...formatVerdict(job, verdict),
      ...element('system-out', {}, words.join('\n')),
    ],
  };
}

function formatVerdict(job: JobReport, verdict: Verdict): string[] {
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
