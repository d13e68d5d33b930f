import { resolve } from 'node:path';
import { CsvError, type Options, parse } from 'csv-parse/sync';
import { FORBIDDEN_KEYS, MAX_YAML_BYTES, readYaml } from '../config/yaml.ts';
import { isEvolinkError } from '../errors.ts';
import { readTextFile } from '../platform/read-file.ts';
import { isJobObject } from '../request/draft.ts';
import type { Origin, Problem } from '../request/models.ts';
import { describeValue, type JobObject, type KeyPath, type Locate } from '../request/problems.ts';
import { placesIn } from './job-file.ts';
import { valueText } from './variables.ts';

/** The rows of one `for_each`: values by column. */
export interface Rows {
  readonly rows: readonly JobObject[];
  /** Where a value stands: `products.csv:12`, `jobs.product.for_each[3].name (jobs.yaml:9:7)`. */
  readonly placeOf: (row: number, column: string) => string;
  readonly problems: readonly Problem[];
}

/** What a table may have: far more than any run needs, and little enough to be refused at once. */
const MAX_TABLE_BYTES = 16_000_000;
const MAX_ROWS = 100_000;
const MAX_ROW_CHARACTERS = 1_000_000;
const MAX_COLUMNS = 1_000;
const MAX_DEPTH = 32;
const TOO_LONG = 'is longer than 1 MB, which is no row';
const TOO_MANY_ROWS = `has more than ${MAX_ROWS} rows; split it into several files`;

const refused = (...problems: readonly Problem[]): Rows => ({ rows: [], placeOf: () => '', problems });

/**
 * The rows of one `for_each`, from the job file itself or from a CSV, JSON or YAML file beside it. Never throws.
 * @param baseFolder absolute: relative files start here
 */
export async function readRows(
  value: unknown,
  keyPath: KeyPath,
  locate: Locate,
  baseFolder: string,
): Promise<Rows> {
  if (Array.isArray(value)) return toRows(value, (inner) => locate([...keyPath, ...inner]));
  const refuse = (message: string): Rows =>
    refused({ ...locate(keyPath), value: describeValue(value), message });
  const [ending] = (typeof value === 'string' && /\.(?:csv|json|ya?ml)$/i.exec(value)) || [];
  if (typeof value !== 'string' || ending === undefined)
    return refuse('must be a list of rows, or a file of them: .csv, .json, .yaml or .yml');
  try {
    const maxBytes = /^\.y/i.test(ending) ? MAX_YAML_BYTES : MAX_TABLE_BYTES;
    const { text } = await readTextFile(resolve(baseFolder, value), { label: 'file of rows', maxBytes });
    return /^\.c/i.test(ending) ? readCsvRows(text, value) : readListRows(text, value);
  } catch (error) {
    if (isEvolinkError(error)) return refuse(error.message);
    throw error;
  }
}

/**
 * CSV (RFC 4180), also with the `;` or tabs that spreadsheets write in many countries: the first line names the columns,
 * empty lines are left out, all values are text. Pure.
 */
export function readCsvRows(text: string, label: string): Rows {
  // What separates the names of columns, outside of quotes; a comma wins.
  const start = text.slice(0, MAX_ROW_CHARACTERS).replace(/^\uFEFF?\s*/, '');
  const first = (start.split(/[\r\n]/, 1)[0] ?? '').replace(/"[^"]*"/g, '');
  const options = {
    bom: true,
    delimiter: [',', ';', '\t'].find((mark) => first.includes(mark)) ?? ',',
    skip_empty_lines: true,
    trim: true,
    max_record_size: MAX_ROW_CHARACTERS,
    to: MAX_ROWS + 2,
  } satisfies Options;
  let lines: readonly number[] | undefined;
  const originOf = (record: number): Origin => {
    lines ??= linesOf(text, options);
    const line = lines.at(record) ?? 1;
    return { source: `${label}:${line}`, place: { file: label, line, column: 1 } };
  };
  const refuse = (record: number, ...messages: readonly string[]): Rows =>
    refused(...messages.map((message) => ({ ...originOf(record), message })));
  try {
    const [names = [], ...records]: readonly (readonly string[])[] = parse(text, options);
    const problems = columnProblems(names);
    if (problems.length > 0) return refuse(0, ...problems);
    if (records.length === 0) return refuse(0, 'has no rows');
    if (records.length > MAX_ROWS) return refuse(0, TOO_MANY_ROWS);
    const rows = records.map((cells) => {
      const row: Record<string, unknown> = {};
      for (const [column, name] of names.entries()) row[name] = cells[column];
      return row;
    });
    return { rows, placeOf: (row) => originOf(row + 1).source, problems: [] };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return refuse(-1, CSV_MESSAGES[error.code] ?? MISPLACED_QUOTE);
  }
}

/**
 * The line where each record starts, found when one is first asked for, as most files have nothing wrong; at last that of
 * what can't be read. The library counts a CRLF inside of quotes twice, and gives the line where a record ends.
 */
function linesOf(text: string, options: object): readonly number[] {
  const lines: number[] = [];
  const on_record = (cells: readonly string[], { lines: end }: { readonly lines: number }): undefined => {
    lines.push(end - cells.join('').split('\n').length + 1);
  };
  try {
    parse(text.replaceAll('\r\n', '\n'), { ...options, on_record });
  } catch (error) {
    lines.push(Number(error instanceof CsvError && error.lines));
  }
  return lines;
}

const MISPLACED_QUOTE =
  'has a quote in the middle of a value; put the whole value in quotes, and write a quote inside as ""';
const CSV_MESSAGES: Readonly<Record<string, string>> = {
  CSV_RECORD_INCONSISTENT_FIELDS_LENGTH:
    'has another number of columns than the first line; put a value with a separator (comma, semicolon, tab) in quotes',
  CSV_QUOTE_NOT_CLOSED: 'has a quote that is never closed',
  CSV_MAX_RECORD_SIZE: `${TOO_LONG}; is a quote never closed?`,
};

/** A list of objects in JSON or YAML. JSON has a quick reader that knows no lines; the other one is asked where one is needed. */
export function readListRows(text: string, label: string): Rows {
  let places: ReturnType<typeof placesIn> | undefined;
  const placed = () => {
    places ??= placesIn(label, readYaml(text), 'valueAt');
    return places;
  };
  const locate: Locate = (keyPath) => placed().locate(keyPath);
  try {
    if (/^\s*[[{]/.test(text)) return toRows(JSON.parse(text), locate);
  } catch {
    // What is wrong with it, and where, the other reader knows.
  }
  const { document, syntax } = placed();
  return syntax.length > 0 ? refused(...syntax) : toRows(document?.value, locate);
}

function toRows(list: unknown, locate: Locate): Rows {
  const refuse = (message: string): Rows => refused({ ...locate([]), message });
  if (!Array.isArray(list)) return refuse('must be a list of rows');
  if (list.length === 0) return refuse('has no rows');
  if (list.length > MAX_ROWS) return refuse(TOO_MANY_ROWS);
  const problems = list.flatMap((row, index) =>
    rowProblems(row).map((message): Problem => ({ ...locate([index]), message })),
  );
  if (problems.length > 0) return refused(...problems);
  return { rows: list, placeOf: (row, column) => locate([row, column]).source, problems };
}

function rowProblems(row: unknown): readonly string[] {
  if (!isJobObject(row)) return [`must be an object with a value by column, not "${describeValue(row)}"`];
  // Without recursion: no stack holds what a hostile file may nest.
  let level: readonly unknown[] = [row];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) return [`is nested more than ${MAX_DEPTH} deep`];
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : [],
    );
  }
  return JSON.stringify(row).length > MAX_ROW_CHARACTERS ? [TOO_LONG] : columnProblems(Object.keys(row));
}

/** What is wrong with the names of columns. */
function columnProblems(names: readonly string[]): readonly string[] {
  if (names.length > MAX_COLUMNS) return [`has ${names.length} columns, at most ${MAX_COLUMNS} are read`];
  return names.flatMap((name, index) => {
    if (name === '') return ['has a column without a name'];
    const wrong =
      (FORBIDDEN_KEYS.has(name) && 'is not allowed as a name') ||
      (/[{}]/.test(name) && 'must not have braces in its name') ||
      (names.indexOf(name) < index && 'is given twice');
    return wrong ? [`column "${describeValue(name)}" ${wrong}`] : [];
  });
}

const MAX_LABEL_CHARACTERS = 60;

/** A name for each row: the values of the first column where they tell all rows apart, else numbers, which are not stable. */
export function rowLabels(rows: readonly JobObject[]) {
  const labels = rows.map((row) => {
    const [value] = Object.values(row);
    const text = typeof value === 'object' ? '' : valueText(value).trim().replaceAll('/', '-');
    return text.length <= MAX_LABEL_CHARACTERS ? text : [...text].slice(0, MAX_LABEL_CHARACTERS).join('');
  });
  const areNumbers = labels.includes('') || new Set(labels).size < rows.length;
  return { labels: areNumbers ? rows.map((_row, index) => String(index + 1)) : labels, areNumbers };
}
