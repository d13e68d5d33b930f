import { extname, resolve } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import { readTextFile } from '../config/read-text-file.ts';
import { MAX_YAML_BYTES, readYaml } from '../config/read-yaml.ts';
import { isEvolinkError } from '../errors.ts';
import type { KeyPath } from '../request/body-reader.ts';
import { describeValue } from '../request/describe-value.ts';
import type { Problem } from '../request/types.ts';
import { isJobObject, type JobObject } from './job-document.ts';

/** One row of `for_each`. */
export interface Row {
  readonly values: ReadonlyMap<string, unknown>;
  /** `products.csv:12`, `jobs.product.for_each[3] (jobs.yaml:9:7)`. */
  readonly place: () => string;
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

const FORBIDDEN_COLUMNS: readonly string[] = ['__proto__', 'constructor', 'prototype'];
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
    return toRows(value, (index) => describe([...keyPath, index]));
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

/** CSV (RFC 4180): the first line names the columns; empty lines are left out; all values are text. Pure. */
export function readCsvRows(text: string, label: string): RowsReading {
  try {
    const records: unknown = parse(text, {
      bom: true,
      info: true,
      skip_empty_lines: true,
      trim: true,
      relax_column_count: false,
    });
    return toCsvRows(readRecords(records), label);
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return { rows: [], problems: [{ source: csvPlace(label, error), message: describeCsvError(error) }] };
  }
}

interface CsvRecord {
  readonly cells: readonly string[];
  readonly line: number;
}

function readRecords(records: unknown): readonly CsvRecord[] {
  if (!Array.isArray(records)) return [];
  const list: readonly unknown[] = records;
  return list.flatMap((entry): CsvRecord[] => {
    if (!isJobObject(entry) || !Array.isArray(entry.record)) return [];
    const cells: readonly unknown[] = entry.record;
    const line = isJobObject(entry.info) && typeof entry.info.lines === 'number' ? entry.info.lines : 0;
    return [{ cells: cells.map(String), line }];
  });
}

function toCsvRows([header, ...records]: readonly CsvRecord[], label: string): RowsReading {
  if (header === undefined) return { rows: [], problems: [] };
  const problems = header.cells.flatMap((name, index): Problem[] => {
    const message = columnProblem(name, header.cells.indexOf(name) !== index);
    const source = `column ${index + 1} (${label}:${header.line})`;
    return message === undefined ? [] : [{ source, value: describeValue(name), message }];
  });
  const rows = records.map(({ cells, line }) => ({
    values: new Map(header.cells.map((name, index) => [name, cells[index] ?? ''])),
    place: () => `${label}:${line}`,
  }));
  return { rows: problems.length > 0 ? [] : rows, problems };
}

function columnProblem(name: string, isRepeated: boolean): string | undefined {
  if (name === '') return 'has no name in the first line';
  if (FORBIDDEN_COLUMNS.includes(name)) return 'is not allowed as a name';
  if (/[{}]/.test(name)) return 'must not have braces in its name';
  return isRepeated ? 'is given twice' : undefined;
}

function csvPlace(label: string, error: CsvError): string {
  const line: unknown = error.lines;
  return typeof line === 'number' ? `${label}:${line}` : label;
}

function describeCsvError({ code }: CsvError): string {
  switch (code) {
    case 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH':
      return 'has another number of columns than the first line; put a value with commas in quotes';
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'has a quote that is never closed';
    case 'CSV_INVALID_CLOSING_QUOTE':
    case 'INVALID_OPENING_QUOTE':
      return 'has a quote in the middle of a value; put the whole value in quotes, and write a quote inside as ""';
    default:
      return 'is no valid CSV';
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
  return toRows(value, (index) => `row ${index + 1} of ${label}`, label);
}

/** A YAML list of objects. Pure. */
export function readYamlRows(text: string, label: string): RowsReading {
  const { document, problems } = readYaml(text);
  const places = problems.map(({ position, message }) => ({
    source: `${label}:${position.line}:${position.column}`,
    message,
  }));
  if (document === undefined || places.length > 0) return { rows: [], problems: places };
  const placeOf = (index: number): string => {
    const position = document.valueAt([index]);
    return position === undefined ? label : `${label}:${position.line}:${position.column}`;
  };
  return toRows(document.value, placeOf, label);
}

function toRows(value: unknown, placeOf: (index: number) => string, label?: string): RowsReading {
  if (!Array.isArray(value)) {
    return { rows: [], problems: [{ source: label ?? placeOf(0), message: 'must be a list of rows' }] };
  }
  const list: readonly unknown[] = value;
  const problems: Problem[] = [];
  const rows = list.flatMap((item, index): Row[] => {
    const message = rowProblem(item);
    if (message === undefined && isJobObject(item))
      return [{ values: toMap(item), place: () => placeOf(index) }];
    problems.push({ source: placeOf(index), value: describeValue(item), message: message ?? '' });
    return [];
  });
  if (list.length === 0) problems.push({ source: label ?? placeOf(0), message: 'has no rows' });
  return { rows, problems };
}

function rowProblem(item: unknown): string | undefined {
  if (!isJobObject(item)) return 'must be an object: a value by column';
  const bad = Object.keys(item).find((name) => columnProblem(name, false) !== undefined);
  return bad === undefined ? undefined : `column ${describeValue(bad)} ${columnProblem(bad, false)}`;
}

function toMap(item: JobObject): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(item));
}
