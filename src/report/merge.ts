import { posix } from 'node:path';
import { addCredits, sumOf } from './facts.ts';
import type { JobReport, RunReport } from './run-report.ts';
import { sumTotals } from './states.ts';

/**
 * One report of several runs: shards, or a run and its repetition. A job that several of them hold is reported as by the
 * run that ended last; a report that is given twice counts once; credits are summed. Job files of one name in different
 * folders are kept apart by their folder. A missing shard is named. Pure.
 * @param reports at least one
 */
export function mergeReports(reports: readonly RunReport[]): RunReport {
  const runKey = ({ started_at, ended_at, shard, files, jobs }: RunReport) =>
    JSON.stringify([started_at, ended_at, shard, files, jobs.length]);
  const distinctRuns = new Map(reports.map((report) => [runKey(report), report]));
  const runs = renameApart([...distinctRuns.values()]).sort(
    (a, b) => Date.parse(a.ended_at) - Date.parse(b.ended_at),
  );
  const [only] = runs;
  if (only === undefined) throw new Error('no report to merge');
  const files = distinct(runs.flatMap((run) => run.files));
  const missing = findMissingShards(runs);
  const isAlone = runs.length === 1;
  const jobs = isAlone ? only.jobs : mergeJobs(runs, files);
  return {
    ...only,
    tool_version: distinct(runs.map((run) => run.tool_version)).join(', '),
    dry_run: runs.every((run) => run.dry_run),
    sandbox: runs.some((run) => run.sandbox),
    stopped: runs.some((run) => run.stopped),
    folder: distinct(runs.map(({ folder }) => folder)).length === 1 ? only.folder : null,
    files,
    shard: isAlone ? only.shard : null,
    started_at: runs.map((run) => run.started_at).sort()[0] ?? only.started_at,
    ended_at: runs.at(-1)?.ended_at ?? only.ended_at,
    totals: sumTotals(jobs),
    credits: addCredits(runs.map(({ credits }) => credits)),
    // Shards run side by side: what the account held before all of them is not known.
    balance: isAlone ? only.balance : null,
    price_list_date: runs.at(-1)?.price_list_date ?? null,
    billed_seconds: sumOf(runs.map((run) => run.billed_seconds)),
    uploads: sumOf(runs.map((run) => run.uploads)),
    error: lastError(runs),
    jobs,
    warnings: distinct([
      ...runs.flatMap(({ warnings }) => warnings).filter((warning) => !MISSING_TEXT.test(warning)),
      ...(missing.length === 0 ? [] : [missingText(missing)]),
    ]),
    missing_shards: missing,
  };
}

/** Jobs in the order of their files, as in a run without shards. */
function mergeJobs(runs: readonly RunReport[], files: readonly string[]): readonly JobReport[] {
  const latest = new Map(
    runs.flatMap(({ jobs }) => jobs).map((job) => [JSON.stringify([job.file, job.name]), job]),
  );
  const place = new Map(files.map((file, index) => [file, index]));
  // Jobs of one matrix share a line; which came first among shards is not known, so their names decide.
  return [...latest.values()].sort(
    (a, b) =>
      (place.get(a.file) ?? 0) - (place.get(b.file) ?? 0) ||
      a.line - b.line ||
      a.column - b.column ||
      a.name.localeCompare(b.name, 'en', { numeric: true }),
  );
}

/** A refusal counts until the same files, or the same part of them, run again. */
function lastError(runs: readonly RunReport[]): RunReport['error'] {
  const latest = new Map(runs.map(({ files, shard, error }) => [JSON.stringify([files, shard]), error]));
  return [...latest.values()].find((error) => error !== null) ?? null;
}

/** Shards of the same files that nobody has reported. */
function findMissingShards(runs: readonly RunReport[]): string[] {
  const here = new Set<string>();
  const wanted = new Map<string, string>();
  for (const { folder, files, shard, missing_shards: missing } of runs) {
    const set = JSON.stringify([folder, files]);
    // What a merged report misses may be there by now, under whatever folder.
    for (const name of missing) wanted.set(name, name);
    if (shard === null) continue;
    const nameOf = (index: number) => `${index}/${shard.count}`;
    here.add(nameOf(shard.index)).add(set + nameOf(shard.index));
    for (let index = 1; index <= shard.count; index += 1) wanted.set(set + nameOf(index), nameOf(index));
  }
  return distinct([...wanted].flatMap(([key, name]) => (here.has(key) ? [] : name)));
}

/** The sentence in reports and messages. */
export function missingText(missingShards: readonly string[]): string {
  return `the report of shard ${missingShards.join(', ')} is missing`;
}
const MISSING_TEXT = /^the report of shard [\d/, ]+ is missing$/;

/** The runs with names of job files that are distinct where their folders are: from the folder that all of them are in. */
function renameApart(runs: readonly RunReport[]): RunReport[] {
  const folders = distinct(runs.flatMap(({ folder }) => (folder === null ? [] : slashed(folder))));
  const [first = [], ...others] = folders.map((folder) => folder.split('/'));
  if (others.length === 0) return [...runs];
  const end = first.findIndex((part, index) => others.some((other) => other[index] !== part));
  const top =
    first.slice(0, end === -1 ? first.length : end).join('/') || (folders[0]?.startsWith('/') ? '/' : '.');
  return runs.map((run) => {
    if (run.folder === null) return run;
    const folder = slashed(run.folder);
    const rename = (file: string): string =>
      posix.isAbsolute(file) ? file : posix.relative(top, posix.join(folder, slashed(file)));
    const jobs = run.jobs.map((job) => ({ ...job, file: rename(job.file) }));
    return { ...run, folder: top, files: run.files.map(rename), jobs };
  });
}

function slashed(path: string): string {
  return path.replaceAll('\\', '/');
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
