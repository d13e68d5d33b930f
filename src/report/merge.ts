import { type CreditFacts, type JobError, type JobReport, type RunReport, sumTotals } from './run-report.ts';

/**
 * One report of several runs: shards, or a run and its repetition. A job that several of them hold is told as the run that
 * ended last tells it; a report that is given twice counts once; credits are summed. A missing shard is a warning. Pure.
 * @param reports at least one
 */
export function mergeReports(reports: readonly RunReport[]): RunReport {
  const runs = withoutCopies(reports).sort((a, b) => a.endedAtMs - b.endedAtMs);
  const jobs = mergeJobs(runs);
  const dates = distinct(runs.flatMap(({ priceListDate }) => priceListDate ?? []));
  const [only] = runs;
  return {
    schemaVersion: 1,
    toolVersion: distinct(runs.map(({ toolVersion }) => toolVersion)).join(', '),
    isDryRun: runs.every(({ isDryRun }) => isDryRun),
    isSandbox: runs.some(({ isSandbox }) => isSandbox),
    isStopped: runs.some(({ isStopped }) => isStopped),
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
    warnings: distinct([...runs.flatMap(({ warnings }) => warnings), ...missingShards(runs)]),
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

function missingShards(runs: readonly RunReport[]): readonly string[] {
  const counts = distinct(runs.flatMap(({ shard }) => shard?.count ?? []));
  return counts.flatMap((count) => {
    const here = new Set(runs.flatMap(({ shard }) => (shard?.count === count ? [shard.index] : [])));
    const missing = Array.from({ length: count }, (_each, index) => index + 1).filter(
      (index) => !here.has(index),
    );
    return missing.length === 0
      ? []
      : [`the report of shard ${missing.map((index) => `${index}/${count}`).join(', ')} is missing`];
  });
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
