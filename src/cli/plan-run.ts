import pMap from 'p-map';
import { draftFromSettings } from '../config/resolve.ts';
import { type EvolinkError, isEvolinkError } from '../errors.ts';
import type { JobReport } from '../report/run-report.ts';
import type { Problem } from '../request/models.ts';
import { formatProblem, listError } from '../request/problems.ts';
import { mostCredits, needsSubmit } from '../run/budget.ts';
import { checkJobs, distinctProblems, type ResolvedJob } from '../run/check-jobs.ts';
import { createFolderIndex } from '../run/clips.ts';
import { DEFAULT_MAX_JOBS, type JobEntry, readJobFiles } from '../run/expand.ts';
import { describeMedia, toInvalidReport, toProblemReports } from '../run/job-report.ts';
import { matchJobs } from '../run/match.ts';
import { type PlannedJob, planJobs } from '../run/plan.ts';
import { checkUrlsOf, createMediaReader, mediaProblems } from '../run/resolve-job.ts';
import { selectJobs, shardOf } from '../run/select.ts';
import { formatCount, formatCredits } from '../ui/format.ts';
import { createUrlCheck } from './media.ts';
import { callbackWarnings, planUploadWarnings } from './outside-project.ts';
import { openRecords } from './records.ts';
import type { Run } from './run-options.ts';

export interface RunPlan {
  readonly jobs: readonly PlannedJob[];
  /** Jobs that the rules refuse; nothing may be sent then. */
  readonly invalid: readonly JobReport[];
  /** Everything that is wrong, each once. */
  readonly problems: readonly Problem[];
  /** What belongs to no job. */
  readonly warnings: readonly string[];
}

export const EMPTY_PLAN: RunPlan = { jobs: [], invalid: [], problems: [], warnings: [] };

/** Disks and the service, not processors, are waited for. */
const LOOKS_AT_ONCE = 8;

/**
 * From job files to a plan: read, expanded, checked, chosen, compared with what is there, its media URLs looked at. Sends
 * nothing to the service, needs no key.
 * @throws EvolinkError `usage` for a file that can't be read or a choice that means nothing, `local-io`
 */
export async function planRun(run: Run): Promise<RunPlan> {
  const { context, frame, files, options, shard, takes } = run;
  const { cwd, clock } = context;
  const { session } = frame;
  const { settings, isLoopbackApi, isOwn } = session;
  const refused = (
    problems: readonly Problem[],
    invalid: readonly JobReport[],
    warnings: readonly string[] = [],
  ) => ({
    ...{ jobs: [], invalid, problems: distinctProblems(problems), warnings },
  });
  const maxJobs = options.maxJobs ?? DEFAULT_MAX_JOBS;
  const reading = takes ?? (await readJobFiles(files, { cwd, maxJobs }));
  const folders = createFolderIndex();
  const shared = {
    settingsOf: (operation: Parameters<typeof draftFromSettings>[0]) =>
      draftFromSettings(operation, settings),
    allowLoopback: isLoopbackApi,
    prices: settings.prices.value,
    priceCredits: options.priceCredits,
    flags: takes?.flags,
  };
  const checked = await checkJobs(reading.jobs, {
    ...shared,
    readMedia: createMediaReader({ workingFolder: cwd }),
    isFolder: folders.isFolder,
    output: configuredOutput(settings.output.value, cwd),
    nowMs: clock.now(),
  });
  const ofFiles = [...reading.problems, ...checked.problems];
  const early = [...ofFiles, ...checked.invalid.flatMap(({ problems }) => problems)];
  if (early.length > 0)
    return refused(early, [...toProblemReports(ofFiles, files), ...checked.invalid.map(toInvalidReport)]);
  const chosen = choose(checked.jobs, run);
  const records = (await openRecords(frame)).filter(isOwn);
  const planned = await planJobs(chosen, {
    ...{ records, folders, cwd, isSandbox: isLoopbackApi, service: session.service },
    takenPaths: new Set(checked.jobs.map(({ outputPath }) => outputPath)),
    isForced: options.force === true,
  });
  if (planned.problems.length > 0)
    return refused(planned.problems, toProblemReports(planned.problems, files));
  const isChosen = new Set(chosen);
  const others = checked.jobs.filter((job) => !isChosen.has(job));
  const jobs = await matchJobs(planned.jobs, {
    ...{ journal: session.journal, openRecords: records, isOwn, isSandbox: isLoopbackApi },
    // What is theirs is given to no other.
    otherPrints: new Map(others.map(({ outputPath, fingerprint }) => [outputPath, fingerprint])),
    homeFolder: context.home,
  });
  const seen = options.checkUrls === true ? await checkUrls(run, jobs, shared) : { jobs, broken: [] };
  if (seen.broken.length > 0) {
    const invalid = seen.broken.map(({ entry, media, mediaSources }) => ({
      entry,
      problems: mediaProblems(media.reviews, mediaSources),
    }));
    const warnings = new Set(seen.jobs.flatMap(({ media }) => describeMedia(media).warnings));
    const problems = invalid.flatMap((each) => each.problems);
    return refused(problems, invalid.map(toInvalidReport), [...warnings]);
  }
  const toSend = new Set(jobs.filter(needsSubmit).map(({ outputPath }) => outputPath));
  const sent = chosen.filter(({ outputPath }) => toSend.has(outputPath));
  for (const warning of new Set(choicesOf(sent).map((each) => each.warning))) frame.warn(warning, 'trust');
  const entries = checked.jobs.map(({ entry }) => entry);
  const warnings = [
    ...reading.warnings,
    ...datedWarnings(jobs),
    ...(shard === undefined ? [] : shardWarnings(entries, settings.maxCredits.value)),
    ...(await planUploadWarnings(sent)),
    ...callbackWarnings(sent),
  ];
  return { ...EMPTY_PLAN, jobs: seen.jobs, warnings };
}

/** Looks at the media URLs of the jobs that have to be sent: those of finished clips are of no interest any more. */
async function checkUrls(
  { context, frame }: Run,
  jobs: readonly PlannedJob[],
  pricing: Pick<Parameters<typeof checkUrlsOf>[1], 'prices' | 'priceCredits'>,
) {
  const checkUrl = await createUrlCheck(context, frame.session);
  const readMedia = createMediaReader({ workingFolder: context.cwd, checkUrl });
  const { jobs: checked, broken } = await checkUrlsOf(jobs.filter(needsSubmit), { ...pricing, readMedia });
  const byPath = new Map(checked.map((job) => [job.outputPath, job]));
  return { jobs: jobs.map((job) => byPath.get(job.outputPath) ?? job), broken };
}

/** What a project file makes dearer, or lets somebody know. */
function choicesOf(jobs: readonly Pick<ResolvedJob, 'projectChoices'>[]) {
  return jobs.flatMap(({ projectChoices }) => projectChoices);
}

export function fromProject({ jobs }: RunPlan): readonly string[] {
  return [...new Set(choicesOf(jobs.filter(needsSubmit)).map(({ text }) => text))];
}

/** What a person may take to hold over all shards of a run, and does not. */
function shardWarnings(entries: readonly JobEntry[], maxCredits: number | undefined): readonly string[] {
  const numbered = entries.filter(({ isNumbered }) => isNumbered).length;
  const warnings: string[] = [];
  if (numbered > 0)
    warnings.push(
      `${formatCount(numbered, 'job')} ${numbered === 1 ? 'is' : 'are'} named by a row number, which is not stable: a row put before moves them to other shards; give the rows a first column that tells them apart`,
    );
  if (maxCredits !== undefined)
    warnings.push(`--max-credits ${maxCredits} is the budget of each shard, not of all of them together`);
  return warnings;
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

function choose(jobs: readonly ResolvedJob[], { options, shard }: Run): readonly ResolvedJob[] {
  const { only, skip } = options;
  const chosen = new Set(
    selectJobs(
      jobs.map(({ entry }) => entry),
      { only, skip },
    ),
  );
  return jobs.filter(
    ({ entry }) =>
      chosen.has(entry) && (shard === undefined || shardOf(entry.name, shard.count) === shard.index),
  );
}

/**
 * Asks the service whether the tasks of deleted and damaged clips are still there, before anything is counted: a deleted clip
 * whose task is gone is a new one.
 */
export async function withLiveRestores({ context, frame }: Run, plan: RunPlan): Promise<RunPlan> {
  const taskOf = ({ action, restore }: PlannedJob) => (action === 'restore' ? restore?.taskId : undefined);
  const tasks = new Set(plan.jobs.flatMap((job) => taskOf(job) ?? []));
  if (tasks.size === 0) return plan;
  const { api } = await frame.session.connect();
  const gone = new Set<string | undefined>();
  const look = async (taskId: string): Promise<void> => {
    try {
      const task = await api.getTask(taskId, context.signals.signal);
      if (task.state !== 'completed') gone.add(taskId);
    } catch (error) {
      if (!isEvolinkError(error) || (error.kind !== 'task-failed' && error.kind !== 'usage')) throw error;
      gone.add(taskId);
    }
  };
  await pMap(tasks, look, { concurrency: LOOKS_AT_ONCE });
  const jobs = plan.jobs.map((job): PlannedJob => {
    if (!gone.has(taskOf(job)) || job.restore === undefined) return job;
    if (job.restore.isDamaged) return { ...job, restore: { ...job.restore, isGone: true } };
    return { ...job, action: job.clip === undefined ? 'new' : 'changed', restore: undefined };
  });
  return { ...plan, jobs };
}
