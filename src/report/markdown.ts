import { sanitizeServerText } from '../platform/text.ts';
import {
  creditWords,
  isDone,
  isTrouble,
  reasonLines,
  runEnd,
  runFlags,
  runTitle,
  runTotals,
  savedClip,
  settingWords,
} from './facts.ts';
import type { JobReport, RunReport } from './run-report.ts';
import { stateWord } from './states.ts';

const MAX_LENGTH = 2000;
const PROMPT_LENGTH = 120;
const ZERO_WIDTH_SPACE = '&#8203;';
/** Headings of the tables and the lines that count what is left out. */
const TABLE_HEADS_BYTES = 1024;

/**
 * Any text as a part of one line of GitHub-flavoured Markdown (a cell, a heading): shown as it is, and never a table cell, a tag, a link, an image, a
 * formula, a mention or a workflow command. Control, bidirectional and invisible characters are left out.
 */
export function escapeMarkdown(text: string, maxLength = MAX_LENGTH): string {
  return (
    sanitizeServerText(text, { maxLength })
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replace(/[\\`*_[\]#|~$]/g, '\\$&')
      // Addresses and names become links on GitHub even in plain text: https:, www., @name, name@host.
      .replace(/:(?=\/\/)/g, '&#58;')
      .replace(/\b(www)\./gi, `$1${ZERO_WIDTH_SPACE}.`)
      .replace(/@/g, `@${ZERO_WIDTH_SPACE}`)
      .replace(/::/g, ':&#58;')
      .replace(/:(?=\w+:)/g, '&#58;')
  );
}

/** The cells of each table, by their headings. */
type Columns = Readonly<Record<string, (job: JobReport, folder: string | undefined) => string>>;

const TROUBLES: Columns = {
  job: ({ name, file, line }) => `${escapeMarkdown(name)}<br>${escapeMarkdown(`${file}:${line}`)}`,
  reason: (job) => joinLines(reasonLines(job)),
};

const JOBS: Columns = {
  job: linkedName,
  state: (job) => `${markOf(job)} ${stateWord(job.state)}`,
  prompt: ({ prompt }) => escapeMarkdown(prompt ?? '', PROMPT_LENGTH),
  settings: (job) => escapeMarkdown(settingWords(job)),
  credits: (job) => creditWords(job) ?? '',
  warnings: ({ warnings }) => joinLines(warnings),
};

/**
 * The run as Markdown, for people and for the job summary of GitHub: totals, what failed and why, then every job.
 * @param place `folder`: absolute, of the report; absent where it does not stand beside the clips. `maxBytes`: rows are left
 * out, and counted in a last line, before the text grows past so many bytes of UTF-8
 */
export function formatMarkdownReport(
  report: RunReport,
  { folder, maxBytes = Infinity }: { readonly folder?: string; readonly maxBytes?: number },
): string {
  const { jobs, warnings } = report;
  const totals = runTotals(report);
  const lines = [
    `## ${escapeMarkdown(runTitle(report))}`,
    '',
    [...runFlags(report).map((flag) => `**${flag}**`), runEnd(report)].join(' · '),
    '',
    ...table(
      totals.map(([name]) => name),
      [row(totals.map(([, value]) => value))],
      '--:',
    ),
    '',
    ...reasonLines(report).map((line) => `> ❌ ${escapeMarkdown(line)}\n`),
    ...warnings.map((warning) => `> ⚠️ ${escapeMarkdown(warning)}\n`),
  ];
  let leftBytes = maxBytes - Buffer.byteLength(lines.join('\n')) - TABLE_HEADS_BYTES;
  const section = (title: string, all: readonly JobReport[], columns: Columns): void => {
    if (all.length === 0) return;
    const rows: string[] = [];
    for (const job of all) {
      const line = row(Object.values(columns).map((cell) => cell(job, folder)));
      leftBytes -= Buffer.byteLength(line) + 1;
      if (leftBytes < 0) break;
      rows.push(line);
    }
    lines.push(`### ${title}`, '', ...table(Object.keys(columns), rows), '');
    if (rows.length < all.length)
      lines.push(`…and ${all.length - rows.length} more: see the report files.`, '');
  };
  section('What needs attention', jobs.filter(isTrouble), TROUBLES);
  section('Jobs', jobs, JOBS);
  return `${lines.join('\n').trimEnd()}\n`;
}

function markOf(job: JobReport): string {
  if (isDone(job)) return '✅';
  if (job.state === 'running') return '⏳';
  return job.state === 'not_sent' ? '⏭️' : '❌';
}

function linkedName(job: JobReport, folder: string | undefined): string {
  const clip = folder === undefined ? undefined : savedClip(job, folder);
  const name = escapeMarkdown(job.name);
  // Parentheses end a link, and a bar ends a cell; neither is touched by the URL encoding of a path.
  const codeOf = (char: string) => `%${char.charCodeAt(0).toString(16)}`;
  return clip === undefined ? name : `[${name}](${clip.address.replace(/[()|]/g, codeOf)})`;
}

function joinLines(lines: readonly string[]): string {
  return lines.map((line) => escapeMarkdown(line)).join('<br>');
}

function table(heads: readonly string[], rows: readonly string[], rule = '---'): readonly string[] {
  return [row(heads), row(heads.map(() => rule)), ...rows];
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
