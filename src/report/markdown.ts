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

export interface MarkdownOptions {
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
  let leftBytes =
    (options.maxBytes ?? Number.POSITIVE_INFINITY) - Buffer.byteLength(head.join('\n')) - TABLE_HEADS_BYTES;
  /** As many rows as fit, and a line that counts the others. */
  const section = (
    title: string,
    {
      jobs,
      heads,
      cells,
    }: { jobs: readonly JobReport[]; heads: string[]; cells: (job: JobReport) => string[] },
  ): readonly string[] => {
    if (jobs.length === 0) return [];
    const rows: string[] = [];
    for (const job of jobs) {
      const line = row(cells(job));
      leftBytes -= Buffer.byteLength(line) + 1;
      if (leftBytes < 0) break;
      rows.push(line);
    }
    const left = jobs.length - rows.length;
    const more = left === 0 ? [] : ['', `…and ${left} more: see the report files.`];
    return [`### ${title}`, '', ...tableHead(heads), ...rows, ...more, ''];
  };
  const lines = [
    ...head,
    ...section('What needs attention', {
      jobs: report.jobs.filter(isTrouble),
      heads: ['job', 'reason'],
      cells: (job) => [
        `${escapeMarkdown(job.name)}<br>${escapeMarkdown(`${job.file}:${job.line}`)}`,
        joinLines(reasonLines(job)),
      ],
    }),
    ...section('Jobs', {
      jobs: report.jobs,
      heads: ['job', 'state', 'prompt', 'settings', 'credits', 'warnings'],
      cells: (job) => [
        formatName(job, options),
        `${markOf(job)} ${stateWord(job.state)}`,
        escapeMarkdown(job.prompt ?? '', PROMPT_LENGTH),
        job.settings === null ? '' : escapeMarkdown(settingWords(job.settings).join(' · ')),
        creditWords(job, '') ?? '',
        joinLines(job.warnings),
      ],
    }),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function markOf(job: JobReport): string {
  if (isDone(job)) return '✅';
  if (job.state === 'running') return '⏳';
  return job.state === 'not_sent' ? '⏭️' : '❌';
}

function headline(report: RunReport): string {
  const isUnsent = report.dry_run || report.error !== null;
  const words = [
    ...(report.error === null ? [] : ['**refused**']),
    `${report.dry_run ? '**dry run**: ' : ''}${isUnsent ? 'nothing was sent' : `took ${formatDuration(runDurationMs(report))}`}`,
    ...(report.sandbox ? ['**sandbox**: nothing was paid'] : []),
    ...(report.stopped ? ['**stopped** before the end'] : []),
    ...(report.shard === null ? [] : [`shard ${report.shard.index}/${report.shard.count}`]),
  ];
  return words.join(' · ');
}

function formatTotals({ jobs, credits, dry_run: isDryRun }: RunReport): readonly string[] {
  const states = countStates(jobs);
  const sum = isDryRun ? credits.estimated : credits.used;
  const heads = ['jobs', ...states.map(({ state }) => stateWord(state))];
  const values = [jobs.length, ...states.map(({ count }) => count)].map(String);
  if (sum !== null) {
    heads.push(isDryRun ? 'estimated credits' : 'credits');
    values.push(formatCredits(sum));
  }
  return [...tableHead(heads, '--:'), row(values)];
}

function formatName(job: JobReport, { folder, hasLinks = true }: MarkdownOptions): string {
  const clip = savedClip(job);
  const name = escapeMarkdown(job.name);
  if (clip === null || !hasLinks) return name;
  // Parentheses end a link, and a bar ends a cell; neither is touched by the URL encoding of a path.
  const address = clipAddress(folder, clip).replace(
    /[()|]/g,
    (char) => `%${char.charCodeAt(0).toString(16)}`,
  );
  return `[${name}](${address})`;
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
