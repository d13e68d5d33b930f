import { toHumanPath } from './human-path.ts';
import { displayWidth, padToWidth, truncateToWidth } from './width.ts';

export interface TableColumn {
  readonly header: string;
  /** Numbers stand at the right. */
  readonly align?: 'left' | 'right' | undefined;
}

/** Made one harmless line of text before it is measured, so cells may hold what others wrote; the style is put on after. */
export type TableCell = string | { readonly text: string; readonly style: (text: string) => string };

export interface TableOptions {
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
