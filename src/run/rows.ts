import { extname, resolve } from 'node:path';
import { CsvError, type Options, parse } from 'csv-parse/sync';
import { MAX_YAML_BYTES, readYaml, type YamlDocument, type YamlReading } from '../config/yaml.ts';
import { isEvolinkError } from '../errors.ts';
import { readTextFile } from '../platform/read-file.ts';
import type { KeyPath, Locate } from '../request/body.ts';
import type { Origin, Problem } from '../request/models.ts';
import { describeValue } from '../request/problems.ts';
import { isJobObject } from './job-file.ts';
import { valueText } from './variables.ts';

/** One row of `for_each`. */
export interface Row {
  readonly values: ReadonlyMap<string, unknown>;
  /** Of the value in a column: `products.csv:12`, `jobs.product.for_each[3].name (jobs.yaml:9:7)`. */
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
  readonly locate: Locate;
  /** Absolute: relative files start here. */
  readonly baseFolder: string;
}

/** What a table may have: far more than any run needs, and little enough to be refused at once. */
const MAX_TABLE_BYTES = 16_000_000;
const MAX_ROWS = 100_000;
const MAX_ROW_CHARACTERS = 1_000_000;
const MAX_COLUMNS = 1_000;
const MAX_DEPTH = 32;
/** Of a longer JSON file a wrong row is named by its number: to find its line takes a second reading. */
const MAX_PLACED_CHARACTERS = 200_000;
const FORBIDDEN_COLUMNS: readonly string[] = ['__proto__', 'constructor', 'prototype'];

interface RowsFile {
  readonly maxBytes: number;
  readonly read: (text: string, label: string) => RowsReading;
}

const FILES: Readonly<Record<string, RowsFile>> = {
  '.csv': { maxBytes: MAX_TABLE_BYTES, read: readCsvRows },
  '.json': { maxBytes: MAX_TABLE_BYTES, read: readJsonRows },
  '.yaml': { maxBytes: MAX_YAML_BYTES, read: readYamlRows },
  '.yml': { maxBytes: MAX_YAML_BYTES, read: readYamlRows },
};

/** The rows of one `for_each`, from the job file itself or from a CSV, JSON or YAML file beside it. Never throws. */
export async function readRows({ value, keyPath, locate, baseFolder }: RowsRequest): Promise<RowsReading> {
  const at = (message: string): RowsReading => ({
    rows: [],
    problems: [{ ...locate(keyPath), value: describeValue(value), message }],
  });
  if (Array.isArray(value)) return toRows(value, (inner) => locate([...keyPath, ...inner]), locate(keyPath));
  if (typeof value !== 'string' || value.trim() === '')
    return at('must be a list of rows, or a file of them');
  const file = FILES[extname(value).toLowerCase()];
  if (file === undefined) return at('must end in .csv, .json, .yaml or .yml');
  try {
    const path = resolve(baseFolder, value);
    const { text } = await readTextFile(path, { label: 'file of rows', maxBytes: file.maxBytes });
    const reading = file.read(text, value);
    if (reading.rows.length === 0 && reading.problems.length === 0) return at('has no rows');
    return reading;
  } catch (error) {
    if (isEvolinkError(error)) return at(error.message);
    throw error;
  }
}

/**
 * CSV (RFC 4180), also with the `;` or tabs that spreadsheets write in many countries: the first line names the columns,
 * empty lines are left out, all values are text. Pure.
 */
export function readCsvRows(text: string, label: string): RowsReading {
  const options = {
    bom: true,
    delimiter: delimiterOf(text),
    skip_empty_lines: true,
    trim: true,
    max_record_size: MAX_ROW_CHARACTERS,
    to: MAX_ROWS + 2,
  } satisfies Options;
  const lines = createLines(text, options);
  try {
    const [header, ...records]: readonly (readonly string[])[] = parse(text, options);
    if (header === undefined) return { rows: [], problems: [] };
    const problems = columnProblems(header).map(({ value, message }): Problem => {
      return { ...originAt(label, lines.of(0)), value, message };
    });
    if (records.length > MAX_ROWS) problems.push({ ...originAt(label), message: TOO_MANY_ROWS });
    if (problems.length > 0) return { rows: [], problems };
    const rows = records.map((cells, index) => ({
      values: new Map(header.map((name, column) => [name, cells[column] ?? ''])),
      place: () => `${label}:${lines.of(index + 1)}`,
    }));
    return { rows, problems };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = lines.ofError();
    return { rows: [], problems: [{ ...originAt(label, line), message: describeCsvError(error) }] };
  }
}

/** What separates the names of columns in the first line, outside of quotes; a comma wins. */
function delimiterOf(text: string): string {
  const [header = ''] = text
    .slice(0, MAX_ROW_CHARACTERS)
    .replace(/^\uFEFF?\s*/, '')
    .split(/[\r\n]/, 1);
  const bare = header.replace(/"[^"]*"/g, '');
  if (bare.includes(',')) return ',';
  return bare.includes(';') ? ';' : bare.includes('\t') ? '\t' : ',';
}

interface CsvLines {
  /** Where a record starts; record 0 names the columns. */
  of(record: number): number;
  ofError(): number | undefined;
}

/**
 * Lines are looked for when one is first asked for: most files have nothing wrong. The library counts CRLF inside of quotes
 * twice, and gives the line where a record ends.
 */
function createLines(text: string, options: Options): CsvLines {
  const normalized = (): string => text.replaceAll('\r\n', '\n');
  let starts: readonly number[] | undefined;
  const read = (): readonly number[] => {
    const records: readonly unknown[] = parse(normalized(), { ...options, info: true, raw: true });
    return records.map((record) => {
      const { info, raw } = isCsvInfo(record) ? record : { info: { lines: 1 }, raw: '' };
      return info.lines - (raw.trim().split('\n').length - 1);
    });
  };
  return {
    of(record) {
      starts ??= read();
      return starts[record] ?? 1;
    },
    ofError() {
      try {
        parse(normalized(), options);
        return undefined;
      } catch (error) {
        return error instanceof CsvError && typeof error.lines === 'number' ? error.lines : undefined;
      }
    },
  };
}

function isCsvInfo(
  record: unknown,
): record is { readonly info: { readonly lines: number }; readonly raw: string } {
  return typeof record === 'object' && record !== null && 'info' in record && 'raw' in record;
}

function describeCsvError({ code }: CsvError): string {
  switch (code) {
    case 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH':
      return 'has another number of columns than the first line; put a value with a separator (comma, semicolon, tab) in quotes';
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'has a quote that is never closed';
    case 'CSV_MAX_RECORD_SIZE':
      return `${TOO_LONG}; is a quote never closed?`;
    case 'CSV_INVALID_CLOSING_QUOTE':
    case 'CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE':
    case 'INVALID_OPENING_QUOTE':
      return 'has a quote in the middle of a value; put the whole value in quotes, and write a quote inside as ""';
    default:
      return 'is no valid CSV';
  }
}

const TOO_LONG = 'is longer than 1 MB, which is no row';
const TOO_MANY_ROWS = `has more than ${MAX_ROWS} rows; split it into several files`;

/** A JSON list of objects. Pure. */
export function readJsonRows(text: string, label: string): RowsReading {
  const isPlaced = text.length <= MAX_PLACED_CHARACTERS;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The slower reader knows the line.
    if (isPlaced) return readYamlRows(text, label);
    return { rows: [], problems: [{ ...originAt(label), message: 'is no valid JSON' }] };
  }
  // It is asked for places only where something is wrong.
  let reading: YamlReading | undefined;
  return toRows(
    value,
    (keyPath) => {
      const [row] = keyPath;
      if (!isPlaced) return rowOrigin(originAt(label), row);
      reading ??= readYaml(text);
      return placeIn(reading.document, label, keyPath);
    },
    originAt(label),
  );
}

/** A YAML list of objects. Pure. */
export function readYamlRows(text: string, label: string): RowsReading {
  const { document, problems } = readYaml(text);
  const places = problems.map(({ position, message }) => ({
    ...originAt(label, position.line, position.column),
    message,
  }));
  if (document === undefined || places.length > 0) return { rows: [], problems: places };
  return toRows(document.value, (keyPath) => placeIn(document, label, keyPath), originAt(label));
}

/** `products.json:12:5`; where the text has no such place (inside of an alias), the nearest one around it. */
function placeIn(document: YamlDocument | undefined, label: string, keyPath: KeyPath): Origin {
  const position = document?.valueAt(keyPath);
  if (position !== undefined) return originAt(label, position.line, position.column);
  return keyPath.length === 0 ? originAt(label) : placeIn(document, label, keyPath.slice(0, -1));
}

/** Of a file as a whole, or of its line. */
function originAt(label: string, line?: number, column?: number): Origin {
  const source = [label, line, column].filter((part) => part !== undefined).join(':');
  return { source, place: { file: label, line: line ?? 1, column: column ?? 1 } };
}

function rowOrigin(file: Origin, row: string | number | undefined): Origin {
  return row === undefined ? file : { ...file, source: `${file.source}, row ${Number(row) + 1}` };
}

function toRows(value: unknown, locate: Locate, file: Origin): RowsReading {
  const wrong = (message: string): RowsReading => ({
    rows: [],
    problems: [{ ...locate([]), message }],
  });
  if (!Array.isArray(value)) return wrong('must be a list of rows');
  const list: readonly unknown[] = value;
  if (list.length === 0) return wrong('has no rows');
  if (list.length > MAX_ROWS) return wrong(TOO_MANY_ROWS);
  // A file that is too deep for its reader is too deep for the finding of places as well.
  const misshapen = list.flatMap((item, index): Problem[] => {
    const message = shapeProblem(item);
    return message === undefined ? [] : [{ ...rowOrigin(file, index), message }];
  });
  if (misshapen.length > 0) return { rows: [], problems: misshapen };
  const problems: Problem[] = [];
  const rows = list.flatMap((item, index): Row[] => {
    if (!isJobObject(item)) {
      const message = 'must be an object: a value by column';
      problems.push({ ...locate([index]), value: describeValue(item), message });
      return [];
    }
    const names = Object.keys(item);
    for (const { name, message } of columnProblems(names))
      problems.push({
        ...locate([index, name]),
        value: describeValue(item),
        message: `column ${describeValue(name)} ${message}`,
      });
    return [{ values: new Map(Object.entries(item)), place: (column) => locate([index, column]).source }];
  });
  return { rows: problems.length > 0 ? [] : rows, problems };
}

/** What is wrong with the size of a row, found without recursion and no further than to the bounds. */
function shapeProblem(row: unknown): string | undefined {
  const waiting: { readonly value: unknown; readonly depth: number }[] = [{ value: row, depth: 0 }];
  let characters = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, depth } = next;
    characters += typeof value === 'string' ? value.length : 1;
    if (characters > MAX_ROW_CHARACTERS) return TOO_LONG;
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= MAX_DEPTH) return `is nested more than ${MAX_DEPTH} deep`;
    const entries = Object.entries(value);
    if (depth === 0 && entries.length > MAX_COLUMNS) return tooManyColumns(entries.length);
    for (const [key, inner] of entries) {
      characters += key.length;
      waiting.push({ value: inner, depth: depth + 1 });
    }
  }
  return undefined;
}

function tooManyColumns(count: number): string {
  return `has ${count} columns, at most ${MAX_COLUMNS} are read`;
}

interface ColumnProblem {
  readonly name: string;
  readonly value: string;
  readonly message: string;
}

/** What is wrong with the names of columns. */
function columnProblems(names: readonly string[]): ColumnProblem[] {
  if (names.length > MAX_COLUMNS) return [{ name: '', value: '', message: tooManyColumns(names.length) }];
  const seen = new Set<string>();
  return names.flatMap((name) => {
    const message = columnProblem(name, seen.has(name));
    seen.add(name);
    return message === undefined ? [] : [{ name, value: describeValue(name), message }];
  });
}

function columnProblem(name: string, isRepeated: boolean): string | undefined {
  if (name === '') return 'has no name in the first line';
  if (FORBIDDEN_COLUMNS.includes(name)) return 'is not allowed as a name';
  if (/[{}]/.test(name)) return 'must not have braces in its name';
  return isRepeated ? 'is given twice' : undefined;
}

const MAX_LABEL_CHARACTERS = 60;

/** A name for each row. */
export interface RowLabels {
  readonly labels: readonly (string | undefined)[];
  /** Numbers change when rows are put before them; the values of a first column do not. */
  readonly areNumbers: boolean;
}

/** The values of the first column where they tell all rows apart, else their numbers. */
export function rowLabels(rows: readonly (Row | undefined)[]): RowLabels {
  const firsts = rows.map((row) => (row === undefined ? undefined : firstValue(row)));
  const isTelling = firsts.every((label) => label !== '') && new Set(firsts).size === rows.length;
  if (isTelling) return { labels: firsts, areNumbers: false };
  return { labels: rows.map((_row, index) => String(index + 1)), areNumbers: true };
}

function firstValue({ values }: Row): string {
  const [value] = values.values();
  if (typeof value === 'object') return '';
  return [...valueText(value).trim().replaceAll('/', '-')].slice(0, MAX_LABEL_CHARACTERS).join('');
}
