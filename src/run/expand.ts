import { basename, dirname, extname, resolve } from 'node:path';
import { escapePattern, toSafeName } from '../config/output.ts';
import { MAX_YAML_BYTES } from '../config/yaml.ts';
import { isInside, realFolder } from '../platform/folders.ts';
import { readTextFile } from '../platform/read-file.ts';
import { coerceDuration, mergeAsked } from '../request/draft.ts';
import { FIELDS, type FieldRow, isRequestKey } from '../request/fields.ts';
import type { Operation, Origin, Problem } from '../request/models.ts';
import { type Asked, type JobObject, type KeyPath, type Locate, nearest } from '../request/problems.ts';
import { type JobDocument, type RawJob, readJobDocument } from './job-file.ts';
import { type Cell, type Matrix, readMatrix } from './matrix.ts';
import { type Rows, readRows, rowLabels } from './rows.ts';
import { hasTemplate, JobFiller, valueText } from './variables.ts';

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

/** So many jobs files expand to unless told otherwise. */
const DEFAULT_MAX_JOBS = 10_000;

export interface JobFilesReading {
  readonly jobs: readonly JobEntry[];
  /** Problems that belong to no single job. */
  readonly problems: readonly Problem[];
  /** Files of rows that lie outside of the folder of their job file. */
  readonly warnings: readonly string[];
}

/** Values become safe parts of a name: what a table holds can't lead to another folder. */
const toNamePart = (value: unknown): string => escapePattern(toSafeName(valueText(value)));
const pathPart = ({ value }: Cell[number]): string => valueText(value).replaceAll('/', '-');
const toObject = (cell: Cell): JobObject => Object.fromEntries(cell.map(({ axis, value }) => [axis, value]));

/** What a table holds as text becomes the type that its key wants. */
function toWantedType(value: unknown, type: FieldRow['type']): unknown {
  if (typeof value !== 'string') return value;
  if (type === 'integer') return coerceDuration(value);
  const word = value.trim().toLowerCase();
  return type === 'boolean' && /^(?:true|false)$/.test(word) ? word === 'true' : value;
}

/** What the rows of one cell of the matrix share: it is made once, as a table may have thousands. */
function shapeOf(raw: RawJob, { locate, defaults, vars, isFinal }: JobDocument, cell: Cell, table: Rows) {
  const { value: job, keyPath: at } = raw;
  const own: JobObject = Object(job.vars);
  const axes = cell.filter(({ axis }) => isRequestKey(axis) && !Object.hasOwn(job, axis));
  const locateOwn = (keyPath: KeyPath): Origin => {
    const axis = axes.find((each) => each.axis === keyPath[0]);
    return locate(axis === undefined ? [...at, ...keyPath] : [...axis.keyPath, ...keyPath.slice(1)]);
  };
  const { value: merged, locate: placeOfKey } = mergeAsked(
    { value: { ...toObject(axes), ...job }, locate: locateOwn },
    { value: defaults, locate: (keyPath) => locate(['defaults', ...keyPath]) },
  );
  const request = Object.fromEntries(Object.entries(merged).filter(([key]) => isRequestKey(key)));
  // What a sidecar holds was sent as it stands: braces in it are text.
  const templates = FIELDS.filter(({ key }) => !isFinal && hasTemplate(request[key]));
  const output = typeof merged.output === 'string' ? merged.output : undefined;
  const values = toObject(cell);
  const placeOfVariable = (name: string, row: number): string => {
    const axis = cell.find((each) => each.axis === name);
    if (axis !== undefined) return locate(axis.keyPath).source;
    if (Object.hasOwn(table.rows[row] ?? {}, name)) return table.placeOf(row, name);
    return locate([...(Object.hasOwn(own, name) ? at : []), 'vars', name]).source;
  };
  return {
    request,
    templates,
    output,
    placeOfKey,
    parts: cell.map(pathPart),
    named: cell.filter(({ axis }) => !isRequestKey(axis)).map(pathPart),
    variablesOf: (row: JobObject): JobObject => ({ ...vars, ...own, ...row, ...values }),
    /** Where a key stands, and where the values come from that were filled into it. */
    locateFilled: (keyPath: KeyPath, row: number, variables: JobObject): Origin => {
      const origin = placeOfKey(keyPath);
      const used = new Set<string>();
      const text = keyPath.reduce<unknown>((outer, key) => Object(outer)[key], merged);
      if (!isFinal && typeof text === 'string') new JobFiller(variables, locate, used).fill(text, keyPath);
      const places = new Set([...used].map((name) => placeOfVariable(name, row)));
      if (places.size === 0) return origin;
      return { ...origin, source: `${origin.source}, filled in from ${[...places].join(' and ')}` };
    },
  };
}

/** An axis that is a key of the request as well, unless the job takes its value from there. */
function axisProblems(
  { value, keyPath }: RawJob,
  cells: readonly Cell[],
  locate: Locate,
): readonly Problem[] {
  const axes = new Set(cells.flatMap((cell) => cell.map(({ axis }) => axis)));
  return [...axes].flatMap((axis): Problem[] => {
    const own = value[axis];
    if (!isRequestKey(axis) || own === undefined || String(own).replaceAll(' ', '').includes(`{{${axis}}}`))
      return [];
    const message = `is an axis, but the job says ${axis} itself as well; leave one out`;
    return [{ ...locate([...keyPath, 'matrix', axis]), message }];
  });
}

/**
 * The jobs of a run that one job of a file stands for: each combination of a row and a cell of the matrix, with its
 * variables filled in. Rows are the outer loop, so that what belongs together stays together. Pure.
 */
function expandJob(
  raw: RawJob,
  document: JobDocument,
  cells: readonly Cell[],
  table: Rows,
  { file, baseFolder }: Pick<JobEntry, 'file' | 'baseFolder'>,
): readonly JobEntry[] {
  const jobs: JobEntry[] = [];
  const { name: ownName, count, for_each } = raw.value;
  const takes = Number(count ?? 1);
  const group = raw.name ?? basename(file, extname(file));
  const { labels, areNumbers } = for_each === undefined ? NO_LABELS : rowLabels(table.rows);
  const { line = 1, column = 1 } = document.locate(raw.keyPath).place ?? {};
  const shapes = cells.map((cell) => shapeOf(raw, document, cell, table));
  for (const [rowIndex, row] of table.rows.entries()) {
    const start = for_each === undefined ? [group] : [group, labels[rowIndex]];
    for (const shape of shapes) {
      const { request, templates, output: pattern } = shape;
      const variables = shape.variablesOf(row);
      const filler = new JobFiller(variables, shape.placeOfKey);
      const isNamed = ownName !== undefined && ownName !== raw.name;
      const given = isNamed ? valueText(filler.fill(ownName, ['name'])).trim() : undefined;
      const name = given ?? [...start, ...shape.parts].join('/');
      const label = given ?? [...start, ...shape.named].join('-');
      const value: Record<string, unknown> = templates.length === 0 ? request : { ...request };
      for (const { key, type } of templates)
        value[key] = toWantedType(filler.fill(request[key], [key]), type);
      const output =
        pattern === undefined ? pattern : valueText(filler.fill(pattern, ['output'], toNamePart));
      const { problems } = filler;
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
          locate: (keyPath) => shape.locateFilled(keyPath, rowIndex, variables),
          problems,
        });
    }
  }
  return jobs;
}

const NO_LABELS = { labels: [], areNumbers: false };
/** Of a job without `for_each`. */
const ONE_ROW: Rows = { rows: [{}], placeOf: () => '', problems: [] };

/**
 * Reads job files, and the files of rows that they name, into the jobs of a run. All problems of all files at once.
 * @throws EvolinkError `usage` for a job file that can't be read
 */
export async function readJobFiles(
  paths: readonly string[],
  { cwd, maxJobs = DEFAULT_MAX_JOBS }: { readonly cwd: string; readonly maxJobs?: number | undefined },
): Promise<JobFilesReading> {
  const readings: JobFilesReading[] = [];
  const jobsOf = () => readings.flatMap(({ jobs }) => jobs);
  for (const path of paths) readings.push(await readOne(path, cwd, maxJobs - jobsOf().length));
  const jobs = paths.length > 1 ? tellFilesApart(jobsOf()) : jobsOf();
  return {
    jobs,
    problems: [...readings.flatMap(({ problems }) => problems), ...doubleNames(jobs)],
    warnings: readings.flatMap(({ warnings }) => warnings),
  };
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
  const list = `${names.slice(0, MAX_NAMES).join(', ')}${names.length > MAX_NAMES ? ', …' : ''}`;
  const several = `holds ${chosen.length} jobs: choose one with --job (${list}), or take all with \`evolink run\``;
  const message = `is not a job of the file; its jobs are ${list}`;
  const problem: Problem =
    job === undefined
      ? { source: '--job', value: jobName, suggestion: nearest(jobName, names), message }
      : { source: path, message: several };
  return { problems: [...problems, problem], warnings };
}

/** @param jobName of the file only this job and those that it becomes, if there is one of this name */
async function readOne(file: string, cwd: string, maxJobs: number, jobName = ''): Promise<JobFilesReading> {
  const path = resolve(cwd, file);
  const baseFolder = dirname(path);
  const { text } = await readTextFile(path, {
    label: 'job file',
    maxBytes: MAX_YAML_BYTES,
    allowsShellPipe: true,
  });
  const { document, problems } = readJobDocument(file, text);
  const jobs: JobEntry[] = [];
  const warnings = new Set<string>();
  if (document === undefined) return { jobs, problems, warnings: [] };
  const { locate } = document;
  const named = document.jobs.filter(({ name = '' }) => `${jobName}/`.startsWith(`${name}/`));
  for (const raw of named.length > 0 ? named : document.jobs) {
    const { for_each, matrix, count = 1 } = raw.value;
    let cells: readonly Cell[] = [[]];
    if (matrix !== undefined) {
      const reading = readMatrix(matrix as Matrix, [...raw.keyPath, 'matrix'], locate);
      problems.push(...reading.problems, ...axisProblems(raw, reading.cells, locate));
      cells = reading.cells;
    }
    let table = ONE_ROW;
    if (for_each !== undefined) {
      table = await readRows(for_each, [...raw.keyPath, 'for_each'], locate, baseFolder);
      problems.push(...table.problems);
      const real = realFolder(resolve(baseFolder, typeof for_each === 'string' ? for_each : ''));
      // Not refused, as projects share lists; said, as a job file may come from somebody else and rows end in prompts.
      if (!isInside(realFolder(baseFolder), real))
        warnings.add(`"${real}" is outside of the folder of the job file, and its rows are read (for_each)`);
    }
    const total = jobs.length + cells.length * table.rows.length * Number(count);
    if (total > maxJobs) {
      const message = `makes ${total} jobs, at most ${maxJobs} are planned; raise it with --max-jobs ${total}`;
      problems.push({ ...locate(raw.keyPath), message });
      break;
    }
    for (const job of expandJob(raw, document, cells, table, { file, baseFolder })) jobs.push(job);
  }
  return { jobs, problems, warnings: [...warnings] };
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
