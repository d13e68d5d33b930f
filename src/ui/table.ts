import stringWidth from 'fast-string-width';
import { toHumanPath } from '../platform/text.ts';

/** Columns that a text takes on a terminal: East Asian wide characters and emoji count two. */
export function displayWidth(text: string): number {
  return stringWidth(text);
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

/** Fills up with spaces to `columns`; longer texts stay as they are. */
export function padToWidth(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, columns - displayWidth(text)));
  return align === 'right' ? space + text : text + space;
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

interface TableOptions {
  /** Columns of the screen; absent = no limit, nothing is cut. */
  readonly width?: number | undefined;
  readonly ellipsis?: string | undefined;
  readonly headerStyle?: ((text: string) => string) | undefined;
}

const GAP = '  ';
const SMALLEST_LAST_COLUMN = 8;

/**
 * Lays rows out under headers. Only the last column shrinks, down to eight columns: the others hold ids and numbers,
 * which are worth more whole than a straight edge. Returns lines joined by newlines, without a final one.
 */
export function formatTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly TableCell[])[],
  options: TableOptions = {},
): string {
  const headers = columns.map((column) => column.header);
  const clean = rows.map((row) => row.map(cleanCell));
  const widths = measureColumns([headers, ...clean], options.width);
  const formatRow = (cells: readonly TableCell[]): string =>
    columns
      .map((column, index) => formatCell(cells[index] ?? '', { column, width: widths[index] ?? 0, options }))
      .join(GAP)
      .trimEnd();
  const styledHeaders = headers.map((text) => ({
    text,
    style: options.headerStyle ?? ((same: string) => same),
  }));
  return [styledHeaders, ...clean].map(formatRow).join('\n');
}

/** The width a table needs to show everything whole. */
export function measureTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly TableCell[])[],
): number {
  const clean = rows.map((row) => row.map(cleanCell));
  const widths = measureColumns([columns.map((column) => column.header), ...clean], undefined);
  return widths.reduce((sum, width) => sum + width, 0) + GAP.length * Math.max(0, widths.length - 1);
}

function measureColumns(rows: readonly (readonly TableCell[])[], limit: number | undefined): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, displayWidth(textOf(cell)));
    });
  }
  const last = widths.length - 1;
  const lastWidth = widths[last];
  if (limit === undefined || lastWidth === undefined) return widths;
  const fixed = widths.slice(0, last).reduce((sum, width) => sum + width + GAP.length, 0);
  widths[last] = Math.min(lastWidth, Math.max(SMALLEST_LAST_COLUMN, limit - fixed));
  return widths;
}

function formatCell(
  cell: TableCell,
  layout: { column: TableColumn; width: number; options: TableOptions },
): string {
  const text = truncateToWidth(textOf(cell), layout.width, layout.options.ellipsis);
  const shown = typeof cell === 'string' ? text : cell.style(text);
  const space = padToWidth('', layout.width - displayWidth(text));
  return layout.column.align === 'right' ? space + shown : shown + space;
}

function cleanCell(cell: TableCell): TableCell {
  return typeof cell === 'string' ? toHumanPath(cell) : { ...cell, text: toHumanPath(cell.text) };
}

function textOf(cell: TableCell): string {
  return typeof cell === 'string' ? cell : cell.text;
}
