import { sanitizeServerText } from '../platform/text.ts';
import { formatCredits, formatDuration } from '../ui/format.ts';
import {
  clipAddress,
  countStates,
  creditWords,
  isTrouble,
  type JobReport,
  type JobState,
  type ReportPlace,
  type RunReport,
  reasonLines,
  runTitle,
  STATE_WORDS,
  savedClip,
  settingWords,
} from './run-report.ts';

const MAX_LENGTH = 2000;
const ZERO_WIDTH_SPACE = '&#8203;';

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

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

export interface MarkdownOptions extends Pick<ReportPlace, 'folder'> {
  /** Rows are left out, and counted in a last line, before the text grows past this many bytes of UTF-8. */
  readonly maxBytes?: number | undefined;
  /** False where the page does not stand beside the clips. Default true. */
  readonly hasLinks?: boolean | undefined;
}

const MARKS: Readonly<Record<JobState, string>> = {
  saved: '✅',
  'up-to-date': '✅',
  planned: '📝',
  submitted: '⏳',
  skipped: '⏭️',
  failed: '❌',
  invalid: '❌',
};
const PROMPT_LENGTH = 120;
const NEVER = Number.POSITIVE_INFINITY;

/** The run as Markdown, for people and for the job summary of GitHub: totals, what failed and why, then every job. */
export function formatMarkdownReport(report: RunReport, options: MarkdownOptions): string {
  const troubles = report.jobs.filter(isTrouble);
  const head = [
    `## ${escapeMarkdown(runTitle(report.files))}`,
    '',
    headline(report),
    '',
    ...formatTotals(report),
    ...reasonLines(report).map((line) => `> ❌ ${escapeMarkdown(line)}\n`),
    ...report.warnings.map((warning) => `> ⚠️ ${escapeMarkdown(warning)}\n`),
  ].join('\n');
  const budget = createBudget((options.maxBytes ?? NEVER) - Buffer.byteLength(head) - TABLE_HEADS_BYTES);
  const failures = formatFailures(troubles, budget);
  const jobs = formatJobs(report.jobs, options, budget);
  return `${[head, ...failures, ...jobs].join('\n').trimEnd()}\n`;
}

function headline(report: RunReport): string {
  const spent = formatDuration(report.endedAtMs - report.startedAtMs);
  const words = [
    ...(report.error === undefined ? [] : ['**refused**']),
    report.isDryRun || report.error !== undefined
      ? `${report.isDryRun ? '**dry run**: ' : ''}nothing was sent`
      : `took ${spent}`,
    ...(report.isSandbox ? ['**sandbox**: nothing was paid'] : []),
    ...(report.isStopped ? ['**stopped** before the end'] : []),
    ...(report.shard === undefined ? [] : [`shard ${report.shard.index}/${report.shard.count}`]),
  ];
  return words.join(' · ');
}

function formatTotals(report: RunReport): readonly string[] {
  const states = countStates(report.jobs);
  const credits = report.isDryRun ? report.credits.estimated : report.credits.used;
  const heads = ['jobs', ...states.map(({ state }) => STATE_WORDS[state])];
  const values = [report.jobs.length, ...states.map(({ count }) => count)].map(String);
  if (credits !== undefined) {
    heads.push(report.isDryRun ? 'estimated credits' : 'credits');
    values.push(formatCredits(credits));
  }
  return [...table(heads, [values], '--:'), ''];
}

function formatFailures(jobs: readonly JobReport[], budget: Budget): readonly string[] {
  if (jobs.length === 0) return [];
  const rows = budget.take(jobs, (job) => [
    `${escapeMarkdown(job.name)}<br>${escapeMarkdown(`${job.file}:${job.line}`)}`,
    reasonLines(job)
      .map((line) => escapeMarkdown(line))
      .join('<br>'),
  ]);
  return ['### What needs attention', '', ...table(['job', 'reason'], rows.kept, '---'), ...rows.rest, ''];
}

function formatJobs(jobs: readonly JobReport[], options: MarkdownOptions, budget: Budget): readonly string[] {
  if (jobs.length === 0) return [];
  const rows = budget.take(jobs, (job) => [
    formatName(job, options),
    `${MARKS[job.state]} ${STATE_WORDS[job.state]}`,
    escapeMarkdown(job.prompt ?? '', PROMPT_LENGTH),
    job.settings === undefined ? '' : escapeMarkdown(settingWords(job.settings).join(' · ')),
    creditWords(job, '') ?? '',
    formatWarnings(job),
  ]);
  const heads = ['job', 'state', 'prompt', 'settings', 'credits', 'warnings'];
  return ['### Jobs', '', ...table(heads, rows.kept, '---'), ...rows.rest, ''];
}

function formatName(job: JobReport, { folder, hasLinks = true }: MarkdownOptions): string {
  const clip = savedClip(job);
  const name = escapeMarkdown(job.name);
  if (clip === undefined || !hasLinks) return name;
  // Parentheses end a link, and a bar ends a cell; neither is touched by the URL encoding of a path.
  const address = clipAddress(folder, clip).replace(
    /[()|]/g,
    (char) => `%${char.charCodeAt(0).toString(16)}`,
  );
  return `[${name}](${address})`;
}

function formatWarnings({ warnings }: JobReport): string {
  return warnings.map((warning) => escapeMarkdown(warning)).join('<br>');
}

function table(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  rule: string,
): readonly string[] {
  return [row(heads), row(heads.map(() => rule)), ...rows.map(row)];
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

interface Budget {
  /** As many rows as fit, and a line that counts the others. */
  take(
    jobs: readonly JobReport[],
    format: (job: JobReport) => readonly string[],
  ): { readonly kept: readonly (readonly string[])[]; readonly rest: readonly string[] };
}

/** Headings of the tables and the lines that count what is left out. */
const TABLE_HEADS_BYTES = 1024;

function createBudget(maxBytes: number): Budget {
  let leftBytes = maxBytes;
  return {
    take(jobs, format) {
      const kept: (readonly string[])[] = [];
      for (const job of jobs) {
        const cells = format(job);
        leftBytes -= Buffer.byteLength(row(cells)) + 1;
        if (leftBytes < 0) break;
        kept.push(cells);
      }
      const left = jobs.length - kept.length;
      return { kept, rest: left === 0 ? [] : ['', `…and ${left} more: see the report files.`] };
    },
  };
}
