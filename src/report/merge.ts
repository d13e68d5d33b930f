import { posix } from 'node:path';
import { type CreditFacts, type JobError, type JobReport, type RunReport, sumTotals } from './run-report.ts';

/**
 * One report of several runs: shards, or a run and its repetition. A job that several of them hold is told as the run that
 * ended last tells it; a report that is given twice counts once; credits are summed. Job files of one name in different
 * folders are told apart by their folder. A missing shard is named. Pure.
 * @param reports at least one
 */
export function mergeReports(reports: readonly RunReport[]): RunReport {
  const runs = apart(withoutCopies(reports)).sort((a, b) => a.endedAtMs - b.endedAtMs);
  const missingShards = findMissingShards(runs);
  const jobs = mergeJobs(runs);
  const dates = distinct(runs.flatMap(({ priceListDate }) => priceListDate ?? []));
  const [only] = runs;
  return {
    schemaVersion: 1,
    toolVersion: distinct(runs.map(({ toolVersion }) => toolVersion)).join(', '),
    isDryRun: runs.every(({ isDryRun }) => isDryRun),
    isSandbox: runs.some(({ isSandbox }) => isSandbox),
    isStopped: runs.some(({ isStopped }) => isStopped),
    folder: distinct(runs.map(({ folder }) => folder)).length === 1 ? only?.folder : undefined,
    files: distinct(inShardOrder(runs).flatMap(({ files }) => files)),
    shard: runs.length === 1 ? only?.shard : undefined,
    startedAtMs: Math.min(...runs.map(({ startedAtMs }) => startedAtMs)),
    endedAtMs: Math.max(...runs.map(({ endedAtMs }) => endedAtMs)),
    totals: sumTotals(jobs),
    credits: sumCredits(runs),
    // Shards run side by side: what the account held before all of them is not known.
    balance: runs.length === 1 ? only?.balance : undefined,
    priceListDate: dates.sort().at(-1),
    error: lastErrors(runs)[0],
    jobs,
    warnings: distinct([
      ...runs.flatMap(({ warnings }) => warnings).filter((warning) => !isMissingText(warning)),
      ...(missingShards.length === 0 ? [] : [missingText(missingShards)]),
    ]),
    missingShards: missingShards.length === 0 ? undefined : missingShards,
  };
}

/** The same run by everything that tells runs apart. */
function withoutCopies(reports: readonly RunReport[]): RunReport[] {
  const known = new Map<string, RunReport>();
  for (const report of reports) known.set(runKey(report), report);
  return [...known.values()];
}

function runKey({ startedAtMs, endedAtMs, shard, files, jobs }: RunReport): string {
  return JSON.stringify([startedAtMs, endedAtMs, shard, files, jobs.map(jobKey)]);
}

function jobKey({ file, name }: JobReport): string {
  return JSON.stringify([file, name]);
}

/** Jobs in the order of their files, as a run without shards would tell them. */
function mergeJobs(runs: readonly RunReport[]): readonly JobReport[] {
  const [only, ...others] = runs;
  if (only !== undefined && others.length === 0) return only.jobs;
  const latest = new Map(runs.flatMap(({ jobs }) => jobs.map((job) => [jobKey(job), job] as const)));
  const files = distinct(inShardOrder(runs).flatMap((run) => run.jobs.map(({ file }) => file)));
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

function inShardOrder(runs: readonly RunReport[]): readonly RunReport[] {
  return [...runs].sort((a, b) => (a.shard?.index ?? 0) - (b.shard?.index ?? 0));
}

function sumCredits(runs: readonly RunReport[]): CreditFacts {
  const sum = (pick: (credits: CreditFacts) => number | undefined): number | undefined => {
    const known = runs.flatMap(({ credits }) => pick(credits) ?? []);
    return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0);
  };
  return {
    estimated: sum(({ estimated }) => estimated),
    reserved: sum(({ reserved }) => reserved),
    used: sum(({ used }) => used),
  };
}

/** A refusal counts until the same files, or the same part of them, run again. */
function lastErrors(runs: readonly RunReport[]): readonly JobError[] {
  const latest = new Map(runs.map(({ files, shard, error }) => [JSON.stringify([files, shard]), error]));
  return [...latest.values()].filter((error) => error !== undefined);
}

/** Shards of the same files that nobody has reported. */
function findMissingShards(runs: readonly RunReport[]): readonly string[] {
  const setOf = ({ folder, files, shard }: RunReport): string =>
    JSON.stringify([folder, files, shard?.count]);
  const named = runs.flatMap(({ shard, missingShards = [] }) => (shard === undefined ? missingShards : []));
  const here = new Set(
    runs.flatMap(({ shard }) => (shard === undefined ? [] : `${shard.index}/${shard.count}`)),
  );
  const missing = distinct(runs.map(setOf)).flatMap((set) => {
    const shards = runs.filter((run) => setOf(run) === set).flatMap(({ shard }) => shard ?? []);
    const known = new Set(shards.map(({ index }) => index));
    const count = shards[0]?.count ?? 0;
    return Array.from({ length: count }, (_each, index) => index + 1)
      .filter((index) => !known.has(index))
      .map((index) => `${index}/${count}`);
  });
  return distinct([...named.filter((name) => !here.has(name)), ...missing]);
}

/** The sentence that reports and people are told. */
export function missingText(missingShards: readonly string[]): string {
  return `the report of shard ${missingShards.join(', ')} is missing`;
}

function isMissingText(text: string): boolean {
  return /^the report of shard [\d/, ]+ is missing$/.test(text);
}

/** The runs with names of job files that are distinct where their folders are. */
function apart(runs: readonly RunReport[]): RunReport[] {
  const folders = distinct(runs.flatMap(({ folder }) => (folder === undefined ? [] : slashed(folder))));
  if (folders.length < 2) return [...runs];
  const top = commonFolder(folders);
  return runs.map((run) => {
    const { folder } = run;
    if (folder === undefined) return run;
    const rename = (file: string): string =>
      posix.isAbsolute(file) ? file : posix.relative(top, posix.join(slashed(folder), slashed(file)));
    return {
      ...run,
      folder: top,
      files: run.files.map(rename),
      jobs: run.jobs.map((job) => ({ ...job, file: rename(job.file) })),
    };
  });
}

/** The folder that all of them are in. */
function commonFolder([first = '', ...others]: readonly string[]): string {
  const parts = first.split('/');
  const isShared = (part: string, index: number): boolean =>
    others.every((other) => other.split('/')[index] === part);
  const end = parts.findIndex((part, index) => !isShared(part, index));
  return parts.slice(0, end === -1 ? parts.length : end).join('/') || (first.startsWith('/') ? '/' : '.');
}

function slashed(path: string): string {
  return path.replaceAll('\\', '/');
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
