import { resolve } from 'node:path';
import { CsvError, type Options, parse } from 'csv-parse/sync';
import { FORBIDDEN_KEYS, MAX_YAML_BYTES, readYaml, type YamlReading } from '../config/yaml.ts';
import { isEvolinkError } from '../errors.ts';
import { readTextFile } from '../platform/read-file.ts';
import { isJobObject } from '../request/draft.ts';
import type { Origin, Problem } from '../request/models.ts';
import { describeValue, type JobObject, type KeyPath, type Locate } from '../request/problems.ts';
import { valueText } from './variables.ts';

/** The rows of one `for_each`: values by column. */
export interface Rows {
  readonly rows: readonly JobObject[];
  /** Where a value stands: `products.csv:12`, `jobs.product.for_each[3].name (jobs.yaml:9:7)`. */
  readonly placeOf: (row: number, column: string) => string;
  readonly problems: readonly Problem[];
}

const refused = (...problems: readonly Problem[]): Rows => ({ rows: [], placeOf: () => '', problems });

/** What a table may have: far more than any run needs, and little enough to be refused at once. */
const MAX_TABLE_BYTES = 16_000_000;
const MAX_ROWS = 100_000;
const MAX_ROW_CHARACTERS = 1_000_000;
const MAX_COLUMNS = 1_000;
const MAX_DEPTH = 32;
/** Of a longer JSON file a wrong row is named by its number: to find its line takes a second reading. */
const MAX_PLACED_CHARACTERS = 200_000;
const TOO_LONG = 'is longer than 1 MB, which is no row';
const TOO_MANY_ROWS = `has more than ${MAX_ROWS} rows; split it into several files`;

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
  const refuse = (message: string): Rows =>
    refused({ ...locate(keyPath), value: describeValue(value), message });
  if (Array.isArray(value)) return toRows(value, (inner) => locate([...keyPath, ...inner]), locate(keyPath));
  if (typeof value !== 'string' || value.trim() === '')
    return refuse('must be a list of rows, or a file of them');
  const [ending] = /\.(?:csv|json|ya?ml)$/.exec(value.toLowerCase()) ?? [];
  if (ending === undefined) return refuse('must end in .csv, .json, .yaml or .yml');
  try {
    const maxBytes = ending.startsWith('.y') ? MAX_YAML_BYTES : MAX_TABLE_BYTES;
    const { text } = await readTextFile(resolve(baseFolder, value), { label: 'file of rows', maxBytes });
    const reading = ending === '.csv' ? readCsvRows(text, value) : readListRows(text, value);
    return reading.rows.length + reading.problems.length === 0 ? refuse('has no rows') : reading;
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
  const options = {
    bom: true,
    delimiter: delimiterOf(text),
    skip_empty_lines: true,
    trim: true,
    max_record_size: MAX_ROW_CHARACTERS,
    to: MAX_ROWS + 2,
  } satisfies Options;
  try {
    const [header, ...records]: readonly (readonly string[])[] = parse(text, options);
    if (header === undefined) return refused();
    let lines: readonly number[] | undefined;
    const lineOf = (record: number): number => {
      lines ??= linesOf(text, options);
      return lines[record] ?? 1;
    };
    if (records.length > MAX_ROWS) return refused({ ...originAt(label), message: TOO_MANY_ROWS });
    const problems = columnProblems(header).map(({ name, message }) => ({
      ...originAt(label, lineOf(0)),
      value: describeValue(name),
      message,
    }));
    if (problems.length > 0) return refused(...problems);
    const rows = records.map((cells) => {
      const values: Record<string, string> = {};
      for (const [column, name] of header.entries()) values[name] = cells[column] ?? '';
      return values;
    });
    return { rows, placeOf: (row) => `${label}:${lineOf(row + 1)}`, problems };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const message = CSV_MESSAGES[error.code] ?? 'is no valid CSV';
    return refused({ ...originAt(label, lineOfError(text, options)), message });
  }
}

/** What separates the names of columns in the first line, outside of quotes; a comma wins. */
function delimiterOf(text: string): string {
  const start = text.slice(0, MAX_ROW_CHARACTERS).replace(/^\uFEFF?\s*/, '');
  const bare = (start.split(/[\r\n]/, 1)[0] ?? '').replace(/"[^"]*"/g, '');
  return [',', ';', '\t'].find((mark) => bare.includes(mark)) ?? ',';
}

/**
 * The line where each record starts, found when one is first asked for: most files have nothing wrong. The library counts
 * CRLF inside of quotes twice, and gives the line where a record ends.
 */
function linesOf(text: string, options: Options): readonly number[] {
  const records = parse(withoutCr(text), { ...options, info: true, raw: true }) as unknown as readonly {
    readonly info: { readonly lines: number };
    readonly raw: string;
  }[];
  return records.map(({ info, raw }) => info.lines - (raw.trim().split('\n').length - 1));
}

function lineOfError(text: string, options: Options): number | undefined {
  try {
    parse(withoutCr(text), options);
    return undefined;
  } catch (error) {
    return error instanceof CsvError && typeof error.lines === 'number' ? error.lines : undefined;
  }
}

function withoutCr(text: string): string {
  return text.replaceAll('\r\n', '\n');
}

const MISPLACED_QUOTE =
  'has a quote in the middle of a value; put the whole value in quotes, and write a quote inside as ""';
const CSV_MESSAGES: Readonly<Record<string, string>> = {
  CSV_RECORD_INCONSISTENT_FIELDS_LENGTH:
    'has another number of columns than the first line; put a value with a separator (comma, semicolon, tab) in quotes',
  CSV_QUOTE_NOT_CLOSED: 'has a quote that is never closed',
  CSV_MAX_RECORD_SIZE: `${TOO_LONG}; is a quote never closed?`,
  CSV_INVALID_CLOSING_QUOTE: MISPLACED_QUOTE,
  CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE: MISPLACED_QUOTE,
  INVALID_OPENING_QUOTE: MISPLACED_QUOTE,
};

/** A list of objects in JSON or YAML. JSON has a quick reader that knows no lines; the other one is asked where one is needed. */
export function readListRows(text: string, label: string): Rows {
  const isJson = /^\s*[[{]/.test(text);
  const isPlaced = !isJson || text.length <= MAX_PLACED_CHARACTERS;
  let reading: YamlReading | undefined;
  const placed = (): YamlReading => {
    reading ??= readYaml(text);
    return reading;
  };
  const locate: Locate = (keyPath) => {
    if (!isPlaced) return rowOrigin(originAt(label), keyPath[0]);
    // What the text does not have (inside of an alias) stands at the nearest place around it.
    const position = placed().document?.valueAt(keyPath);
    if (position !== undefined) return originAt(label, position.line, position.column);
    return keyPath.length === 0 ? originAt(label) : locate(keyPath.slice(0, -1));
  };
  try {
    if (isJson) return toRows(JSON.parse(text), locate, originAt(label));
  } catch {
    if (!isPlaced) return refused({ ...originAt(label), message: 'is no valid JSON' });
  }
  const { document, problems } = placed();
  if (document !== undefined && problems.length === 0) return toRows(document.value, locate, originAt(label));
  return refused(
    ...problems.map(({ position: { line, column }, message }) => ({
      ...originAt(label, line, column),
      message,
    })),
  );
}

/** Of a file as a whole, or of its line: `products.json:12:5`. */
function originAt(label: string, line?: number, column?: number): Origin {
  const source = [label, line, column].filter((part) => part !== undefined).join(':');
  return { source, place: { file: label, line: line ?? 1, column: column ?? 1 } };
}

function rowOrigin(file: Origin, row: string | number | undefined): Origin {
  return row === undefined ? file : { ...file, source: `${file.source}, row ${Number(row) + 1}` };
}

function toRows(value: unknown, locate: Locate, file: Origin): Rows {
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  const wrong = !Array.isArray(value)
    ? 'must be a list of rows'
    : list.length === 0
      ? 'has no rows'
      : list.length > MAX_ROWS
        ? TOO_MANY_ROWS
        : undefined;
  if (wrong !== undefined) return refused({ ...locate([]), message: wrong });
  // A file that is too deep for its reader is too deep for the finding of places as well.
  const misshapen = list.flatMap((item, index): Problem[] => {
    const message = shapeProblem(item);
    return message === undefined ? [] : [{ ...rowOrigin(file, index), message }];
  });
  if (misshapen.length > 0) return refused(...misshapen);
  const problems = list.flatMap((item, index): Problem[] => {
    const shown = { value: describeValue(item) };
    if (!isJobObject(item))
      return [{ ...locate([index]), ...shown, message: 'must be an object: a value by column' }];
    return columnProblems(Object.keys(item)).map(({ name, message }) => ({
      ...locate([index, name]),
      ...shown,
      message: `column ${describeValue(name)} ${message}`,
    }));
  });
  if (problems.length > 0) return refused(...problems);
  return {
    rows: list.filter(isJobObject),
    placeOf: (row, column) => locate([row, column]).source,
    problems,
  };
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

/** What is wrong with the names of columns. */
function columnProblems(names: readonly string[]): { readonly name: string; readonly message: string }[] {
  if (names.length > MAX_COLUMNS) return [{ name: '', message: tooManyColumns(names.length) }];
  return names.flatMap((name, index) => {
    const message =
      name === ''
        ? 'has no name in the first line'
        : FORBIDDEN_KEYS.has(name)
          ? 'is not allowed as a name'
          : /[{}]/.test(name)
            ? 'must not have braces in its name'
            : names.indexOf(name) < index
              ? 'is given twice'
              : undefined;
    return message === undefined ? [] : [{ name, message }];
  });
}

const MAX_LABEL_CHARACTERS = 60;

/** A name for each row: the values of the first column where they tell all rows apart, else numbers, which are not stable. */
export function rowLabels(rows: readonly (JobObject | undefined)[]): {
  readonly labels: readonly (string | undefined)[];
  readonly areNumbers: boolean;
} {
  const firsts = rows.map((row) => row && firstValue(row));
  const isTelling = firsts.every((label) => label !== '') && new Set(firsts).size === rows.length;
  if (isTelling) return { labels: firsts, areNumbers: false };
  return { labels: rows.map((_row, index) => String(index + 1)), areNumbers: true };
}

function firstValue(row: JobObject): string {
  const [value] = Object.values(row);
  if (typeof value === 'object') return '';
  const text = valueText(value).trim().replaceAll('/', '-');
  return text.length <= MAX_LABEL_CHARACTERS ? text : [...text].slice(0, MAX_LABEL_CHARACTERS).join('');
}
