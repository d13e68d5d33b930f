import type * as z from 'zod/mini';
import { sanitizeServerText, toHumanPath } from '../platform/text.ts';
import { stateWord } from '../report/states.ts';
import type { taskRow } from './documents.ts';
import { formatCredits, formatLocalTime, formatPercent, formatRelative } from './format.ts';
import { formatTable, truncateToWidth, wrapToWidth } from './table.ts';

/** One task of `evolink status`, `history` and `show`, as documents have it. */
export type TaskRow = z.output<typeof taskRow>;

type Columns = Readonly<Record<string, (row: TaskRow, nowMs: number) => string>>;

const LINK_ENDS_SOON_MS = 2 * 3_600_000;

const describeCredits = ({ credits }: TaskRow): string => (credits === null ? '' : formatCredits(credits));
const describePrompt = ({ prompt }: TaskRow): string => sanitizeServerText(prompt ?? '');
/** Its id stands beside it. */
const describeNote = ({ note, error, id }: TaskRow): string =>
  sanitizeServerText((note ?? error ?? '').replace(`task ${id} `, ''));

const COLUMNS: Readonly<Record<'status' | 'history', Columns>> = {
  status: {
    ID: ({ id }) => id,
    STATE: describeState,
    DONE: ({ progress_percent: percent }) => (percent === null ? '' : formatPercent(percent)),
    CREDITS: describeCredits,
    CREATED: ({ created_at }, nowMs) => formatRelative(Date.parse(created_at), nowMs),
    LINK: describeLink,
    CLIP: (row) => describePath(row) ?? describePrompt(row),
    NOTE: describeNote,
  },
  history: {
    TIME: ({ created_at }) => formatLocalTime(Date.parse(created_at)),
    STATE: describeState,
    CREDITS: describeCredits,
    CLIP: ({ duration, quality, aspect_ratio: ratio }) =>
      [duration === null ? '' : `${duration} s`, quality, ratio].filter(Boolean).join(' '),
    ID: ({ id }) => id,
    PATH: (row) => describePath(row) ?? '',
    PROMPT: describePrompt,
    NOTE: describeNote,
  },
};

export function describePath({ path, missing }: Pick<TaskRow, 'path' | 'missing'>): string | undefined {
  return path === null ? undefined : `${path}${missing ? ' (gone)' : ''}`;
}

/**
 * The tasks as a table, or as blocks on a narrow screen. Ends in a newline; empty without rows.
 * @param width of the screen; absent where nothing may be cut (a pipe, a file)
 */
export function formatTasks(
  rows: readonly TaskRow[],
  name: keyof typeof COLUMNS,
  nowMs: number,
  width = Number.POSITIVE_INFINITY,
): string {
  const columns = Object.entries(COLUMNS[name]);
  const table = formatTable(
    columns.map(([header]) => header),
    rows.map((row) => columns.map(([, cell]) => cell(row, nowMs))),
    width,
  );
  if (table !== '') return table;
  const formatBlock = (row: TaskRow): string => {
    const lines = columns.flatMap(([header, cell]) => {
      const value = cell(row, nowMs);
      if (value === '') return [];
      const line = `  ${header.toLowerCase()}: ${toHumanPath(value)}`;
      // A path stays whole, to be copied; a prompt is only there to be recognised.
      if (value === describePath(row)) return line;
      return value === describePrompt(row) ? truncateToWidth(line, width, '...') : wrapToWidth(line, width);
    });
    return `${lines.join('\n').trimStart()}\n`;
  };
  return rows.map(formatBlock).join('');
}

/** Unsaved clips whose link ends first come first. */
export function sortByUrgency(rows: readonly TaskRow[]): TaskRow[] {
  // ISO times sort as text; one without a deadline comes behind all.
  const rankOf = (row: TaskRow) =>
    `${(row.state === 'saved' ? null : row.link_expires_at) ?? '9999'} ${row.created_at}`;
  return rows.toSorted((a, b) => rankOf(a).localeCompare(rankOf(b)));
}

/** The service's own word stands beside ours where it says more: `pending (queued)`. */
export function describeState({ state, status }: Pick<TaskRow, 'state' | 'status'>): string {
  const isPlain = state !== 'pending' || status === 'pending' || status === 'accepted';
  return isPlain ? stateWord(state) : `${state} (${sanitizeServerText(status)})`;
}

/** Marked where less than two hours are left. */
function describeLink({ link_expires_at: expiresAt, state }: TaskRow, nowMs: number): string {
  if (expiresAt === null || state === 'saved') return '';
  const leftMs = Date.parse(expiresAt) - nowMs;
  if (leftMs <= 0) return 'expired';
  return `${leftMs < LINK_ENDS_SOON_MS ? '! ' : ''}expires ${formatRelative(nowMs + leftMs, nowMs)}`;
}
