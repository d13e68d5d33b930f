import stringWidth from 'string-width';

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

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
  for (const { segment } of segmenter.segment(text)) {
    const width = displayWidth(segment);
    if (used + width > columns) break;
    taken += segment;
    used += width;
  }
  return taken;
}
