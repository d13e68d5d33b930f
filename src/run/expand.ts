import { basename, dirname, extname, resolve } from 'node:path';
import { escapePattern, toSafeName } from '../config/output.ts';
import { MAX_YAML_BYTES } from '../config/yaml.ts';
import { isInside, realFolder } from '../platform/folders.ts';
import { readTextFile } from '../platform/read-file.ts';
import { mergeAsked } from '../request/draft.ts';
import { isRequestKey } from '../request/fields.ts';
import type { Operation, Problem } from '../request/models.ts';
import { type Asked, type JobObject, type KeyPath, nearest } from '../request/problems.ts';
import { type JobDocument, type RawJob, readJobDocument } from './job-file.ts';
import { type Cell, type Matrix, readMatrix } from './matrix.ts';
import { type Rows, readRows, rowLabels } from './rows.ts';
import { compile, compileRequest, JobFiller, valueText, variableNames } from './variables.ts';

/** One job of a run: everything is filled in, nothing of it is checked yet. */
export interface JobEntry extends Asked {
  /** That of the command, where one is fixed. */
  readonly operation?: Operation | undefined;
  /** What the command line says of the job, over its file. */
  readonly typed?: JobObject | undefined;
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
  /** Which of several clips of the same request. */
  readonly take?: number | undefined;
  /** The file as the person named it. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Absolute: relative media and outputs start here. */
  readonly baseFolder: string;
  readonly variables: JobObject;
  readonly output?: string | undefined;
  /** Of a planned job, the place of the job. */
  locate: Asked['locate'];
  readonly problems: readonly Problem[];
}

/** Of a job without `for_each`. */
const NO_ROWS: Pick<Rows, 'placeOf'> & { readonly rows: readonly (JobObject | undefined)[] } = {
  rows: [undefined],
  placeOf: () => '',
};

/** So many jobs files expand to unless told otherwise. */
export const DEFAULT_MAX_JOBS = 10_000;

export interface JobFilesReading {
  readonly jobs: readonly JobEntry[];
  /** Problems that belong to no single job. */
  readonly problems: readonly Problem[];
  /** Files of rows that lie outside of the folder of their job file. */
  readonly warnings: readonly string[];
}

export interface ExpandOptions {
  /** The file as the person named it. */
  readonly file: string;
  readonly baseFolder: string;
  /** The rows of each job that has `for_each`. */
  readonly rows: ReadonlyMap<RawJob, Rows>;
  readonly maxJobs: number;
}

/**
 * Turns the jobs of a file into the jobs of a run: each combination of a row and a cell of the matrix, with its variables
 * filled in. Rows are the outer loop, so that what belongs together stays together. Pure; all problems at once.
 */
export function expandJobs(document: JobDocument, options: ExpandOptions): Omit<JobFilesReading, 'warnings'> {
  const problems: Problem[] = [];
  const jobs: JobEntry[] = [];
  for (const raw of document.jobs) {
    const cells = cellsOf(raw, document, problems);
    const { rows, placeOf } = options.rows.get(raw) ?? NO_ROWS;
    const count = jobs.length + cells.length * rows.length * Number(raw.value.count ?? 1);
    if (count > options.maxJobs) {
      const message = `makes ${count} jobs, at most ${options.maxJobs} are planned; raise it with --max-jobs ${count}`;
      return { jobs, problems: [...problems, { ...document.locate(raw.keyPath), message }] };
    }
    for (const job of expandOne(raw, document, options, cells, { rows, placeOf })) jobs.push(job);
  }
  return { jobs, problems };
}

function cellsOf(raw: RawJob, { locate }: JobDocument, problems: Problem[]): readonly Cell[] {
  if (!Object.hasOwn(raw.value, 'matrix')) return [[]];
  const reading = readMatrix(raw.value.matrix as Matrix, [...raw.keyPath, 'matrix'], locate);
  problems.push(...reading.problems);
  const axes = new Map(reading.cells.flat().map((value) => [value.axis, value]));
  for (const [axis, { keyPath }] of axes) {
    const own = raw.value[axis];
    if (!isRequestKey(axis) || own === undefined) continue;
    if (typeof own === 'string' && variableNames(own).includes(axis)) continue;
    const message = `is an axis, but the job says ${axis} itself as well; leave one out`;
    problems.push({ ...locate(keyPath.slice(0, -1)), message });
  }
  return reading.cells;
}

/** Values become safe parts of a name: what a table holds can't lead to another folder. */
const toNamePart = (value: unknown): string => escapePattern(toSafeName(valueText(value)));
const pathPart = ({ value }: Cell[number]): string => valueText(value).replaceAll('/', '-');

function expandOne(
  raw: RawJob,
  document: JobDocument,
  { file, baseFolder }: ExpandOptions,
  cells: readonly Cell[],
  { rows, placeOf: placeOfCell }: typeof NO_ROWS,
): readonly JobEntry[] {
  const jobs: JobEntry[] = [];
  const { locate, vars, isFinal = false } = document;
  const { name: ownName } = raw.value;
  const takes = Number(raw.value.count ?? 1);
  const group = raw.name ?? basename(file, extname(file));
  const { labels, areNumbers } = rowLabels(rows);
  const { line = 1, column = 1 } = locate(raw.keyPath).place ?? {};
  const own = (raw.value.vars ?? {}) as JobObject;
  const fixed = typeof ownName === 'string' && raw.name !== ownName ? ownName : undefined;
  const fillName = compile(ownName, ['name']);
  // What the rows of a cell share is made once: a table may have thousands.
  const shapes = cells.map((cell) => {
    const axes = cell.filter(({ axis }) => isRequestKey(axis) && !Object.hasOwn(raw.value, axis));
    const placeOfOwn = ([head = '', ...rest]: KeyPath) => {
      const axis = axes.find((each) => each.axis === head);
      return locate([...(axis?.keyPath ?? [...raw.keyPath, ...(head === '' ? [] : [head])]), ...rest]);
    };
    const { value: merged, locate: placeOf } = mergeAsked(
      { value: { ...toObject(axes), ...raw.value }, locate: placeOfOwn },
      { value: document.defaults, locate: (keyPath) => locate(['defaults', ...keyPath]) },
    );
    const request = Object.fromEntries(Object.entries(merged).filter(([key]) => isRequestKey(key)));
    const placeOfVariable = (name: string, row: number): string => {
      const axis = cell.find((each) => each.axis === name);
      if (axis !== undefined) return locate(axis.keyPath).source;
      if (Object.hasOwn(rows[row] ?? {}, name)) return placeOfCell(row, name);
      return locate([...(Object.hasOwn(own, name) ? [...raw.keyPath, 'vars'] : ['vars']), name]).source;
    };
    /** Where a key stands, and where the values come from that were filled into it. */
    const locateFilled = (keyPath: KeyPath, filler: JobFiller, row: number) => {
      const origin = placeOf(keyPath);
      const text = keyPath.reduce<unknown>((value, key) => Object(value)[key], merged);
      const names = !isFinal && typeof text === 'string' ? [...filler.variablesIn(text)] : [];
      const places = [...new Set(names.map((name) => placeOfVariable(name, row)))];
      if (places.length === 0) return origin;
      return { ...origin, source: `${origin.source}, filled in from ${places.join(' and ')}` };
    };
    return {
      // What a sidecar holds was sent as it stands: braces in it are text.
      fillRequest: isFinal ? () => request : compileRequest(request),
      output: typeof merged.output === 'string' ? merged.output : undefined,
      fillOutput: isFinal ? undefined : compile(merged.output, ['output'], toNamePart),
      placeOf,
      locateFilled,
      values: toObject(cell),
      parts: cell.map(pathPart),
      named: cell.filter(({ axis }) => !isRequestKey(axis)).map(pathPart),
    };
  });
  for (const [rowIndex, row] of rows.entries()) {
    const rowLabel = labels[rowIndex];
    const start = rowLabel === undefined ? [group] : [group, rowLabel];
    for (const shape of shapes) {
      const variables = { ...vars, ...own, ...row, ...shape.values };
      const filler = new JobFiller(variables, shape.placeOf);
      const given = (fillName === undefined ? fixed : valueText(fillName(filler)))?.trim();
      const name = given ?? [...start, ...shape.parts].join('/');
      const label = given ?? [...start, ...shape.named].join('-');
      const value = shape.fillRequest(filler);
      const output = shape.fillOutput === undefined ? shape.output : valueText(shape.fillOutput(filler));
      for (let take = 1; take <= takes; take += 1)
        jobs.push({
          name: takes === 1 ? name : `${name}/${take}`,
          group,
          label: takes === 1 ? label : `${label}-${take}`,
          isNumbered: areNumbers && ownName === undefined,
          index: jobs.length + 1,
          take: takes === 1 ? undefined : take,
          file,
          line,
          column,
          baseFolder,
          variables,
          value,
          output,
          locate: (keyPath) => shape.locateFilled(keyPath, filler, rowIndex),
          problems: filler.problems,
        });
    }
  }
  return jobs;
}

function toObject(cell: Cell): JobObject {
  return Object.fromEntries(cell.map(({ axis, value }) => [axis, value]));
}

/**
 * Reads job files, and the files of rows that they name, into the jobs of a run. All problems of all files at once.
 * @throws EvolinkError `usage` for a job file that can't be read
 */
export async function readJobFiles(
  paths: readonly string[],
  { cwd, maxJobs }: { readonly cwd: string; readonly maxJobs: number },
): Promise<JobFilesReading> {
  const all = { jobs: [] as JobEntry[], problems: [] as Problem[], warnings: [] as string[] };
  for (const path of paths) {
    const { jobs, problems, warnings } = await readOne(path, cwd, maxJobs - all.jobs.length);
    for (const job of jobs) all.jobs.push(job);
    all.problems.push(...problems);
    all.warnings.push(...warnings);
  }
  const jobs = paths.length > 1 ? tellFilesApart(all.jobs) : all.jobs;
  return { ...all, jobs, problems: [...all.problems, ...doubleNames(jobs)] };
}

const MAX_NAMES = 20;

/**
 * Reads one job of a file as a run expands it: the one that `--job` names, or the only one there is. The file may also be a
 * single job, a body as the API documents it, or a sidecar. The job is there beside problems where the rest can still be checked.
 * @throws EvolinkError `usage` for a file that can't be read
 */
export async function readSingleJob(
  path: string,
  { cwd, jobName }: { readonly cwd: string; readonly jobName?: string | undefined },
): Promise<Omit<JobFilesReading, 'jobs'> & { readonly job?: JobEntry }> {
  const { jobs, problems, warnings } = await readOne(path, cwd, DEFAULT_MAX_JOBS, jobName);
  const chosen = jobs.filter(({ name, group }) => [undefined, name, group].includes(jobName));
  const [job] = chosen;
  if (job !== undefined && chosen.length === 1)
    return { job, problems: [...problems, ...job.problems], warnings };
  if (jobs.length === 0 && problems.length > 0) return { problems, warnings };
  const names = jobs.map(({ name }) => name);
  const more = names.length > MAX_NAMES ? `, and ${names.length - MAX_NAMES} more` : '';
  const list = `${names.slice(0, MAX_NAMES).join(', ')}${more}`;
  const problem =
    jobName !== undefined && job === undefined
      ? {
          source: '--job',
          value: jobName,
          suggestion: nearest(jobName, names),
          message: `is not a job of the file; its jobs are ${list}`,
        }
      : {
          source: path,
          message: `holds ${chosen.length} jobs: choose one with --job (${list}), or take all with \`evolink run\``,
        };
  return { problems: [...problems, problem], warnings };
}

async function readOne(
  path: string,
  cwd: string,
  maxJobs: number,
  jobName?: string,
): Promise<JobFilesReading> {
  const absolutePath = resolve(cwd, path);
  const { text } = await readTextFile(absolutePath, {
    label: 'job file',
    maxBytes: MAX_YAML_BYTES,
    allowsShellPipe: true,
  });
  const reading = readJobDocument(path, text);
  const problems = [...reading.problems];
  if (reading.document === undefined) return { jobs: [], problems, warnings: [] };
  const document = onlyJob(reading.document, jobName);
  const baseFolder = dirname(absolutePath);
  const rows = new Map<RawJob, Rows>();
  const warnings = new Set<string>();
  for (const job of document.jobs) {
    const value = job.value.for_each;
    if (value === undefined) continue;
    const keyPath = [...job.keyPath, 'for_each'];
    const found = await readRows(value, keyPath, document.locate, baseFolder);
    rows.set(job, found);
    problems.push(...found.problems);
    const outside = outsideRows(value, baseFolder);
    if (outside !== undefined) warnings.add(outside);
  }
  const expanded = expandJobs(document, { file: path, baseFolder, rows, maxJobs });
  return { ...expanded, problems: [...problems, ...expanded.problems], warnings: [...warnings] };
}

/** The document without the jobs that a name surely does not mean: what is wrong with them is not asked. */
function onlyJob(document: JobDocument, jobName: string | undefined): JobDocument {
  const jobs = document.jobs.filter(
    ({ name = '' }) => jobName === name || jobName?.startsWith(`${name}/`) === true,
  );
  return jobs.length === 0 ? document : { ...document, jobs };
}

/** Not refused, as projects share lists; said, as a job file may come from somebody else and rows end in prompts. */
function outsideRows(value: unknown, baseFolder: string): string | undefined {
  if (typeof value !== 'string') return undefined;
  const real = realFolder(resolve(baseFolder, value));
  if (isInside(realFolder(baseFolder), real)) return undefined;
  return `"${real}" is outside of the folder of the job file, and its rows are read (for_each)`;
}

/** Names that occur in several files get the name of their file. */
function tellFilesApart(jobs: readonly JobEntry[]): readonly JobEntry[] {
  const files = new Map<string, Set<string>>();
  for (const { name, file } of jobs) files.set(name, (files.get(name) ?? new Set()).add(file));
  return jobs.map((job) =>
    (files.get(job.name)?.size ?? 0) < 2
      ? job
      : { ...job, name: `${basename(job.file, extname(job.file))}/${job.name}` },
  );
}

function doubleNames(jobs: readonly JobEntry[]): readonly Problem[] {
  const counts = new Map<string, number>();
  return jobs.flatMap(({ name, locate }): Problem[] => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    if (count !== 2) return [];
    return [{ ...locate([]), value: name, message: 'is the name of several jobs; names tell jobs apart' }];
  });
}
