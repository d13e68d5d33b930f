import type { Position } from '../config/yaml-problems.ts';

/** A cell (RFC 4180): spaces, quoted text if there is any, and the rest; a quote without its partner reaches to the end. */
const CELLS = {
  ',': /([ \t]*)(?:"[^"]*(?:""[^"]*)*(?:"|$))?[^,\r\n]*/y,
  ';': /([ \t]*)(?:"[^"]*(?:""[^"]*)*(?:"|$))?[^;\r\n]*/y,
  '\t': /( *)(?:"[^"]*(?:""[^"]*)*(?:"|$))?[^\t\r\n]*/y,
} as const;
export type CsvDelimiter = keyof typeof CELLS;
const BREAK = /\r\n|\r|\n/g;

/**
 * Where each cell of each record of a CSV text starts, spaces left out; empty lines are no records. The library that reads
 * the values knows lines only, and counts CRLF inside of quotes twice. Works its way through a broken text as well. Pure.
 */
export function findCsvCells(text: string, delimiter: CsvDelimiter = ','): readonly (readonly Position[])[] {
  const cellPattern = CELLS[delimiter];
  const records: (readonly Position[])[] = [];
  let cells: Position[] = [];
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  let line = 1;
  let lineStart = at;
  for (;;) {
    cellPattern.lastIndex = at;
    const [cell = '', spaces = ''] = cellPattern.exec(text) ?? [];
    cells.push({ line, column: at + spaces.length - lineStart + 1 });
    for (const { index, 0: mark } of cell.matchAll(BREAK)) {
      line += 1;
      lineStart = at + index + mark.length;
    }
    at += cell.length;
    const isLast = at >= text.length;
    if (!isLast && text[at] === delimiter) {
      at += 1;
      continue;
    }
    if (cells.length > 1 || cell.trim() !== '') records.push(cells);
    if (isLast) return records;
    at += text.startsWith('\r\n', at) ? 2 : 1;
    line += 1;
    lineStart = at;
    cells = [];
  }
}
