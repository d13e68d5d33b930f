import pMap, { pMapSkip } from 'p-map';
import { draftFromSettings } from '../config/request-settings.ts';
import type { EvolinkError } from '../errors.ts';
import { isSidecarForeign } from '../generate/sidecar.ts';
import { attachOpen } from '../jobs/attach-open.ts';
import { checkJobs, distinctProblems } from '../jobs/check-jobs.ts';
import { describeMedia } from '../jobs/describe-media.ts';
import { expectedSeconds } from '../jobs/expected-seconds.ts';
import { toProblemReports } from '../jobs/file-problems.ts';
import { findMoved } from '../jobs/find-moved.ts';
import { createMediaReader } from '../jobs/job-media.ts';
import { toInvalidReport } from '../jobs/job-report.ts';
import { markDisplaced } from '../jobs/mark-displaced.ts';
import { needsSubmit, type PlannedJob, planJobs } from '../jobs/plan-jobs.ts';
import { DEFAULT_MAX_JOBS, readJobFiles } from '../jobs/read-job-files.ts';
import type { ResolvedJob } from '../jobs/resolve-job.ts';
import type { JobReport } from '../jobs/run-report.ts';
import { createJobMatcher, requireMatch, selectJobs } from '../jobs/select-jobs.ts';
import { assignShards, type Shard } from '../jobs/shard.ts';
import { isFolder } from '../platform/is-folder.ts';
import { formatProblem } from '../request/format-problem.ts';
import { listError } from '../request/list-error.ts';
import type { Problem } from '../request/types.ts';
import type { Frame } from './command-frame.ts';
import type { Context } from './context.ts';
import { callbackWarnings, planUploadWarnings } from './file-warnings.ts';
import { openRecords } from './open-records.ts';
import { checkPlanUrls } from './plan-urls.ts';
import type { RunOptions } from './run-options.ts';

export interface PlanRequest {
  readonly files: readonly string[];
  readonly options: RunOptions;
  readonly shard: Shard | undefined;
}

export interface RunPlan {
  readonly jobs: readonly PlannedJob[];
  /** Jobs that the rules refuse; nothing may be sent then. */
  readonly invalid: readonly JobReport[];
  /** Everything that is wrong, each once. */
  readonly problems: readonly Problem[];
  /** What belongs to no job. */
  readonly warnings: readonly string[];
}

/** Disks, not processors, are waited for. */
const LOOKS_AT_ONCE = 8;

/**
 * From job files to a plan: read, expanded, checked, chosen, compared with what is there, its media URLs looked at. Sends
 * nothing to the service, needs no key.
 * @throws EvolinkError `usage` for a file that can't be read or a choice that means nothing, `local-io`
 */
export async function planRun(
  context: Context,
  frame: Frame,
  { files, options, shard }: PlanRequest,
): Promise<RunPlan> {
  const { cwd, clock } = context;
  const { session } = frame;
  const reading = await readJobFiles(files, { cwd, maxJobs: options.maxJobs ?? DEFAULT_MAX_JOBS });
  const checked = await checkJobs(reading.jobs, {
    settingsOf: (operation) => draftFromSettings(operation, session.settings),
    allowLoopback: session.isLoopbackApi,
    readMedia: createMediaReader(cwd),
    isFolder,
    output: configuredOutput(session.settings.output.value, cwd),
    nowMs: clock.now(),
  });
  const ofFiles = [...reading.problems, ...checked.problems];
  const early = [...ofFiles, ...checked.invalid.flatMap(({ problems }) => problems)];
  const invalid = [...toProblemReports(ofFiles, files), ...checked.invalid.map(toInvalidReport)];
  if (early.length > 0) return refusedPlan({ invalid, problems: early });
  const chosen = choose(checked.jobs, { options, shard });
  const records = (await openRecords(frame)).filter(session.isOwn);
  const takenPaths = new Set(checked.jobs.map(({ outputPath }) => outputPath));
  const planned = await planJobs(chosen, {
    records,
    takenPaths,
    isForced: forced(checked.jobs, options.force),
    isRehearsal: session.isLoopbackApi,
    service: session.service,
    prices: session.settings.prices.value,
    cwd,
  });
  const refused = [...planned.problems, ...(await sidecarProblems(planned.jobs, chosen))];
  if (refused.length > 0) {
    return refusedPlan({ invalid: toProblemReports(refused, files), problems: refused });
  }
  const isRehearsal = session.isLoopbackApi;
  const moved = {
    journal: session.journal,
    openRecords: records,
    takenPaths,
    isRehearsal,
    isAdopting: options.adopt === true,
    homeFolder: context.home,
  };
  const attached = await attachOpen(planned.jobs, records);
  const jobs =
    options.adopt === false ? attached : markDisplaced(await findMoved(attached, moved), { isRehearsal });
  const seen = await checkPlanUrls(context, session, {
    jobs,
    resolved: chosen,
    isWanted: options.checkUrls,
  });
  if (seen.invalid.length > 0) {
    const problems = seen.invalid.flatMap((each) => each.problems);
    const warnings = [...new Set(seen.jobs.flatMap(({ media }) => describeMedia(media).warnings))];
    return refusedPlan({ invalid: seen.invalid.map(toInvalidReport), problems, warnings });
  }
  const toSend = new Set(jobs.filter(needsSubmit).map(({ outputPath }) => outputPath));
  const sent = chosen.filter(({ outputPath }) => toSend.has(outputPath));
  const warnings = [
    ...reading.warnings,
    ...(await planUploadWarnings(sent)),
    ...callbackWarnings(sent),
    ...seen.warnings,
  ];
  return { jobs: seen.jobs, invalid: [], problems: [], warnings };
}

function refusedPlan({
  invalid,
  problems,
  warnings = [],
}: Pick<RunPlan, 'invalid' | 'problems'> & Partial<Pick<RunPlan, 'warnings'>>): RunPlan {
  return { jobs: [], invalid, problems: distinctProblems(problems), warnings };
}

/** All problems of a plan as one error. */
export function planError(problems: readonly Problem[]): EvolinkError {
  return listError(problems.map(formatProblem), {
    summary: `the job files have ${problems.length} problems; nothing was sent`,
    hint: 'evolink help job-files',
  });
}

/** A configured output whose name only the finished task knows can't be found again: it is for single commands. */
function configuredOutput(pattern: string | undefined, folder: string) {
  return pattern === undefined || /\{(?:id|time)\}/.test(pattern) ? undefined : { pattern, folder };
}

function choose(
  jobs: readonly ResolvedJob[],
  { options, shard }: { readonly options: RunOptions; readonly shard: Shard | undefined },
): readonly ResolvedJob[] {
  const byEntry = new Map(jobs.map((job) => [job.entry, job]));
  const chosen = selectJobs(
    jobs.map(({ entry }) => entry),
    { only: options.only, skip: options.skip },
  ).flatMap((entry) => byEntry.get(entry) ?? []);
  if (shard === undefined) return chosen;
  const weighed = chosen.map(({ entry, request }) => ({
    name: entry.name,
    weight: expectedSeconds(request),
  }));
  const shards = assignShards(weighed, shard.count);
  return chosen.filter(({ entry }) => shards.get(entry.name) === shard.index);
}

function forced(jobs: readonly ResolvedJob[], force: RunOptions['force']) {
  if (force === undefined) return () => false;
  if (force === true) return () => true;
  for (const glob of force)
    requireMatch(
      jobs.map(({ entry }) => entry),
      '--force',
      glob,
    );
  return createJobMatcher(force);
}

/** A clip of a run always gets a sidecar; where a file of the user's has its name, nothing may be bought for that place. */
async function sidecarProblems(
  planned: readonly PlannedJob[],
  chosen: readonly ResolvedJob[],
): Promise<readonly Problem[]> {
  const empty = new Set(
    planned.filter((job) => job.clip === undefined && needsSubmit(job)).map(({ outputPath }) => outputPath),
  );
  const places = chosen.filter(({ outputPath }) => empty.has(outputPath));
  const message =
    'is where the record of the clip goes, and is a file that evolink did not write; move it away, or name another output';
  return pMap(
    places,
    async ({ entry, outputPath }) =>
      (await isSidecarForeign(outputPath))
        ? { source: entry.describe(['output']), value: `${outputPath}.json`, message }
        : pMapSkip,
    { concurrency: LOOKS_AT_ONCE },
  );
}
