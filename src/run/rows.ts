import { resolve } from 'node:path';
import { FORBIDDEN_KEYS, MAX_YAML_BYTES, readYaml } from '../config/yaml.ts';
import { isEvolinkError } from '../errors.ts';
import { readTextFile } from '../platform/read-file.ts';
import { isJobObject } from '../request/draft.ts';
import type { Problem } from '../request/models.ts';
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
 * empty lines are left out, all values are text. One pass, which knows the line of each row. Pure.
 */
export function readCsvRows(text: string, label: string): Rows {
  const at = (line: number) => ({ source: `${label}:${line}`, place: { file: label, line, column: 1 } });
  const rows: JobObject[] = [];
  const lines: number[] = [];
  let names: readonly string[] | undefined;
  for (const { line, cells, fault } of readRecords(text)) {
    if (fault !== undefined) return refused({ ...at(line), message: fault });
    if (names === undefined) {
      const problems = columnProblems(cells).map((message) => ({ ...at(line), message }));
      if (problems.length > 0) return refused(...problems);
      names = cells;
      continue;
    }
    if (cells.length !== names.length)
      return refused({
        ...at(line),
        message:
          'has another number of columns than the first line; put a value with a separator (comma, semicolon, tab) in quotes',
      });
    if (rows.length >= MAX_ROWS) return refused({ ...at(line), message: TOO_MANY_ROWS });
    const row: Record<string, unknown> = {};
    for (const [column, name] of names.entries()) row[name] = cells[column];
    rows.push(row);
    lines.push(line);
  }
  if (rows.length === 0) return refused({ ...at(1), message: 'has no rows' });
  return { rows, placeOf: (row) => `${label}:${lines[row]}`, problems: [] };
}

interface CsvRecord {
  /** Where it starts. */
  readonly line: number;
  readonly cells: readonly string[];
  /** Why it can't be read; then it is the last. */
  readonly fault?: string;
}

/**
 * The records of a CSV text as `csv-parse` reads them (a test compares the two), in a fifth of its time. Blanks around
 * values are no part of them.
 */
function* readRecords(text: string): Generator<CsvRecord> {
  // What separates the names of columns in the first line, outside of quotes; a comma wins.
  const start = text.slice(0, MAX_ROW_CHARACTERS).replace(/^\uFEFF?\s*/, '');
  const names = (start.split(/[\r\n]/, 1)[0] ?? '').replace(/"[^"]*"/g, '');
  const mark = [',', ';', '\t'].find((each) => names.includes(each)) ?? ',';
  const plain = new RegExp(`[^"\\r\\n${mark}]*`, 'y');
  const blanks = mark === '\t' ? /[ \f]*/y : /[ \t\f]*/y;
  let line = 1;
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  const skip = (pattern: RegExp): void => {
    pattern.lastIndex = at;
    at += pattern.exec(text)?.[0].length ?? 0;
  };
  while (at < text.length) {
    const [from, startLine] = [at, line];
    const cells: string[] = [];
    /** Where the last cell starts. */
    let first = at;
    const fault = (message: string) => ({ line: startLine, cells, fault: message });
    do {
      if (cells.length > 0) at += mark.length;
      skip(blanks);
      first = at;
      if (text[at] === '"') {
        let end = text.indexOf('"', at + 1);
        while (end >= 0 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
        if (end < 0) return yield fault('has a quote that is never closed');
        at = end + 1;
        const cell = text.slice(first + 1, end);
        line += cell.split('\n').length - 1;
        cells.push(cell.replaceAll('""', '"'));
        skip(blanks);
      } else {
        skip(plain);
        cells.push(text.slice(first, at).trimEnd());
      }
    } while (text[at] === mark);
    if (at - from > MAX_ROW_CHARACTERS) return yield fault(TOO_LONG);
    const [end = ''] = /^(?:\r?\n|\r)?/.exec(text.slice(at, at + 2)) ?? [];
    if (end === '' && at < text.length)
      return yield fault(
        'has a quote in the middle of a value; put the whole value in quotes, and write a quote inside as ""',
      );
    at += end.length;
    line += 1;
    if (cells.length > 1 || at - end.length > first) yield { line: startLine, cells };
  }
}

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
  const wrong = !Array.isArray(list)
    ? 'must be a list of rows'
    : list.length === 0
      ? 'has no rows'
      : list.length > MAX_ROWS && TOO_MANY_ROWS;
  if (!Array.isArray(list) || wrong) return refused({ ...locate([]), message: wrong || '' });
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
