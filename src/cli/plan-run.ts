import { setFlagsFromString } from 'node:v8';
import pMap from 'p-map';
import { type EvolinkError, isEvolinkError } from '../errors.ts';
import type { JobReport } from '../report/run-report.ts';
import type { Problem } from '../request/models.ts';
import { formatProblem, listError } from '../request/problems.ts';
import { checkJobs, distinctProblems } from '../run/check-jobs.ts';
import { createFolderIndex } from '../run/clips.ts';
import { type JobFilesReading, readJobFiles } from '../run/expand.ts';
import { createMediaReader, type Job, mediaProblems } from '../run/job.ts';
import { describeMedia, toInvalidReport, toProblemReports } from '../run/job-report.ts';
import { planJobs } from '../run/plan.ts';
import { type Shard, selectJobs, shardOf } from '../run/select.ts';
import { formatCount, formatCredits } from '../ui/format.ts';
import type { FlagValues } from './flags.ts';
import type { Frame } from './frame.ts';
import type { TypedRequest } from './generate.ts';
import { checkUrls } from './media.ts';
import { uploadWarnings } from './place-clips.ts';
import { openRecords } from './records.ts';

/** What a run is made of. */
export interface RunSource {
  /** Job files, as they were typed. */
  readonly files: readonly string[];
  readonly options: FlagValues;
  readonly shard?: Shard | undefined;
  /** In place of job files: several clips of one typed request. */
  readonly takes?: JobFilesReading | undefined;
  /** The command line of takes. */
  readonly words?: readonly string[];
  /** Default: asks before a large plan. */
  readonly confirmPlan?: TypedRequest['confirmPlan'];
}

export interface RunPlan {
  readonly jobs: readonly Job[];
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
const LARGE_RUN_JOBS = 1_000;
/** In a long run memory is worth more than the collector's time: by itself the heap grows to four times what lives in it. */
const SMALL_HEAP = '--heap-growing-percent=20';

/**
 * From job files to a plan: read, expanded, checked, chosen, compared with what is there, its media URLs looked at. Sends
 * nothing to the service, needs no key.
 * @throws EvolinkError `usage` for a file that can't be read or a choice that means nothing, `local-io`
 */
export async function planRun(frame: Frame, { files, options, shard, takes }: RunSource): Promise<RunPlan> {
  const { context } = frame;
  const { cwd, clock } = context;
  const { settings, pricing, isLoopbackApi: isSandbox, isOwn, journal, service } = frame.session;
  const refused = (problems: readonly Problem[], invalid: readonly JobReport[]) => ({
    ...EMPTY_PLAN,
    invalid,
    problems: distinctProblems(problems),
  });
  const reading = takes ?? (await readJobFiles(files, { cwd, maxJobs: options.maxJobs }));
  if (options.dryRun !== true && reading.jobs.length > LARGE_RUN_JOBS) setFlagsFromString(SMALL_HEAP);
  const folders = createFolderIndex();
  // A configured output whose name only the finished task knows can't be found again: it is for single commands.
  const { value: pattern } = settings.output;
  const isStable = pattern !== undefined && !/\{(?:id|time)\}/.test(pattern);
  const checked = await checkJobs(reading.jobs, {
    ...pricing,
    readMedia: createMediaReader({ workingFolder: cwd }),
    isFolder: folders.isFolder,
    output: isStable ? { pattern, folder: cwd } : undefined,
    nowMs: clock.now(),
  });
  const ofFiles = [...reading.problems, ...checked.problems];
  const early = [...ofFiles, ...checked.invalid.flatMap(({ problems }) => problems)];
  if (early.length > 0)
    return refused(early, [...toProblemReports(ofFiles, files), ...checked.invalid.map(toInvalidReport)]);

  const entries = checked.jobs.map(({ entry }) => entry);
  const selected = new Set(selectJobs(entries, options));
  const isChosen = ({ entry }: Job): boolean =>
    selected.has(entry) && (shard === undefined || shardOf(entry.name, shard.count) === shard.index);
  const jobs = checked.jobs.filter(isChosen);
  const records = (await openRecords(frame)).filter(isOwn);
  const others = checked.jobs.filter((job) => !isChosen(job));
  const isForced = options.force === true;
  const wrong = await planJobs(jobs, {
    journal,
    records,
    isOwn,
    others,
    isForced,
    isSandbox,
    service,
    folders,
    homeFolder: context.home,
  });
  if (wrong.length > 0) return refused(wrong, toProblemReports(wrong, files));

  const sent = jobs.filter(({ isPaid }) => isPaid);
  // Those of finished clips are of no interest any more.
  if (options.checkUrls === true) await checkUrls(frame, sent);
  const broken = sent.filter(({ media }) => media.reviews.some(({ problems }) => problems.length > 0));
  if (broken.length > 0) {
    const invalid = broken.map(({ entry, media, mediaSources }) => ({
      entry,
      problems: mediaProblems(media.reviews, mediaSources),
    }));
    const problems = invalid.flatMap((each) => each.problems);
    const warnings = new Set(sent.flatMap(({ media }) => describeMedia(media).warnings));
    return { ...refused(problems, invalid.map(toInvalidReport)), warnings: [...warnings] };
  }
  for (const warning of new Set(choicesOf(sent).map((each) => each.warning))) frame.warn(warning, 'trust');
  const dated = jobs.filter(({ isDated }) => isDated);
  const datedCredits = dated.reduce((sum, job) => sum + (job.mostCredits ?? 0), 0);
  const numbered = entries.filter(({ isNumbered }) => isNumbered).length;
  const maxCredits = settings.maxCredits.value;
  const warnings = [
    ...reading.warnings,
    dated.length > 0 &&
      `${formatCount(dated.length, 'output')} with {date}: each day makes another clip, for about ${formatCredits(datedCredits)} credits`,
    // What a person may take to hold over all shards of a run, and does not.
    shard !== undefined &&
      numbered > 0 &&
      `named by a row number, which is not stable: ${formatCount(numbered, 'job')}; a row put before moves them to other shards; give the rows a first column that tells them apart`,
    shard !== undefined &&
      maxCredits !== undefined &&
      `--max-credits ${maxCredits} is the budget of each shard, not of all of them together`,
    ...(await uploadWarnings(sent)),
    ...callbackWarnings(sent),
  ].filter((text) => text !== false);
  return { ...EMPTY_PLAN, jobs, warnings };
}

/** What a project file makes dearer, or lets somebody know. */
function choicesOf(jobs: readonly Job[]) {
  return jobs.flatMap(({ projectChoices }) => projectChoices);
}

export function fromProject({ jobs }: RunPlan): readonly string[] {
  return [...new Set(choicesOf(jobs.filter(({ isPaid }) => isPaid)).map(({ text }) => text))];
}

/** Names the hosts that job files have told of the end of their jobs: with the task, they learn its links. */
function callbackWarnings(jobs: readonly Job[]): readonly string[] {
  const origins = jobs.flatMap(({ entry: { value, typed }, request: { body } }) => {
    const isOfFile = value.callback_url !== undefined && typed?.callback_url === undefined;
    return isOfFile && body.callback_url !== undefined ? new URL(body.callback_url).origin : [];
  });
  const counts = new Map<string, number>();
  for (const origin of origins) counts.set(origin, (counts.get(origin) ?? 0) + 1);
  return [...counts].map(
    ([origin, count]) => `callback: ${origin} is told how ${formatCount(count, 'job')} ended`,
  );
}

/** All problems of a plan as one error. */
export function planError(problems: readonly Problem[]): EvolinkError {
  return listError(problems.map(formatProblem), {
    summary: `the job files have ${problems.length} problems; nothing was sent`,
    hint: problems.find(({ hint }) => hint)?.hint ?? 'evolink help job-files',
  });
}

/**
 * Asks the service whether the tasks of deleted and damaged clips are still there, before anything is counted: a deleted clip
 * whose task is gone is a new one.
 */
export async function checkRestores({ context, session }: Frame, plan: RunPlan): Promise<void> {
  const taskOf = ({ action, restore }: Job) => (action === 'restore' ? restore?.taskId : undefined);
  const tasks = new Set(plan.jobs.flatMap((job) => taskOf(job) ?? []));
  if (tasks.size === 0) return;
  const { api } = await session.connect();
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
  for (const job of plan.jobs) {
    if (!gone.has(taskOf(job)) || job.restore === undefined) continue;
    if (job.restore.isDamaged) job.restore = { isDamaged: true };
    else {
      job.action = job.clip === undefined ? 'new' : 'changed';
      job.restore = undefined;
    }
  }
}
