import type * as z from 'zod/mini';
import { sanitizeServerText, toHumanPath } from '../platform/text.ts';
import { stateWord } from '../report/states.ts';
import type { taskRow } from './documents.ts';
import { formatCredits, formatLocalTime, formatPercent, formatRelative } from './format.ts';
import { formatTable, type TableCell, type TableColumn, truncateToWidth, wrapToWidth } from './table.ts';
import type { Theme } from './theme.ts';

/** One task of `evolink status`, `history` and `show`, as documents have it. */
export type TaskRow = z.output<typeof taskRow>;

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

const id: Column = { header: 'ID', cell: (row) => sanitizeServerText(row.id), isLine: true };
const state: Column = { header: 'STATE', cell: describeState };
const credits: Column = {
  header: 'CREDITS',
  align: 'right',
  cell: (row) => (row.credits === null ? '' : formatCredits(row.credits)),
  unit: ' credits',
};
const note: Column = {
  header: 'NOTE',
  // Its id stands beside it.
  cell: (row) => sanitizeServerText((row.note ?? row.error ?? '').replace(`task ${row.id} `, '')),
  isLine: true,
};

const COLUMNS: Readonly<Record<'status' | 'history', readonly Column[]>> = {
  status: [
    id,
    state,
    {
      header: 'DONE',
      align: 'right',
      cell: ({ progress_percent: percent }) => (percent === null ? '' : formatPercent(percent)),
    },
    credits,
    { header: 'CREATED', cell: (row, { now }) => formatRelative(Date.parse(row.created_at), now) },
    { header: 'LINK', cell: describeLink, isLine: true, label: 'link: ' },
    {
      header: 'CLIP',
      cell: (row) => describePath(row) ?? sanitizeServerText(row.prompt ?? ''),
      isLine: true,
    },
    note,
  ],
  history: [
    { header: 'TIME', cell: (row) => formatLocalTime(Date.parse(row.created_at)) },
    state,
    credits,
    {
      header: 'CLIP',
      cell: ({ duration, quality, aspect_ratio: ratio }) =>
        [duration === null ? '' : `${duration} s`, quality, ratio].filter(Boolean).join(' '),
    },
    id,
    { header: 'PATH', cell: (row) => describePath(row) ?? '', isLine: true },
    { header: 'PROMPT', cell: (row) => sanitizeServerText(row.prompt ?? ''), isLine: true },
    note,
  ],
};

export function describePath({ path, missing }: Pick<TaskRow, 'path' | 'missing'>): string | undefined {
  return path === null ? undefined : `${toHumanPath(path)}${missing ? ' (gone)' : ''}`;
}

/** The tasks as a table, or as blocks on a narrow screen. Ends in a newline; empty without rows. */
export function formatTasks(rows: readonly TaskRow[], name: keyof typeof COLUMNS, view: View): string {
  if (rows.length === 0) return '';
  const hasNotes = rows.some((row) => note.cell(row, view) !== '');
  const columns = COLUMNS[name].filter((column) => hasNotes || column !== note);
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row, view)));
  const table = formatTable(columns, cells, { width: view.columns, theme: view.theme });
  return table || rows.map((row) => formatBlock(row, columns, view)).join('');
}

/** The id on a line of its own, then what is short in one line, then what is long. */
function formatBlock(row: TaskRow, columns: readonly Column[], view: View): string {
  const { columns: width = 0, theme } = view;
  const shown = columns.flatMap((column) => {
    const cell = column.cell(row, view);
    const value = typeof cell === 'string' ? cell : cell.style(cell.text);
    const text = `${column.label ?? ''}${value}${column.unit ?? ''}`;
    return value === '' || column === id ? [] : [{ column, value, text }];
  });
  const facts = shown.flatMap(({ column, text }) => (column.isLine === true ? [] : text)).join(', ');
  const lines = shown.flatMap(({ column, value, text }) => {
    if (column.isLine !== true) return [];
    if (column === note) return wrapToWidth(`  ${text}`, width);
    // A path stays whole, to be copied; a prompt is only there to be recognised.
    const isPath = value === describePath(row);
    return isPath ? `  ${text}` : truncateToWidth(`  ${text}`, width, theme.symbols.ellipsis);
  });
  return [sanitizeServerText(row.id), wrapToWidth(`  ${facts}`, width), ...lines, ''].join('\n');
}

/** Unsaved clips whose link ends first come first. */
export function sortByUrgency(rows: readonly TaskRow[]): TaskRow[] {
  // ISO times sort as text; one without a deadline comes behind all.
  const rankOf = (row: TaskRow) =>
    `${(row.state === 'saved' ? null : row.link_expires_at) ?? '~'} ${row.created_at}`;
  return rows.toSorted((a, b) => Number(rankOf(a) > rankOf(b)) - Number(rankOf(a) < rankOf(b)));
}

/** The service's own word stands beside ours where it says more: `pending (queued)`. */
export function describeState({ state, status }: Pick<TaskRow, 'state' | 'status'>): string {
  const isPlain = state !== 'pending' || status === 'pending' || status === 'accepted';
  return isPlain ? stateWord(state) : `${state} (${sanitizeServerText(status)})`;
}

/** Marked where less than two hours are left. */
function describeLink({ link_expires_at: expiresAt, state }: TaskRow, { now, theme }: View): TableCell {
  if (expiresAt === null || state === 'saved') return '';
  const leftMs = Date.parse(expiresAt) - now;
  if (leftMs <= 0) return { text: 'expired', style: theme.error };
  const text = `expires ${formatRelative(now + leftMs, now)}`;
  return leftMs < LINK_ENDS_SOON_MS ? { text: `! ${text}`, style: theme.warning } : text;
}
