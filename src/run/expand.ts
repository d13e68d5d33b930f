import { realpath } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { escapePattern } from '../config/output-pattern.ts';
import { MAX_YAML_BYTES } from '../config/yaml.ts';
import { toSafeName } from '../download/output.ts';
import { isInside, realFolder } from '../platform/folders.ts';
import { readTextFile } from '../platform/read-file.ts';
import type { KeyPath, Locate } from '../request/body.ts';
import type { Problem } from '../request/models.ts';
import { describeValue, nearest } from '../request/problems.ts';
import {
  isJobObject,
  type JobDocument,
  type JobObject,
  type MergedJob,
  mergeDefaults,
  type RawJob,
  readJobDocument,
} from './job-file.ts';
import { ALL_JOB_KEYS, DEFAULTS_KEYS, isRequestKey } from './job-file-schema.ts';
import { type Combination, readMatrix } from './matrix.ts';
import { type Row, readRows, rowLabels } from './rows.ts';
import {
  createJobFiller,
  type JobFiller,
  type Variable,
  type Variables,
  valueText,
  variableNames,
} from './variables.ts';

/** One job of a run: everything is filled in, nothing of it is checked yet. */
interface ExpandedJob {
  /** `hero`, `hero/9:16`, `product/frog/9:16`. */
  readonly name: string;
  /** The key in the file. */
  readonly group: string;
  /** What `{job}` in an output stands for: the name without what other fields say. */
  readonly label: string;
  /** The name holds the number of a row, which changes when rows are put before it. */
  readonly isNumbered: boolean;
  /** `{index}`: 1-based, within the group. */
  readonly index: number;
  readonly line: number;
  readonly column: number;
  readonly variables: Readonly<Record<string, unknown>>;
  /** Keys of the request only. */
  readonly value: JobObject;
  readonly output?: string | undefined;
  readonly locate: Locate;
  readonly problems: readonly Problem[];
}

export interface ExpandedJobs {
  readonly jobs: readonly ExpandedJob[];
  /** Problems that belong to no single job. */
  readonly problems: readonly Problem[];
}

export interface ExpandOptions {
  /** The rows of each job that has `for_each`, by the name of the job. */
  readonly rows: ReadonlyMap<string, readonly Row[]>;
  /** Name of the only job of a file that is one job. */
  readonly fileName: string;
  readonly maxJobs: number;
}

/**
 * Turns the jobs of a file into the jobs of a run: each combination of a row and a cell of the matrix, with its variables
 * filled in. Rows are the outer loop, so that what belongs together stays together. Pure; all problems at once.
 */
export function expandJobs(document: JobDocument, options: ExpandOptions): ExpandedJobs {
  const problems: Problem[] = [...checkKeys(document.defaults, ['defaults'], document, DEFAULTS_KEYS)];
  const jobs: ExpandedJob[] = [];
  for (const raw of document.jobs) {
    problems.push(...checkJob(raw, document));
    const cells = cellsOf(raw, document, problems);
    const rows = Object.hasOwn(raw.value, 'for_each')
      ? (options.rows.get(raw.name ?? options.fileName) ?? [])
      : [undefined];
    const count = jobs.length + cells.length * rows.length;
    if (count > options.maxJobs) {
      const message = `makes ${count} jobs, at most ${options.maxJobs} are planned; raise it with --max-jobs ${count}`;
      return { jobs, problems: [...problems, { ...document.locate(raw.keyPath), message }] };
    }
    for (const job of expandOne(raw, { document, group: raw.name ?? options.fileName, cells, rows }))
      jobs.push(job);
  }
  return { jobs, problems };
}

function checkKeys(
  value: JobObject,
  keyPath: KeyPath,
  { locate }: JobDocument,
  known: readonly string[],
): readonly Problem[] {
  return Object.keys(value).flatMap((key): Problem[] => {
    if (known.includes(key)) return [];
    const suggestion = nearest(key, known);
    const message = ALL_JOB_KEYS.includes(key)
      ? 'belongs to a single job, not to defaults'
      : `is not a known key; known are ${known.join(', ')}`;
    return [{ ...locate([...keyPath, key]), message, ...(suggestion === undefined ? {} : { suggestion }) }];
  });
}

function checkJob(raw: RawJob, document: JobDocument): readonly Problem[] {
  const { keyPath, value } = raw;
  const at = (key: string, message: string): Problem => ({
    ...document.locate([...keyPath, key]),
    value: describeValue(value[key]),
    message,
  });
  const wrong: Problem[] = [];
  for (const key of ['name', 'output']) {
    const text = value[key] ?? document.defaults[key];
    if (text !== undefined && (typeof text !== 'string' || text.trim() === ''))
      wrong.push(at(key, 'must be text'));
  }
  if (value.vars !== undefined && !isJobObject(value.vars))
    wrong.push(at('vars', 'must be an object: the name of a variable, then its value'));
  if (raw.name !== undefined && /[/{}]|^\s|\s$|^$/.test(raw.name))
    wrong.push({
      ...document.locate(keyPath),
      message: 'is no name for a job: no /, no braces, no spaces around it',
    });
  return [...checkKeys(value, keyPath, document, ALL_JOB_KEYS), ...wrong];
}

function cellsOf(raw: RawJob, { locate }: JobDocument, problems: Problem[]): readonly Combination[] {
  if (!Object.hasOwn(raw.value, 'matrix')) return [[]];
  const reading = readMatrix(raw.value.matrix, [...raw.keyPath, 'matrix'], locate);
  problems.push(...reading.problems);
  const named = new Set<string>();
  for (const { axis, keyPath } of reading.combinations.flat()) {
    if (named.has(axis)) continue;
    named.add(axis);
    const own = raw.value[axis];
    if (!isRequestKey(axis) || own === undefined) continue;
    if (typeof own === 'string' && variableNames(own).includes(axis)) continue;
    const message = `is an axis, but the job says ${axis} itself as well; leave one out`;
    problems.push({ ...locate(keyPath), message });
  }
  return reading.combinations;
}

interface Expansion {
  readonly document: JobDocument;
  readonly group: string;
  readonly cells: readonly Combination[];
  readonly rows: readonly (Row | undefined)[];
}

function expandOne(raw: RawJob, { document, group, cells, rows }: Expansion): ExpandedJob[] {
  const { labels, areNumbers } = rowLabels(rows);
  const shared = fileVariables(raw, document);
  const { line = 1, column = 1 } = document.locate(raw.keyPath).place ?? {};
  // What the rows of a cell share is made once: a table may have thousands.
  const shapes = cells.map((cell) => {
    const merged = mergeDefaults(
      { ...raw, value: { ...axisKeys(raw, cell), ...raw.value } },
      document.defaults,
    );
    return { cell, merged, request: requestPart(merged.value), locate: placer(merged, cell, document) };
  });
  const jobs: ExpandedJob[] = [];
  rows.forEach((row, rowIndex) => {
    for (const { cell, merged, request, locate } of shapes) {
      const variables = variablesOf(shared, row, { cell, document });
      const filler = document.kind === 'sidecar' ? finalRequest(locate) : createJobFiller(variables, locate);
      const names = namesOf(raw, filler, { group, rowLabel: labels[rowIndex], cell });
      jobs.push({
        ...names,
        isNumbered: areNumbers && raw.value.name === undefined,
        group,
        index: jobs.length + 1,
        line,
        column,
        variables: valuesOf(variables),
        value: filler.fillRequest(request),
        output: outputOf(merged, filler),
        locate: filler.locate,
        problems: filler.problems,
      });
    }
  });
  return jobs;
}

/** What a sidecar holds was sent as it stands: braces in it are text. */
function finalRequest(locate: Locate): JobFiller {
  return { fillRequest: (value) => value, fillText: (text) => text, locate, problems: [] };
}

function fileVariables(raw: RawJob, { vars, locate }: JobDocument): ReadonlyMap<string, Variable> {
  const own = isJobObject(raw.value.vars) ? raw.value.vars : {};
  const entries = (values: JobObject, keyPath: KeyPath) =>
    Object.entries(values).map(([name, value]): [string, Variable] => [
      name,
      { value, place: () => locate([...keyPath, name]).source },
    ]);
  return new Map([...entries(vars, ['vars']), ...entries(own, [...raw.keyPath, 'vars'])]);
}

/** Those of the file under those of the row, under those of the cell; looked up, not copied. */
function variablesOf(
  shared: Variables,
  row: Row | undefined,
  { cell, document }: { readonly cell: Combination; readonly document: JobDocument },
): Variables {
  if (row === undefined && cell.length === 0) return shared;
  return {
    get(name) {
      const axis = cell.find((own) => own.axis === name);
      if (axis !== undefined) return { value: axis.value, place: () => document.locate(axis.keyPath).source };
      if (row?.values.has(name) !== true) return shared.get(name);
      return { value: row.values.get(name), place: () => row.place(name) };
    },
    keys: () => new Set([...shared.keys(), ...(row?.values.keys() ?? []), ...cell.map(({ axis }) => axis)]),
  };
}

function valuesOf(variables: Variables): Readonly<Record<string, unknown>> {
  return Object.fromEntries([...variables.keys()].map((name) => [name, variables.get(name)?.value]));
}

/** Axes that are keys of the request set them. */
function axisKeys(raw: RawJob, cell: Combination): JobObject {
  const keys = cell.filter(({ axis }) => isRequestKey(axis) && !Object.hasOwn(raw.value, axis));
  return Object.fromEntries(keys.map(({ axis, value }) => [axis, value]));
}

/** A key stands where its value was written: in the job, in `defaults`, or in the matrix. */
function placer(
  { keyPath, inherited, value }: MergedJob,
  cell: Combination,
  { locate }: JobDocument,
): Locate {
  // Found out now, so that the function that is returned does not hold on to the values of its job.
  const axes = cell.filter(({ axis, value: own }) => own === value[axis]);
  return (inner) => {
    const [head = '', ...rest] = inner;
    const axis = axes.find((own) => own.axis === head);
    if (axis !== undefined) return locate([...axis.keyPath, ...rest]);
    const isInherited = inner.length > 0 && inherited.has(String(head));
    return locate([...(isInherited ? ['defaults'] : keyPath), ...inner]);
  };
}

function requestPart(value: JobObject): JobObject {
  return Object.fromEntries(Object.entries(value).filter(([key]) => isRequestKey(key)));
}

interface NameParts {
  readonly group: string;
  readonly rowLabel: string | undefined;
  readonly cell: Combination;
}

function namesOf(raw: RawJob, filler: JobFiller, { group, rowLabel, cell }: NameParts) {
  const own = raw.value.name;
  if (typeof own === 'string') {
    const name = valueText(filler.fillText(own, ['name'])).trim();
    return { name, label: name };
  }
  const part = ({ value }: Combination[number]): string => valueText(value).replaceAll('/', '-');
  const named = cell.filter(({ axis }) => !isRequestKey(axis));
  const start = rowLabel === undefined ? [group] : [group, rowLabel];
  return {
    name: [...start, ...cell.map(part)].join('/'),
    label: [...start, ...named.map(part)].join('-'),
  };
}

/** Values become safe parts of a name: what a table holds can't lead to another folder. */
function outputOf(merged: MergedJob, filler: JobFiller): string | undefined {
  const { output } = merged.value;
  if (typeof output !== 'string') return undefined;
  const toText = (value: unknown): string => escapePattern(toSafeName(valueText(value)));
  return valueText(filler.fillText(output, ['output'], toText));
}

/** So many jobs files expand to unless told otherwise. */
export const DEFAULT_MAX_JOBS = 10_000;

/** A job with the file that it comes from. */
export interface FileJobEntry extends ExpandedJob {
  /** The file as the person named it. */
  readonly file: string;
  /** Absolute: relative media and outputs start here. */
  readonly baseFolder: string;
}

export interface JobFilesReading {
  readonly jobs: readonly FileJobEntry[];
  readonly problems: readonly Problem[];
  /** Files of rows that lie outside of the folder of their job file. */
  readonly warnings: readonly string[];
}

export interface JobFilesOptions {
  readonly cwd: string;
  readonly maxJobs: number;
}

/**
 * Reads job files, and the files of rows that they name, into the jobs of a run. All problems of all files at once.
 * @throws EvolinkError `usage` for a job file that can't be read
 */
export async function readJobFiles(
  paths: readonly string[],
  options: JobFilesOptions,
): Promise<JobFilesReading> {
  const jobs: FileJobEntry[] = [];
  const problems: Problem[] = [];
  const warnings: string[] = [];
  for (const path of paths) {
    const reading = await readOne(path, { ...options, maxJobs: options.maxJobs - jobs.length });
    for (const job of reading.jobs) jobs.push(job);
    problems.push(...reading.problems);
    warnings.push(...reading.warnings);
  }
  const named = paths.length > 1 ? tellFilesApart(jobs) : jobs;
  return { jobs: named, problems: [...problems, ...doubleNames(named)], warnings };
}

export interface SingleJobReading {
  /** Present beside problems where the rest can still be checked. */
  readonly job?: FileJobEntry | undefined;
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

const MAX_NAMES = 20;

/**
 * Reads one job of a file as a run expands it: the one that `--job` names, or the only one there is. The file may also be a
 * single job, a body as the API documents it, or a sidecar.
 * @throws EvolinkError `usage` for a file that can't be read
 */
export async function readSingleJob(
  path: string,
  { cwd, jobName }: { readonly cwd: string; readonly jobName?: string | undefined },
): Promise<SingleJobReading> {
  const { jobs, problems, warnings } = await readOne(path, { cwd, maxJobs: DEFAULT_MAX_JOBS, jobName });
  const chosen = jobs.filter(({ name, group }) => [undefined, name, group].includes(jobName));
  const [job] = chosen;
  if (job !== undefined && chosen.length === 1)
    return { job, problems: [...problems, ...job.problems], warnings };
  if (jobs.length === 0 && problems.length > 0) return { problems, warnings };
  const names = jobs.map(({ name }) => name);
  const more = names.length > MAX_NAMES ? `, and ${names.length - MAX_NAMES} more` : '';
  const list = `${names.slice(0, MAX_NAMES).join(', ')}${more}`;
  const isNoJob = jobName !== undefined && job === undefined;
  const message = isNoJob
    ? `is not a job of the file; its jobs are ${list}`
    : `holds ${chosen.length} jobs: choose one with --job (${list}), or take all with \`evolink run\``;
  const problem = isNoJob
    ? { source: '--job', value: jobName, message, suggestion: nearest(jobName, names) }
    : { source: path, message };
  return { problems: [...problems, problem], warnings };
}

async function readOne(
  path: string,
  { cwd, maxJobs, jobName }: JobFilesOptions & { readonly jobName?: string | undefined },
): Promise<JobFilesReading> {
  const absolutePath = resolve(cwd, path);
  const { text } = await readTextFile(absolutePath, {
    label: 'job file',
    maxBytes: MAX_YAML_BYTES,
    allowsShellPipe: true,
  });
  const reading = readJobDocument(path, text);
  if (reading.document === undefined) return { jobs: [], problems: reading.problems, warnings: [] };
  const document = onlyJob(reading.document, jobName);
  const baseFolder = dirname(absolutePath);
  const fileName = basename(path, extname(path));
  const found = await rowsOf(document, { baseFolder, fileName });
  const expanded = expandJobs(document, { rows: found.rows, fileName, maxJobs });
  return {
    jobs: expanded.jobs.map((job) => ({ ...job, file: path, baseFolder })),
    problems: [...reading.problems, ...found.problems, ...expanded.problems],
    warnings: found.warnings,
  };
}

/** The document without the jobs that a name surely does not mean: what is wrong with them is not asked. */
function onlyJob(document: JobDocument, jobName: string | undefined): JobDocument {
  const jobs = document.jobs.filter(
    ({ name = '' }) => jobName === name || jobName?.startsWith(`${name}/`) === true,
  );
  return jobs.length === 0 ? document : { ...document, jobs };
}

async function rowsOf(
  document: JobDocument,
  { baseFolder, fileName }: { readonly baseFolder: string; readonly fileName: string },
) {
  const rows = new Map<string, readonly Row[]>();
  const problems: Problem[] = [];
  const warnings = new Set<string>();
  for (const job of document.jobs) {
    if (!Object.hasOwn(job.value, 'for_each')) continue;
    const reading = await readRows({
      value: job.value.for_each,
      keyPath: [...job.keyPath, 'for_each'],
      locate: document.locate,
      baseFolder,
    });
    rows.set(job.name ?? fileName, reading.rows);
    problems.push(...reading.problems);
    const outside = await outsideRows(job.value.for_each, baseFolder);
    if (outside !== undefined) warnings.add(outside);
  }
  return { rows, problems, warnings: [...warnings] };
}

/** Not refused, as projects share lists; said, as a job file may come from somebody else and rows end in prompts. */
async function outsideRows(value: unknown, baseFolder: string): Promise<string | undefined> {
  if (typeof value !== 'string') return undefined;
  const path = resolve(baseFolder, value);
  const real = await realpath(path).catch(() => path);
  if (isInside(await realFolder(baseFolder), real)) return undefined;
  return `"${real}" is outside of the folder of the job file, and its rows are read (for_each)`;
}

/** Names that occur in several files get the name of their file. */
function tellFilesApart(jobs: readonly FileJobEntry[]): readonly FileJobEntry[] {
  const files = new Map<string, Set<string>>();
  for (const { name, file } of jobs) files.set(name, (files.get(name) ?? new Set()).add(file));
  return jobs.map((job) => {
    if ((files.get(job.name)?.size ?? 0) < 2) return job;
    return { ...job, name: `${basename(job.file, extname(job.file))}/${job.name}` };
  });
}

function doubleNames(jobs: readonly FileJobEntry[]): readonly Problem[] {
  const seen = new Set<string>();
  const reported = new Set<string>();
  return jobs.flatMap(({ name, locate }): Problem[] => {
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    if (reported.has(name)) return [];
    reported.add(name);
    return [{ ...locate([]), value: name, message: 'is the name of several jobs; names tell jobs apart' }];
  });
}
