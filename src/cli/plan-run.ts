import pMap from 'p-map';
import { draftFromSettings } from '../config/resolve.ts';
import { type EvolinkError, isEvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { isFolder } from '../platform/folders.ts';
import type { JobReport } from '../report/run-report.ts';
import { fingerprint, toWireBody } from '../request/fingerprint.ts';
import type { Problem } from '../request/models.ts';
import { formatProblem, listError } from '../request/problems.ts';
import { DEFAULT_MAX_JOBS, readJobFiles } from '../run/expand.ts';
import { describeMedia, toInvalidReport, toProblemReports } from '../run/job-report.ts';
import { matchJobs } from '../run/match.ts';
import { mostCredits, needsSubmit, type PlannedJob, planJobs, planUrls, withPlanUrls } from '../run/plan.ts';
import { checkJobs, createMediaReader, distinctProblems, type ResolvedJob } from '../run/resolve-job.ts';
import { type Shard, selectJobs, shardOf } from '../run/select.ts';
import { mediaHashes } from '../task/prepare-media.ts';
import { formatCount, formatCredits } from '../ui/format.ts';
import type { Frame } from './frame.ts';
import { createUrlCheck } from './media.ts';
import { callbackWarnings, planUploadWarnings } from './outside-project.ts';
import { openRecords } from './records.ts';
import type { Run, RunOptions } from './run-options.ts';
import type { Session } from './session.ts';

interface PlanUrlCheck {
  readonly jobs: readonly PlannedJob[];
  readonly resolved: readonly ResolvedJob[];
  /** `--check-urls`. */
  readonly isWanted: boolean;
  readonly priceCredits: number | undefined;
}

/** Looks at the media URLs of the jobs that have to be sent, each once, where that was asked for. */
async function checkPlanUrls(
  context: Context,
  session: Session,
  { jobs, resolved, isWanted, priceCredits }: PlanUrlCheck,
): Promise<ReturnType<typeof withPlanUrls>> {
  const urls = isWanted ? [...planUrls(jobs)] : [];
  if (urls.length === 0) return { jobs, invalid: [] };
  const { checkUrls } = await import('../media/check-url.ts');
  const inspections = await checkUrls(urls, await createUrlCheck(context, session));
  return withPlanUrls(jobs, inspections, { resolved, prices: session.settings.prices.value, priceCredits });
}

interface PlanRequest {
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
    isForced: options.force === true,
    isSandbox: session.isLoopbackApi,
    service: session.service,
    prices: session.settings.prices.value,
    priceCredits: options.priceCredits,
    cwd,
  });
  if (planned.problems.length > 0) {
    const { problems } = planned;
    return refusedPlan({ invalid: toProblemReports(problems, files), problems });
  }
  const jobs = await matchJobs(planned.jobs, {
    journal: session.journal,
    openRecords: records,
    isOwn: session.isOwn,
    otherPrints: printsOfOthers(checked.jobs, chosen),
    isSandbox: session.isLoopbackApi,
    homeFolder: context.home,
  });
  const seen = await checkPlanUrls(context, session, {
    jobs,
    resolved: chosen,
    isWanted: options.checkUrls === true,
    priceCredits: options.priceCredits,
  });
  if (seen.invalid.length > 0) {
    const problems = seen.invalid.flatMap((each) => each.problems);
    const warnings = [...new Set(seen.jobs.flatMap(({ media }) => describeMedia(media).warnings))];
    return refusedPlan({ invalid: seen.invalid.map(toInvalidReport), problems, warnings });
  }
  const toSend = new Set(jobs.filter(needsSubmit).map(({ outputPath }) => outputPath));
  const sent = chosen.filter(({ outputPath }) => toSend.has(outputPath));
  for (const warning of new Set(choicesOf(sent).map((each) => each.warning))) frame.warn(warning, 'trust');
  const warnings = [
    ...reading.warnings,
    ...datedWarnings(jobs),
    ...(shard === undefined ? [] : shardWarnings(checked.jobs, session.settings.maxCredits.value)),
    ...(await planUploadWarnings(sent)),
    ...callbackWarnings(sent),
  ];
  return { jobs: seen.jobs, invalid: [], problems: [], warnings };
}

/** What a project file makes dearer, or lets somebody know. */
function choicesOf(jobs: readonly Pick<ResolvedJob, 'projectChoices'>[]) {
  return jobs.flatMap(({ projectChoices }) => projectChoices ?? []);
}

export function fromProject({ jobs }: RunPlan): readonly string[] {
  return [...new Set(choicesOf(jobs.filter(needsSubmit)).map(({ text }) => text))];
}

/** What a person may take to hold over all shards of a run, and does not. */
function shardWarnings(jobs: readonly ResolvedJob[], maxCredits: number | undefined): readonly string[] {
  const numbered = jobs.filter(({ entry }) => entry.isNumbered).length;
  return [
    ...(numbered === 0
      ? []
      : [
          `${formatCount(numbered, 'job')} ${numbered === 1 ? 'is' : 'are'} named by a row number, which is not stable: a row put before moves them to other shards; give the rows a first column that tells them apart`,
        ]),
    ...(maxCredits === undefined
      ? []
      : [`--max-credits ${maxCredits} is the budget of each shard, not of all of them together`]),
  ];
}

/** What the jobs that were not chosen ask for: what is theirs is given to no other. */
function printsOfOthers(
  jobs: readonly ResolvedJob[],
  chosen: readonly ResolvedJob[],
): ReadonlyMap<string, () => string> {
  const isChosen = new Set(chosen);
  return new Map(
    jobs
      .filter((job) => !isChosen.has(job))
      .map(({ outputPath, request, media }) => [
        outputPath,
        () => fingerprint(toWireBody(request), mediaHashes(media.local)),
      ]),
  );
}

/** What each day makes anew. */
function datedWarnings(jobs: readonly PlannedJob[]): readonly string[] {
  const dated = jobs.filter(({ isDated }) => isDated);
  if (dated.length === 0) return [];
  const credits = dated.reduce((sum, job) => sum + (mostCredits(job) ?? 0), 0);
  return [
    `${formatCount(dated.length, 'output')} ${dated.length === 1 ? 'holds' : 'hold'} {date}: each day makes another clip, for about ${formatCredits(credits)} credits`,
  ];
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
  return chosen.filter(({ entry }) => shardOf(entry.name, shard.count) === shard.index);
}

/**
 * Asks the service whether the tasks of deleted and damaged clips are still there, before anything is counted: a deleted clip
 * whose task is gone is a new one.
 */
export async function withLiveRestores({ context, frame }: Run, plan: RunPlan): Promise<RunPlan> {
  const tasks = new Set(
    plan.jobs.flatMap(({ action, restore }) => (action === 'restore' ? (restore?.taskId ?? []) : [])),
  );
  if (tasks.size === 0) return plan;
  const { api } = await frame.session.connect();
  const gone = new Set<string>();
  await pMap(
    tasks,
    async (taskId) => {
      try {
        const task = await api.getTask(taskId, context.signals.signal);
        if (task.state !== 'completed') gone.add(taskId);
      } catch (error) {
        if (!isEvolinkError(error) || (error.kind !== 'task-failed' && error.kind !== 'usage')) throw error;
        gone.add(taskId);
      }
    },
    { concurrency: LOOKS_AT_ONCE },
  );
  const jobs = plan.jobs.map((job): PlannedJob => {
    const { action, restore } = job;
    if (action !== 'restore' || restore?.taskId === undefined || !gone.has(restore.taskId)) return job;
    if (restore.isDamaged) return { ...job, restore: { ...restore, isGone: true } };
    return { ...job, action: job.clip === undefined ? 'new' : 'changed', restore: undefined };
  });
  return { ...plan, jobs };
}
