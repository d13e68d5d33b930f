import type * as z from 'zod/mini';
import { sanitizeServerText, toHumanPath } from '../platform/text.ts';
import { recordWord, stateWord } from '../report/states.ts';
import type { InMemory } from '../task/events.ts';
import { type DocumentBody, fill, statusRow } from './documents.ts';
import { formatCredits, formatPercent, formatRelative } from './format.ts';
import {
  formatTable,
  isTooNarrow,
  type TableCell,
  type TableColumn,
  truncateToWidth,
  wrapToWidth,
} from './table.ts';
import type { Theme } from './theme.ts';

/** One task of `evolink status`: `state` is the journal's word, `status` the service's. */
export type StatusRow = InMemory<z.output<typeof statusRow>>;

interface StatusViewOptions {
  /** Wall time, ms. */
  readonly now: number;
  /** Width of the screen; absent where nothing may be cut (a pipe, a file). */
  readonly columns?: number | undefined;
  readonly theme: Theme;
}

const LINK_ENDS_SOON_MS = 2 * 3_600_000;
/** With less room than this for the prompt a table is of no use: one block a task instead. */
const SMALLEST_TEXT_COLUMN = 16;

const COLUMNS: readonly TableColumn[] = [
  { header: 'ID' },
  { header: 'STATE' },
  { header: 'DONE', align: 'right' },
  { header: 'CREDITS', align: 'right' },
  { header: 'CREATED' },
  { header: 'LINK' },
  { header: 'CLIP' },
];

/**
 * The tasks as a table, or as blocks on a narrow screen; unsaved clips whose link ends first come first, those with
 * less than two hours left are marked. Ends in a newline; empty without rows.
 */
export function formatStatus(rows: readonly StatusRow[], options: StatusViewOptions): string {
  if (rows.length === 0) return '';
  const { columns: width, theme } = options;
  const sorted = sortByUrgency(rows);
  const cells = sorted.map((row) => toCells(row, options));
  if (width !== undefined && isTooNarrow(COLUMNS, cells, { width, smallest: SMALLEST_TEXT_COLUMN }))
    return sorted.map((row) => formatBlock(row, { ...options, columns: width })).join('');
  const style = { width, ellipsis: theme.symbols.ellipsis, headerStyle: theme.dim };
  return `${formatTable(COLUMNS, cells, style)}\n`;
}

/** The document of `evolink status`, in the same order. */
export function toStatusDocument(rows: readonly StatusRow[]): DocumentBody<'status'> {
  const tasks = sortByUrgency(rows).map((row) =>
    fill(statusRow.shape, { ...row, state: recordWord(row.state, row.status) }),
  );
  return { tasks };
}

function sortByUrgency(rows: readonly StatusRow[]): StatusRow[] {
  return rows.toSorted((a, b) => deadlineOf(a) - deadlineOf(b) || a.createdAtMs - b.createdAtMs);
}

function deadlineOf(row: StatusRow): number {
  // Not Infinity, whose difference with itself is no number.
  return row.state === 'saved' ? Number.MAX_VALUE : (row.linkExpiresAtMs ?? Number.MAX_VALUE);
}

function toCells(row: StatusRow, { now, theme }: StatusViewOptions): TableCell[] {
  return [
    sanitizeServerText(row.id),
    describeState(row),
    row.progressPercent === undefined ? '' : formatPercent(row.progressPercent),
    row.credits === undefined ? '' : formatCredits(row.credits),
    formatRelative(row.createdAtMs, now),
    describeLink(row, now, theme),
    describeClip(row),
  ];
}

function formatBlock(row: StatusRow, options: StatusViewOptions & { columns: number }): string {
  const { columns, theme } = options;
  const [id = '', state, done, credits, , link = '', clip = ''] = toCells(row, options);
  const facts = [state, done, credits === '' ? '' : `${credits} credits`].filter((fact) => fact !== '');
  const linkText = typeof link === 'string' ? link : link.style(link.text);
  const lines = [
    id,
    wrapToWidth(`  ${facts.join(', ')}`, columns),
    linkText && `  link: ${linkText}`,
    // A path stays whole, to be copied; a prompt is only there to be recognised.
    clip &&
      (row.path === undefined ? truncateToWidth(`  ${clip}`, columns, theme.symbols.ellipsis) : `  ${clip}`),
  ];
  return lines.flatMap((line) => (line === '' ? [] : [`${line}\n`])).join('');
}

/** The service's own word stands beside ours where it says more: `pending (queued)`. */
function describeState({ state, status }: StatusRow): string {
  const word = recordWord(state, status);
  const isPlain = state !== 'accepted' || word === 'running' || status === word || status === state;
  return isPlain ? stateWord(word) : `${word} (${sanitizeServerText(status)})`;
}

function describeLink({ linkExpiresAtMs, state }: StatusRow, nowMs: number, theme: Theme): TableCell {
  if (linkExpiresAtMs === undefined || state === 'saved') return '';
  if (linkExpiresAtMs <= nowMs) return { text: 'expired', style: theme.error };
  const text = `expires ${formatRelative(linkExpiresAtMs, nowMs)}`;
  return linkExpiresAtMs - nowMs < LINK_ENDS_SOON_MS ? { text: `! ${text}`, style: theme.warning } : text;
}

function describeClip({ path, prompt = '', note = '' }: StatusRow): string {
  const clip = path === undefined ? sanitizeServerText(prompt) : toHumanPath(path);
  return [sanitizeServerText(note), clip].filter((part) => part !== '').join(': ');
}
