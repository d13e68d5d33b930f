import type * as z from 'zod/mini';
import { sanitizeServerText, toHumanPath } from '../platform/text.ts';
import { recordWord, stateWord } from '../report/states.ts';
import type { InMemory } from '../task/events.ts';
import { fill, taskRow } from './documents.ts';
import { formatCredits, formatLocalTime, formatPercent, formatRelative } from './format.ts';
import {
  formatTable,
  isTooNarrow,
  type TableCell,
  type TableColumn,
  truncateToWidth,
  wrapToWidth,
} from './table.ts';
import type { Theme } from './theme.ts';

/** One task of `evolink status`, `history` and `show`: `state` is the journal's word, `status` the service's. */
export type TaskRow = InMemory<z.output<typeof taskRow>>;

interface View {
  /** Wall time, ms. */
  readonly now: number;
  /** Width of the screen; absent where nothing may be cut (a pipe, a file). */
  readonly columns?: number | undefined;
  readonly theme: Theme;
}

interface Column extends TableColumn {
  readonly cell: (row: TaskRow, view: View) => TableCell;
  /** On a narrow screen: a line of its own, cut to the width unless it is a path. */
  readonly isLine?: boolean;
  /** What stands behind or before the value there. */
  readonly unit?: string;
  readonly label?: string;
}

const LINK_ENDS_SOON_MS = 2 * 3_600_000;
/** With less room than this for the last column a table is of no use: one block a task instead. */
const SMALLEST_TEXT_COLUMN = 16;

const id: Column = { header: 'ID', cell: (row) => sanitizeServerText(row.id), isLine: true };
const state: Column = { header: 'STATE', cell: describeState };
const credits: Column = {
  header: 'CREDITS',
  align: 'right',
  cell: (row) => (row.credits === undefined ? '' : formatCredits(row.credits)),
  unit: ' credits',
};
const note: Column = {
  header: 'NOTE',
  // Its id stands beside it.
  cell: (row) => sanitizeServerText((row.note ?? row.error ?? '').replace(`task ${row.id} `, '')),
  isLine: true,
};
const path = (row: TaskRow) =>
  row.path === undefined ? '' : `${toHumanPath(row.path)}${row.isMissing === true ? ' (gone)' : ''}`;

export const STATUS_COLUMNS: readonly Column[] = [
  id,
  state,
  {
    header: 'DONE',
    align: 'right',
    cell: ({ progressPercent }) => (progressPercent === undefined ? '' : formatPercent(progressPercent)),
  },
  credits,
  { header: 'CREATED', cell: ({ createdAtMs }, { now }) => formatRelative(createdAtMs, now) },
  { header: 'LINK', cell: describeLink, isLine: true, label: 'link: ' },
  {
    header: 'CLIP',
    cell: (row) => path(row) || sanitizeServerText(row.prompt ?? ''),
    isLine: true,
  },
  note,
];

export const HISTORY_COLUMNS: readonly Column[] = [
  { header: 'TIME', cell: ({ createdAtMs }) => formatLocalTime(createdAtMs) },
  state,
  credits,
  {
    header: 'CLIP',
    cell: ({ duration, quality, aspectRatio }) =>
      [duration === undefined ? '' : `${duration} s`, quality, aspectRatio].filter(Boolean).join(' '),
  },
  id,
  { header: 'PATH', cell: path, isLine: true },
  { header: 'PROMPT', cell: (row) => sanitizeServerText(row.prompt ?? ''), isLine: true },
  note,
];

/** The tasks as a table, or as blocks on a narrow screen. Ends in a newline; empty without rows. */
export function formatTasks(rows: readonly TaskRow[], all: readonly Column[], view: View): string {
  if (rows.length === 0) return '';
  const hasNotes = rows.some((row) => note.cell(row, view) !== '');
  const columns = all.filter((column) => hasNotes || column !== note);
  const { columns: width, theme } = view;
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row, view)));
  if (width !== undefined && isTooNarrow(columns, cells, { width, smallest: SMALLEST_TEXT_COLUMN }))
    return rows.map((row) => formatBlock(row, columns, { ...view, columns: width })).join('');
  const style = { width, ellipsis: theme.symbols.ellipsis, headerStyle: theme.dim };
  return `${formatTable(columns, cells, style)}\n`;
}

/** The id on a line of its own, then what is short in one line, then what is long. */
function formatBlock(
  row: TaskRow,
  columns: readonly Column[],
  view: View & { readonly columns: number },
): string {
  const facts: string[] = [];
  const lines: string[] = [];
  for (const column of columns) {
    const cell = column.cell(row, view);
    const value = typeof cell === 'string' ? cell : cell.style(cell.text);
    if (value === '' || column === id) continue;
    const line = `${column.label ?? ''}${value}${column.unit ?? ''}`;
    if (column.isLine !== true) facts.push(line);
    else if (column === note) lines.push(wrapToWidth(`  ${line}`, view.columns));
    // A path stays whole, to be copied; a prompt is only there to be recognised.
    else
      lines.push(
        row.path !== undefined && value.includes(toHumanPath(row.path)) ? `  ${line}` : truncate(line),
      );
  }
  function truncate(line: string): string {
    return truncateToWidth(`  ${line}`, view.columns, view.theme.symbols.ellipsis);
  }
  const short = wrapToWidth(`  ${facts.join(', ')}`, view.columns);
  return [sanitizeServerText(row.id), short, ...lines].map((line) => `${line}\n`).join('');
}

/** As documents have it, with the words that people read, too. */
export function toTaskDocument(row: TaskRow) {
  return fill(taskRow.shape, { ...row, state: recordWord(row.state, row.status) });
}

/** Unsaved clips whose link ends first come first. */
export function sortByUrgency(rows: readonly TaskRow[]): readonly TaskRow[] {
  // Not Infinity, whose difference with itself is no number.
  const deadlineOf = (row: TaskRow) =>
    row.state === 'saved' ? Number.MAX_VALUE : (row.linkExpiresAtMs ?? Number.MAX_VALUE);
  return rows.toSorted((a, b) => deadlineOf(a) - deadlineOf(b) || a.createdAtMs - b.createdAtMs);
}

/** The service's own word stands beside ours where it says more: `pending (queued)`. */
export function describeState({ state, status }: Pick<TaskRow, 'state' | 'status'>): string {
  const word = recordWord(state, status);
  const isPlain = state !== 'accepted' || word === 'running' || status === word || status === state;
  return isPlain ? stateWord(word) : `${word} (${sanitizeServerText(status)})`;
}

/** Marked where less than two hours are left. */
function describeLink({ linkExpiresAtMs, state }: TaskRow, { now, theme }: View): TableCell {
  if (linkExpiresAtMs === undefined || state === 'saved') return '';
  if (linkExpiresAtMs <= now) return { text: 'expired', style: theme.error };
  const text = `expires ${formatRelative(linkExpiresAtMs, now)}`;
  return linkExpiresAtMs - now < LINK_ENDS_SOON_MS ? { text: `! ${text}`, style: theme.warning } : text;
}
