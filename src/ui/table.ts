import stringWidth from 'fast-string-width';
import { isPlain, toHumanPath } from '../platform/text.ts';

/** Columns that a text takes on a terminal: East Asian wide characters and emoji count two. */
export function displayWidth(text: string): number {
  return isPlain(text) ? text.length : stringWidth(text);
}

/**
 * Cuts a text (without escape sequences) to at most `columns`, ending in the ellipsis where something was cut.
 * Whole graphemes only: a wide character that does not fit is left out, so the result may be one column short.
 */
export function truncateToWidth(text: string, columns: number, ellipsis = '…'): string {
  if (displayWidth(text) <= columns) return text;
  const room = columns - displayWidth(ellipsis);
  if (room < 0) return takeColumns(ellipsis, columns);
  return takeColumns(text, room).trimEnd() + ellipsis;
}

/** Cuts or fills up with spaces to `columns`. */
export function fitToWidth(text: string, columns: number, ellipsis?: string): string {
  const shown = truncateToWidth(text, columns, ellipsis);
  return shown + ' '.repeat(Math.max(0, columns - displayWidth(shown)));
}

/**
 * Breaks a line at spaces so that it takes at most `columns`; the lines that follow are indented two more than the
 * first. A word that is longer than a line is left to the terminal, so that it can be copied whole.
 */
export function wrapToWidth(text: string, columns: number): string {
  const [start = ''] = /^ */.exec(text) ?? [];
  const indent = `${start}  `;
  const lines: string[] = [];
  let line: string | undefined;
  for (const word of text.slice(start.length).split(' ')) {
    const longer: string = line === undefined ? start + word : `${line} ${word}`;
    if (line === undefined || displayWidth(longer) <= columns) {
      line = longer;
      continue;
    }
    lines.push(line);
    line = displayWidth(indent + word) <= columns ? indent + word : word;
  }
  return [...lines, line].join('\n');
}

function takeColumns(text: string, columns: number): string {
  let taken = '';
  let used = 0;
  // Made here, as it takes milliseconds and few texts are cut.
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    const width = displayWidth(segment);
    if (used + width > columns) break;
    taken += segment;
    used += width;
  }
  return taken;
}

export interface TableColumn {
  readonly header: string;
  /** Numbers stand at the right. */
  readonly align?: 'left' | 'right' | undefined;
}

/** Made one harmless line of text before it is measured, so cells may hold what others wrote; the style is put on after. */
export type TableCell = string | { readonly text: string; readonly style: (text: string) => string };

const GAP = '  ';
const SMALLEST_LAST_COLUMN = 8;

function toCell(cell: TableCell = '') {
  const { text, style } = typeof cell === 'string' ? { text: cell, style: (shown: string) => shown } : cell;
  return { text: toHumanPath(text), style };
}

/**
 * Lays rows out under headers. Only the last column shrinks, down to eight columns: the others hold ids and numbers,
 * which are worth more whole than a straight edge. Returns lines joined by newlines, without a final one.
 * @param width of the screen; absent = no limit, nothing is cut
 */
export function formatTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly TableCell[])[],
  {
    width,
    ellipsis,
    headerStyle,
  }: {
    readonly width?: number | undefined;
    readonly ellipsis?: string | undefined;
    readonly headerStyle?: ((text: string) => string) | undefined;
  } = {},
): string {
  const head = columns.map(({ header: text }) => ({
    text,
    style: headerStyle ?? ((shown: string) => shown),
  }));
  const lines = [head, ...rows].map((cells) => columns.map((_, index) => toCell(cells[index])));
  const widths = measure(lines);
  const last = widths.pop() ?? 0;
  const room = width === undefined ? last : width - total(widths);
  widths.push(Math.min(last, Math.max(SMALLEST_LAST_COLUMN, room)));
  return lines
    .map((cells) =>
      cells
        .map(({ text, style }, index) => {
          const columnWidth = widths[index] ?? 0;
          const shown = truncateToWidth(text, columnWidth, ellipsis);
          const space = ' '.repeat(Math.max(0, columnWidth - displayWidth(shown)));
          return columns[index]?.align === 'right' ? space + style(shown) : style(shown) + space;
        })
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
}

/** Says whether the last column of a table would have less than `smallest` columns of the screen. */
export function isTooNarrow(
  columns: readonly TableColumn[],
  rows: readonly (readonly TableCell[])[],
  { width, smallest }: { readonly width: number | undefined; readonly smallest: number },
): boolean {
  const lines = [columns.map(({ header }) => header), ...rows].map((cells) => cells.slice(0, -1).map(toCell));
  return width !== undefined && width - total(measure(lines)) < smallest;
}

/** With the gap behind each column. */
function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width + GAP.length, 0);
}

function measure(lines: readonly (readonly { readonly text: string }[])[]): number[] {
  const widths: number[] = [];
  for (const line of lines)
    for (const [index, { text }] of line.entries())
      widths[index] = Math.max(widths[index] ?? 0, displayWidth(text));
  return widths;
}
