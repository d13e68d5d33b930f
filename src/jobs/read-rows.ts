import { extname, resolve } from 'node:path';
import { readTextFile } from '../config/read-text-file.ts';
import { MAX_YAML_BYTES, readYaml, type YamlDocument, type YamlReading } from '../config/read-yaml.ts';
import { isEvolinkError } from '../errors.ts';
import type { KeyPath } from '../request/body-reader.ts';
import { describeValue } from '../request/describe-value.ts';
import type { Problem } from '../request/types.ts';
import { readCsvRows } from './csv-rows.ts';
import { isJobObject, type JobObject } from './job-document.ts';
import { columnProblem } from './row-columns.ts';

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
    return toRows(value, (inner) => describe([...keyPath, ...inner]));
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
  return toRows(value, (keyPath) => {
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
  return toRows(document.value, (keyPath) => placeIn(document, label, keyPath));
}

/** `products.json:12:5`; where the text has no such place (inside of an alias), the nearest one around it. */
function placeIn(document: YamlDocument | undefined, label: string, keyPath: KeyPath): string {
  const position = document?.valueAt(keyPath);
  if (position !== undefined) return `${label}:${position.line}:${position.column}`;
  return keyPath.length === 0 ? label : placeIn(document, label, keyPath.slice(0, -1));
}

function toRows(value: unknown, placeOf: (keyPath: KeyPath) => string): RowsReading {
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
