import { CsvError, parse } from 'csv-parse/sync';
import { describeValue } from '../request/describe-value.ts';
import type { Problem } from '../request/types.ts';
import { type CsvDelimiter, findCsvCells } from './csv-cells.ts';
import type { RowsReading } from './read-rows.ts';
import { columnProblem } from './row-columns.ts';

/** CSV (RFC 4180), also with the `;` or tabs that spreadsheets write in many countries: the first line names the columns; empty lines are left out; all values are text. Pure. */
export function readCsvRows(text: string, label: string): RowsReading {
  const delimiter = delimiterOf(text);
  const places = createPlaces(text, label, delimiter);
  try {
    const records: readonly (readonly string[])[] = parse(text, {
      bom: true,
      delimiter,
      skip_empty_lines: true,
      trim: true,
      relax_column_count: false,
    });
    return toRows(records, places);
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return { rows: [], problems: [{ source: places.ofError(error), message: describeError(error) }] };
  }
}

/** What separates the names of columns in the first line, outside of quotes; a comma wins. */
function delimiterOf(text: string): CsvDelimiter {
  const [header = ''] = text.replace(/^\uFEFF?\s*/, '').split(/[\r\n]/, 1);
  const bare = header.replace(/"[^"]*"/g, '');
  if (bare.includes(',')) return ',';
  return bare.includes(';') ? ';' : bare.includes('\t') ? '\t' : ',';
}

function toRows([header, ...records]: readonly (readonly string[])[], places: CsvPlaces): RowsReading {
  if (header === undefined) return { rows: [], problems: [] };
  const problems = header.flatMap((name, index): Problem[] => {
    const message = columnProblem(name, header.indexOf(name) !== index);
    const source = `column ${index + 1} (${places.ofCell(0, index)})`;
    return message === undefined ? [] : [{ source, value: describeValue(name), message }];
  });
  const rows = records.map((cells, row) => ({
    values: new Map(header.map((name, index) => [name, cells[index] ?? ''])),
    place: (column: string) => places.ofCell(row + 1, header.indexOf(column)),
  }));
  return { rows: problems.length > 0 ? [] : rows, problems };
}

interface CsvPlaces {
  /** `products.csv:12:3`; record 0 is the one that names the columns. */
  ofCell(record: number, index: number): string;
  ofError(error: CsvError): string;
}

/** Cells are looked for when a place is first asked for: most files have nothing wrong. */
function createPlaces(text: string, label: string, delimiter: CsvDelimiter): CsvPlaces {
  let found: ReturnType<typeof findCsvCells> | undefined;
  const cellsOf = (record: number): ReturnType<typeof findCsvCells>[number] => {
    found ??= findCsvCells(text, delimiter);
    return found[record] ?? [];
  };
  const ofCell = (record: number, index: number): string => {
    const cells = cellsOf(record);
    const cell = cells[index] ?? cells[0];
    return cell === undefined ? label : `${label}:${cell.line}:${cell.column}`;
  };
  return {
    ofCell,
    ofError({ code, records, index }) {
      if (typeof records !== 'number' || typeof index !== 'number') return label;
      // Of a record that is too long, the first cell that has no column.
      return ofCell(records, code === 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH' ? cellsOf(0).length : index);
    },
  };
}

function describeError({ code }: CsvError): string {
  switch (code) {
    case 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH':
      return 'has another number of columns than the first line; put a value with a separator (comma, semicolon, tab) in quotes';
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'has a quote that is never closed';
    case 'CSV_INVALID_CLOSING_QUOTE':
    case 'CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE':
    case 'INVALID_OPENING_QUOTE':
      return 'has a quote in the middle of a value; put the whole value in quotes, and write a quote inside as ""';
    default:
      return 'is no valid CSV';
  }
}
