import { sanitizeServerText } from '../platform/text.ts';
import { formatCredits, formatDuration } from '../ui/format.ts';
import {
  clipAddress,
  countStates,
  creditWords,
  isDone,
  isTrouble,
  reasonLines,
  runDurationMs,
  runTitle,
  savedClip,
  settingWords,
} from './facts.ts';
import type { JobReport, RunReport } from './run-report.ts';
import { stateWord } from './states.ts';

const MAX_LENGTH = 2000;
const ZERO_WIDTH_SPACE = '&#8203;';
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/**
 * Any text as a part of one line of GitHub-flavoured Markdown (a cell, a heading): shown as it is, and never a table cell, a tag, a link, an image, a
 * formula, a mention or a workflow command. Control, bidirectional and invisible characters are left out.
 */
export function escapeMarkdown(text: string, maxLength = MAX_LENGTH): string {
  return (
    sanitizeServerText(text, { maxLength })
      .replace(/[&<>]/g, (char) => ENTITIES[char] ?? '')
      .replace(/[\\`*_[\]#|~$]/g, '\\$&')
      // Addresses and names become links on GitHub even in plain text: https:, www., @name, name@host.
      .replace(/:(?=\/\/)/g, '&#58;')
      .replace(/\b(www)\./gi, `$1${ZERO_WIDTH_SPACE}.`)
      .replace(/@/g, `@${ZERO_WIDTH_SPACE}`)
      .replace(/::/g, ':&#58;')
      .replace(/:(?=\w+:)/g, '&#58;')
  );
}

interface MarkdownOptions {
  /** Absolute folder of the report: links to clips start there. */
  readonly folder: string;
  /** Rows are left out, and counted in a last line, before the text grows past this many bytes of UTF-8. */
  readonly maxBytes?: number | undefined;
  /** False where the page does not stand beside the clips. Default true. */
  readonly hasLinks?: boolean | undefined;
}

const PROMPT_LENGTH = 120;
/** Headings of the tables and the lines that count what is left out. */
const TABLE_HEADS_BYTES = 1024;

/** The cells of each table, by their headings. */
type Columns = Readonly<Record<string, (job: JobReport, options: MarkdownOptions) => string>>;

const TROUBLES: Columns = {
  job: ({ name, file, line }) => `${escapeMarkdown(name)}<br>${escapeMarkdown(`${file}:${line}`)}`,
  reason: (job) => joinLines(reasonLines(job)),
};

const JOBS: Columns = {
  job: linkedName,
  state: (job) => `${markOf(job)} ${stateWord(job.state)}`,
  prompt: ({ prompt }) => escapeMarkdown(prompt ?? '', PROMPT_LENGTH),
  settings: ({ settings }) => (settings === null ? '' : escapeMarkdown(settingWords(settings).join(' · '))),
  credits: (job) => creditWords(job, '') ?? '',
  warnings: ({ warnings }) => joinLines(warnings),
};

/** The run as Markdown, for people and for the job summary of GitHub: totals, what failed and why, then every job. */
export function formatMarkdownReport(report: RunReport, options: MarkdownOptions): string {
  const head = [
    `## ${escapeMarkdown(runTitle(report.files))}`,
    '',
    headline(report),
    '',
    ...formatTotals(report),
    '',
    ...reasonLines(report).map((line) => `> ❌ ${escapeMarkdown(line)}\n`),
    ...report.warnings.map((warning) => `> ⚠️ ${escapeMarkdown(warning)}\n`),
  ];
  const { maxBytes = Number.POSITIVE_INFINITY } = options;
  let leftBytes = maxBytes - Buffer.byteLength(head.join('\n')) - TABLE_HEADS_BYTES;
  /** As many rows as fit, and a line that counts the others. */
  const section = (title: string, jobs: readonly JobReport[], columns: Columns): readonly string[] => {
    if (jobs.length === 0) return [];
    const rows: string[] = [];
    for (const job of jobs) {
      const line = row(Object.values(columns).map((cell) => cell(job, options)));
      leftBytes -= Buffer.byteLength(line) + 1;
      if (leftBytes < 0) break;
      rows.push(line);
    }
    const left = jobs.length - rows.length;
    const more = left === 0 ? [] : ['', `…and ${left} more: see the report files.`];
    return [`### ${title}`, '', ...tableHead(Object.keys(columns)), ...rows, ...more, ''];
  };
  const lines = [
    ...head,
    ...section('What needs attention', report.jobs.filter(isTrouble), TROUBLES),
    ...section('Jobs', report.jobs, JOBS),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function markOf(job: JobReport): string {
  if (isDone(job)) return '✅';
  if (job.state === 'running') return '⏳';
  return job.state === 'not_sent' ? '⏭️' : '❌';
}

function headline(report: RunReport): string {
  const { error, dry_run: isDryRun, sandbox, stopped, shard } = report;
  const took = `took ${formatDuration(runDurationMs(report))}`;
  return [
    error !== null && '**refused**',
    (isDryRun ? '**dry run**: ' : '') + (isDryRun || error !== null ? 'nothing was sent' : took),
    sandbox && '**sandbox**: nothing was paid',
    stopped && '**stopped** before the end',
    shard && `shard ${shard.index}/${shard.count}`,
  ]
    .filter((part) => part)
    .join(' · ');
}

function formatTotals({ jobs, credits, dry_run: isDryRun }: RunReport): readonly string[] {
  const states = countStates(jobs).map(({ state, count }) => [stateWord(state), `${count}`]);
  const cells = Object.fromEntries([['jobs', `${jobs.length}`], ...states]);
  const sum = isDryRun ? credits.estimated : credits.used;
  if (sum !== null) cells[isDryRun ? 'estimated credits' : 'credits'] = formatCredits(sum);
  return [...tableHead(Object.keys(cells), '--:'), row(Object.values(cells))];
}

function linkedName(job: JobReport, { folder, hasLinks = true }: MarkdownOptions): string {
  const clip = savedClip(job);
  const name = escapeMarkdown(job.name);
  if (clip === null || !hasLinks) return name;
  // Parentheses end a link, and a bar ends a cell; neither is touched by the URL encoding of a path.
  const codeOf = (char: string) => `%${char.charCodeAt(0).toString(16)}`;
  return `[${name}](${clipAddress(folder, clip).replace(/[()|]/g, codeOf)})`;
}

function joinLines(lines: readonly string[]): string {
  return lines.map((line) => escapeMarkdown(line)).join('<br>');
}

function tableHead(heads: readonly string[], rule = '---'): readonly string[] {
  return [row(heads), row(heads.map(() => rule))];
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
