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
  let room = columns - displayWidth(ellipsis);
  if (room < 0) return '';
  let taken = '';
  // Made here, as it takes milliseconds and few texts are cut.
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    room -= displayWidth(segment);
    if (room < 0) break;
    taken += segment;
  }
  return taken.trimEnd() + ellipsis;
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

const GAP = '  ';
const SMALLEST_LAST_COLUMN = 16;

/**
 * Rows under headers, each line with its end; cells may hold what others wrote. Columns without a value are left out, and
 * numbers stand at the right. Only the last column gives way: the others hold ids and numbers, which are worth more whole.
 * Empty where it would have less than 16 columns, and without rows.
 * @param width of the screen; absent: nothing is cut
 */
export function formatTable(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  width = Number.POSITIVE_INFINITY,
): string {
  if (rows.length === 0) return '';
  const columns = headers.flatMap((header, index) => {
    const cells = rows.map((row) => toHumanPath(row[index] ?? ''));
    if (cells.every((cell) => cell === '')) return [];
    const isNumeric = cells.every((cell) => /^[\d.]*%?$/.test(cell));
    const columnWidth = cells.reduce(
      (most, cell) => Math.max(most, displayWidth(cell)),
      displayWidth(header),
    );
    return [{ cells: [header, ...cells], isNumeric, columnWidth }];
  });
  const others = columns.slice(0, -1).reduce((sum, each) => sum + each.columnWidth + GAP.length, 0);
  if (width - others < SMALLEST_LAST_COLUMN) return '';
  const lineAt = (at: number): string =>
    columns
      .map(({ cells, isNumeric, columnWidth }, index) => {
        const isLast = index === columns.length - 1;
        const text = truncateToWidth(cells[at] ?? '', isLast ? width - others : columnWidth, '...');
        const space = ' '.repeat(Math.max(0, columnWidth - displayWidth(text)));
        return isNumeric ? space + text : text + space;
      })
      .join(GAP);
  return [headers, ...rows].map((_, at) => `${lineAt(at).trimEnd()}\n`).join('');
}
