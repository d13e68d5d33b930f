import stringWidth from 'fast-string-width';
import { isPlain, toHumanPath } from '../platform/text.ts';
import type { Theme } from './theme.ts';

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

/** A number stays beside its unit: `3 s`, `1.5 MiB`, `20 credits`. */
const BREAK = / (?!(?:ms|s|min|h|d|[KMG]?i?B|bytes|px|fps|credits?|USD)\b)|(?<!\d) /;

/** A command that a text ends in, as in `to continue: evolink resume`. */
const COMMAND = /(?<=: )evolink .*$/;

/**
 * Breaks a line at spaces so that it takes at most `columns`; the lines that follow are indented two more than the
 * first. A word that is longer than a line is left to the terminal, so that it can be copied whole; so is a command at
 * the end.
 */
export function wrapToWidth(text: string, columns: number): string {
  const [start = ''] = /^ */.exec(text) ?? [];
  const indent = `${start}  `;
  const [command] = COMMAND.exec(text) ?? [];
  const prose = text.slice(start.length, command === undefined ? undefined : -command.length - 1);
  const lines: string[] = [];
  let line: string | undefined;
  for (const word of [...prose.split(BREAK), ...(command === undefined ? [] : [command])]) {
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
const SMALLEST_LAST_COLUMN = 16;
const plain = (text: string): string => text;

/**
 * Rows under headers, each line with its end. Only the last column gives way: the others hold ids and numbers, which are
 * worth more whole. Empty where it would have less than 16 columns.
 * @param width of the screen; absent: nothing is cut
 */
export function formatTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly TableCell[])[],
  { width = Number.POSITIVE_INFINITY, theme }: { width?: number | undefined; theme?: Theme } = {},
): string {
  const head = columns.map(({ header: text }) => ({ text, style: theme?.dim ?? plain }));
  const widths = columns.map(() => 0);
  const lines = [head, ...rows].map((cells) =>
    columns.map((_, index) => {
      const cell = cells[index] ?? '';
      const { text, style } = typeof cell === 'string' ? { text: cell, style: plain } : cell;
      const shown = toHumanPath(text);
      widths[index] = Math.max(widths[index] ?? 0, displayWidth(shown));
      return { shown, style };
    }),
  );
  const last = widths.pop() ?? 0;
  const room = widths.reduce((left, taken) => left - taken - GAP.length, width);
  if (room < SMALLEST_LAST_COLUMN) return '';
  widths.push(Math.min(last, room));
  const formatCell = ({ shown, style }: (typeof lines)[number][number], index: number): string => {
    const columnWidth = widths[index] ?? 0;
    const text = truncateToWidth(shown, columnWidth, theme?.symbols.ellipsis);
    const space = ' '.repeat(columnWidth - displayWidth(text));
    return columns[index]?.align === 'right' ? space + style(text) : style(text) + space;
  };
  return lines.map((cells) => `${cells.map(formatCell).join(GAP).trimEnd()}\n`).join('');
}
