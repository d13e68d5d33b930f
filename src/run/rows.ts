import { extname, resolve } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import {
  MAX_YAML_BYTES,
  type Position,
  readYaml,
  type YamlDocument,
  type YamlReading,
} from '../config/yaml.ts';
import { isEvolinkError } from '../errors.ts';
import { readTextFile } from '../platform/read-file.ts';
import type { KeyPath } from '../request/body.ts';
import type { Problem } from '../request/models.ts';
import { describeValue } from '../request/problems.ts';
import { isJobObject, type JobObject } from './job-file.ts';
import { valueText } from './variables.ts';

/** A cell (RFC 4180): spaces, quoted text if there is any, and the rest; a quote without its partner reaches to the end. */
const CELLS = {
  ',': /([ \t]*)(?:"[^"]*(?:""[^"]*)*(?:"|$))?[^,\r\n]*/y,
  ';': /([ \t]*)(?:"[^"]*(?:""[^"]*)*(?:"|$))?[^;\r\n]*/y,
  '\t': /( *)(?:"[^"]*(?:""[^"]*)*(?:"|$))?[^\t\r\n]*/y,
} as const;
type CsvDelimiter = keyof typeof CELLS;
const BREAK = /\r\n|\r|\n/g;

/**
 * Where each cell of each record of a CSV text starts, spaces left out; empty lines are no records. The library that reads
 * the values knows lines only, and counts CRLF inside of quotes twice. Works its way through a broken text as well. Pure.
 */
function findCsvCells(text: string, delimiter: CsvDelimiter = ','): readonly (readonly Position[])[] {
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

const FORBIDDEN_COLUMNS: readonly string[] = ['__proto__', 'constructor', 'prototype'];

/** What is wrong with the name of a column, if anything is. */
function columnProblem(name: string, isRepeated: boolean): string | undefined {
  if (name === '') return 'has no name in the first line';
  if (FORBIDDEN_COLUMNS.includes(name)) return 'is not allowed as a name';
  if (/[{}]/.test(name)) return 'must not have braces in its name';
  return isRepeated ? 'is given twice' : undefined;
}

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

/** One row of `for_each`. */
export interface Row {
  readonly values: ReadonlyMap<string, unknown>;
  /** Of the value in a column: `products.csv:12:3`, `jobs.product.for_each[3].name (jobs.yaml:9:7)`. */
  readonly place: (column: string) => string;
}

export interface RowsReading {
  readonly rows: readonly Row[];
  readonly problems: readonly Problem[];
}

export interface RowsRequest {
  /** What `for_each` says: rows, or the path of a file. */
  readonly value: unknown;
  readonly keyPath: KeyPath;
  readonly describe: (keyPath: KeyPath) => string;
  /** Absolute: relative files start here. */
  readonly baseFolder: string;
}

const READERS: Readonly<Record<string, (text: string, label: string) => RowsReading>> = {
  '.csv': readCsvRows,
  '.json': readJsonRows,
  '.yaml': readYamlRows,
  '.yml': readYamlRows,
};

/** The rows of one `for_each`, from the job file itself or from a CSV, JSON or YAML file beside it. Never throws. */
export async function readRows(request: RowsRequest): Promise<RowsReading> {
  const { value, keyPath, describe, baseFolder } = request;
  const at = (message: string): RowsReading => ({
    rows: [],
    problems: [{ source: describe(keyPath), value: describeValue(value), message }],
  });
  if (Array.isArray(value)) {
    return toRowsOfReadRows(value, (inner) => describe([...keyPath, ...inner]));
  }
  if (typeof value !== 'string' || value.trim() === '')
    return at('must be a list of rows, or a file of them');
  const read = READERS[extname(value).toLowerCase()];
  if (read === undefined) return at('must end in .csv, .json, .yaml or .yml');
  try {
    const path = resolve(baseFolder, value);
    const { text } = await readTextFile(path, { label: 'file of rows', maxBytes: MAX_YAML_BYTES });
    const reading = read(text, value);
    if (reading.rows.length === 0 && reading.problems.length === 0) return at('has no rows');
    return reading;
  } catch (error) {
    if (isEvolinkError(error)) return at(error.message);
    throw error;
  }
}

/** A JSON list of objects. Pure. */
export function readJsonRows(text: string, label: string): RowsReading {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The slower reader knows the line.
    return readYamlRows(text, label);
  }
  // It is asked for places only where something is wrong.
  let reading: YamlReading | undefined;
  return toRowsOfReadRows(value, (keyPath) => {
    reading ??= readYaml(text);
    return placeIn(reading.document, label, keyPath);
  });
}

/** A YAML list of objects. Pure. */
export function readYamlRows(text: string, label: string): RowsReading {
  const { document, problems } = readYaml(text);
  const places = problems.map(({ position, message }) => ({
    source: `${label}:${position.line}:${position.column}`,
    message,
  }));
  if (document === undefined || places.length > 0) return { rows: [], problems: places };
  return toRowsOfReadRows(document.value, (keyPath) => placeIn(document, label, keyPath));
}

/** `products.json:12:5`; where the text has no such place (inside of an alias), the nearest one around it. */
function placeIn(document: YamlDocument | undefined, label: string, keyPath: KeyPath): string {
  const position = document?.valueAt(keyPath);
  if (position !== undefined) return `${label}:${position.line}:${position.column}`;
  return keyPath.length === 0 ? label : placeIn(document, label, keyPath.slice(0, -1));
}

function toRowsOfReadRows(value: unknown, placeOf: (keyPath: KeyPath) => string): RowsReading {
  if (!Array.isArray(value)) {
    return { rows: [], problems: [{ source: placeOf([]), message: 'must be a list of rows' }] };
  }
  const list: readonly unknown[] = value;
  const problems: Problem[] = [];
  const rows = list.flatMap((item, index): Row[] => {
    const problem = rowProblem(item);
    if (problem === undefined && isJobObject(item))
      return [{ values: toMap(item), place: (column) => placeOf([index, column]) }];
    const source = placeOf(problem?.column === undefined ? [index] : [index, problem.column]);
    problems.push({ source, value: describeValue(item), message: problem?.message ?? '' });
    return [];
  });
  if (list.length === 0) problems.push({ source: placeOf([]), message: 'has no rows' });
  return { rows, problems };
}

function rowProblem(item: unknown): { readonly message: string; readonly column?: string } | undefined {
  if (!isJobObject(item)) return { message: 'must be an object: a value by column' };
  const column = Object.keys(item).find((name) => columnProblem(name, false) !== undefined);
  if (column === undefined) return undefined;
  return { column, message: `column ${describeValue(column)} ${columnProblem(column, false)}` };
}

function toMap(item: JobObject): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(item));
}

const MAX_LABEL_CHARACTERS = 60;

/**
 * A name for each row: the value of its first column where that tells all rows apart, else its number. A number changes
 * when rows are put before it; the value of a first column does not.
 */
export function rowLabels(rows: readonly (Row | undefined)[]): readonly (string | undefined)[] {
  const firsts = rows.map((row) => (row === undefined ? undefined : firstValue(row)));
  const isTelling = firsts.every((label) => label !== '') && new Set(firsts).size === rows.length;
  return isTelling ? firsts : rows.map((row, index) => (row === undefined ? undefined : String(index + 1)));
}

function firstValue({ values }: Row): string {
  const [value] = values.values();
  if (typeof value === 'object') return '';
  return [...valueText(value).trim().replaceAll('/', '-')].slice(0, MAX_LABEL_CHARACTERS).join('');
}
