import { resolve } from 'node:path';
import pMap from 'p-map';
import { draftFromSettings } from '../config/resolve.ts';
import { EvolinkError, EXIT_CODES, isEvolinkError, SIGNAL_EXITS, StoppedError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { createDurably } from '../platform/durable-file.ts';
import { isFolder } from '../platform/folders.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import { askLine } from '../platform/io.ts';
import { quoteCommand } from '../platform/text.ts';
import { isDone, isTrouble } from '../report/facts.ts';
import type { JobReport, RunReport } from '../report/run-report.ts';
import { fingerprint, toWireBody } from '../request/fingerprint.ts';
import type { Problem } from '../request/models.ts';
import { formatProblem, listError } from '../request/problems.ts';
import { checkRunBudget, limitReach, type PlanCosts, sumCosts } from '../run/budget.ts';
import { type Execution, executePlan } from '../run/execute.ts';
import { DEFAULT_MAX_JOBS, readJobFiles } from '../run/expand.ts';
import { EXAMPLE_JOB_FILE } from '../run/job-file-schema.ts';
import { describeMedia, toInvalidReport, toJobReport, toProblemReports } from '../run/job-report.ts';
import { matchJobs } from '../run/match.ts';
import { finishSettled } from '../run/move-clips.ts';
import {
  isSettled,
  mostCredits,
  needsSubmit,
  type PlannedJob,
  planJobs,
  planUrls,
  withPlanUrls,
} from '../run/plan.ts';
import { checkJobs, createMediaReader, distinctProblems, type ResolvedJob } from '../run/resolve-job.ts';
import { parseShard, type Shard, selectJobs, shardOf } from '../run/select.ts';
import { mediaHashes } from '../task/prepare-media.ts';
import { formatCount, formatCredits } from '../ui/format.ts';
import { continueCommand } from './continue-command.ts';
import { type Frame, runInFrame } from './frame.ts';
import { makeReport } from './make-report.ts';
import { openRecords } from './open-records.ts';
import { callbackWarnings, planUploadWarnings } from './outside-project.ts';
import type { Run, RunInput, RunOptions } from './run-options.ts';
import { createDependencies, createUploadDependencies, type Session } from './session.ts';
import { createUrlCheck } from './url-check.ts';

/** What a person may spend without being asked. */
const ASK_ABOVE_CREDITS = 500;
const ASK_ABOVE_CLIPS = 20;

/** Asks before a large plan, on a terminal only: a script has decided already. */
async function confirmRun(
  { io, signals }: Context,
  { costs, options }: { readonly costs: PlanCosts; readonly options: RunOptions },
): Promise<boolean> {
  const isLarge = costs.mostCredits > ASK_ABOVE_CREDITS || costs.toSend > ASK_ABOVE_CLIPS;
  const isPerson = io.stdin.isTty && io.stderr.isTty && options.json !== true && options.events !== true;
  if (!isLarge || !isPerson || options.yes === true || options.sandbox === true) return true;
  const unknown = costs.unknownCount > 0 ? ` and what ${costs.unknownCount} of unknown price cost` : '';
  const question = `make ${formatCount(costs.toSend, 'clip')} for about ${formatCredits(costs.mostCredits)} credits${unknown}? [y/N] `;
  return /^y(es)?$/i.test((await askLine(question, signals.signal)).trim());
}

/**
 * Writes the reports that were asked for, and tells GitHub Actions of the run where it runs there.
 * @throws EvolinkError `local-io` naming the reports that could not be written
 */
async function publishRun(context: Context, report: RunReport, files: readonly string[]): Promise<void> {
  const { env, cwd, clock, io, secrets } = context;
  const mask = (text: string): string => secrets.mask(text);
  if (env.GITHUB_ACTIONS === 'true') {
    const { publishToGithub } = await import('../report/github.ts');
    const { annotations, warnings } = await publishToGithub(report, { env, cwd, reportFiles: files, mask });
    await io.stderr.write(`${annotations}${warnings.map((warning) => `warning: ${warning}\n`).join('')}`);
  }
  if (files.length === 0) return;
  const { writeReports } = await import('../report/write.ts');
  await writeReports(files, report, { baseFolder: cwd, nowMs: clock.now(), mask });
}

interface PlanUrlCheck {
  readonly jobs: readonly PlannedJob[];
  readonly resolved: readonly ResolvedJob[];
  /** `--check-urls`. */
  readonly isWanted: boolean;
}

/** Looks at the media URLs of the jobs that have to be sent, each once, where that was asked for. */
async function checkPlanUrls(
  context: Context,
  session: Session,
  { jobs, resolved, isWanted }: PlanUrlCheck,
): Promise<ReturnType<typeof withPlanUrls>> {
  const urls = isWanted ? [...planUrls(jobs)] : [];
  if (urls.length === 0) return { jobs, invalid: [] };
  const { checkUrls } = await import('../media/check-url.ts');
  const inspections = await checkUrls(urls, await createUrlCheck(context, session));
  return withPlanUrls(jobs, inspections, { resolved, prices: session.settings.prices.value });
}

interface PlanRequest {
  readonly files: readonly string[];
  readonly options: RunOptions;
  readonly shard: Shard | undefined;
}

interface RunPlan {
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
async function planRun(
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
    isRehearsal: session.isLoopbackApi,
    service: session.service,
    prices: session.settings.prices.value,
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
    isRehearsal: session.isLoopbackApi,
    homeFolder: context.home,
  });
  const seen = await checkPlanUrls(context, session, {
    jobs,
    resolved: chosen,
    isWanted: options.checkUrls === true,
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

function fromProject({ jobs }: RunPlan): readonly string[] {
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
function planError(problems: readonly Problem[]): EvolinkError {
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

interface PlanFacts {
  readonly costs: PlanCosts;
  readonly maxCredits: number | undefined;
  readonly options: RunOptions;
}

/** What a run would say and end with after this plan, as far as it can be known without the balance. */
function refusalOf({ costs, maxCredits, options }: PlanFacts): EvolinkError | undefined {
  try {
    checkRunBudget({
      costs,
      maxCredits,
      balance: undefined,
      allowsPartial: options.allowPartial === true,
    });
    return undefined;
  } catch (error) {
    if (error instanceof EvolinkError) return error;
    throw error;
  }
}

const DEFAULT_NAME = 'evolink.yaml';

/**
 * `evolink run --init`: writes a commented example that runs in the sandbox as it stands.
 * @throws EvolinkError `local-io` where the file exists
 */
async function writeExample({ cwd }: Context, { reporter }: Frame, name: string | true): Promise<number> {
  const file = name === true ? DEFAULT_NAME : name;
  try {
    await createDurably(resolve(cwd, file), EXAMPLE_JOB_FILE, 0o644);
  } catch (error) {
    if (isEvolinkError(error)) throw error;
    if (fsErrorCode(error) === 'EEXIST') {
      throw new EvolinkError('local-io', `"${file}" exists already`, {
        hint: 'name another file: evolink run --init=jobs.yaml',
        charged: 'no',
      });
    }
    throw localIoError(error, 'write the example', file).with({ charged: 'no' });
  }
  reporter.note(`try it at no cost: evolink run ${quoteCommand([file])} --sandbox`);
  await reporter.print('written', { path: resolve(cwd, file) }, `${file}\n`);
  return 0;
}

/** `evolink run`: plans the jobs of the files, and makes what is missing or has changed. Returns the exit code. */
export async function runJobs(context: Context, input: RunInput): Promise<number> {
  const { options, files } = input;
  return runInFrame(context, { form: options, isRun: true }, async (frame) => {
    if (options.init !== undefined) {
      return writeExample(context, frame, options.init);
    }
    if (files.length === 0) {
      throw new EvolinkError('usage', 'evolink run needs a job file', {
        hint: 'evolink run --init',
        charged: 'no',
      });
    }
    return planAndRun(await openRun(context, frame, input));
  });
}

async function openRun(context: Context, frame: Frame, input: RunInput): Promise<Run> {
  const { options, files } = input;
  const twice = files.find(
    (file, index) =>
      files.findIndex((other) => resolve(context.cwd, other) === resolve(context.cwd, file)) < index,
  );
  if (twice !== undefined)
    throw new EvolinkError('usage', `the job file "${twice}" is given twice`, { charged: 'no' });
  const shard = options.shard === undefined ? undefined : parseShard(options.shard, context.env);
  if (options.report !== undefined) {
    const { checkReportFiles } = await import('../report/write.ts');
    checkReportFiles(options.report, context.cwd);
    const { checkReportPlaces } = await import('../report/write.ts');
    await checkReportPlaces(options.report, { baseFolder: context.cwd, inputs: input.files });
  }
  return { ...input, context, frame, shard, startedAtMs: context.clock.now() };
}

async function planAndRun(run: Run): Promise<number> {
  const { context, frame, options } = run;
  const plan = await orRefused(run, EMPTY_PLAN, async () => {
    const planned = await planRun(context, frame, run);
    return options.dryRun === true ? planned : withLiveRestores(run, planned);
  });
  const costs = sumCosts(plan.jobs);
  if (plan.problems.length > 0) {
    for (const warning of plan.warnings) frame.warn(warning);
    await publish(run, makeReport(run, { jobs: plan.invalid, costs, warnings: plan.warnings }));
    throw planError(plan.problems);
  }
  if (options.dryRun === true) return dryRun(run, plan, costs);
  const isNothingToAsk = plan.jobs.every(isSettled);
  const { balance, budgetCredits } = await orRefused(run, plan, async () => {
    const spendable = isNothingToAsk ? undefined : await readBalance(run);
    const maxCredits = frame.session.settings.maxCredits.value;
    const allowsPartial = options.allowPartial === true;
    const budget = checkRunBudget({ costs, maxCredits, balance: spendable, allowsPartial });
    return { balance: spendable, budgetCredits: budget };
  });
  announcePlan(run, { plan, costs, balance });
  if (!(await confirmRun(context, { costs, options }))) {
    throw new EvolinkError('usage', 'not confirmed; nothing was sent', {
      hint: 'add --yes to run without being asked',
      charged: 'no',
    });
  }
  const execution = await execute(run, { plan, budgetCredits, isNothingToAsk });
  return finish(run, { execution, costs, balance, warnings: plan.warnings });
}

/**
 * Asks the service whether the tasks of deleted and damaged clips are still there, before anything is counted: a deleted clip
 * whose task is gone is a new one.
 */
async function withLiveRestores({ context, frame }: Run, plan: RunPlan): Promise<RunPlan> {
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

const EMPTY_PLAN: RunPlan = { jobs: [], invalid: [], problems: [], warnings: [] };

/** What ends a run before anything is sent stands in its reports as well: else those of an earlier run would stay. */
async function orRefused<T>(run: Run, plan: RunPlan, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!isEvolinkError(error)) throw error;
    const costs = sumCosts(plan.jobs);
    if (error.kind === 'credits') announcePlan(run, { plan, costs, balance: undefined });
    const { warnings } = plan;
    await publish(run, makeReport(run, { jobs: plan.jobs.map(toPlanned), costs, warnings, error }));
    throw error;
  }
}

/** In a function of its own, so that the report of the plan is gone when the run begins. */
function announcePlan(
  run: Run,
  {
    plan,
    costs,
    balance,
  }: { readonly plan: RunPlan; readonly costs: PlanCosts; readonly balance: number | undefined },
): void {
  run.frame.reporter.event({
    kind: 'run-planned',
    report: makeReport(run, { jobs: plan.jobs.map(toPlanned), costs, balance, warnings: plan.warnings }),
    toRun: plan.jobs.filter((job) => !isSettled(job)).length,
    fromProject: fromProject(plan),
  });
}

function toPlanned(job: RunPlan['jobs'][number]): JobReport {
  return toJobReport(job, { state: job.action === 'up_to_date' ? 'up_to_date' : 'not_sent' });
}

/** Says, and ends with, what the run itself would. */
async function dryRun(run: Run, plan: RunPlan, costs: PlanCosts): Promise<number> {
  const { frame, options } = run;
  const { jobs } = plan;
  const maxCredits = frame.session.settings.maxCredits.value;
  const refusal = refusalOf({ costs, maxCredits, options });
  const warnings = [...plan.warnings];
  if (options.allowPartial === true && maxCredits !== undefined) {
    const { reached, toSend } = limitReach(jobs, maxCredits);
    if (reached < toSend)
      warnings.push(`the limit of ${maxCredits} credits reaches ${reached} of ${toSend} jobs to be sent`);
  }
  const report = makeReport(run, { jobs: jobs.map(toPlanned), costs, warnings, error: refusal });
  await publish(run, report);
  await frame.reporter.plan(report, refusal, fromProject(plan));
  return refusal?.exit ?? 0;
}

/** The balance is of use, not of need: only a key that is refused ends the run here. */
async function readBalance({ context, frame }: Run): Promise<number | undefined> {
  const { api } = await frame.session.connect();
  try {
    return (await api.getCredits(context.signals.signal)).spendable;
  } catch (error) {
    if (!(error instanceof EvolinkError) || error.kind === 'auth') throw error;
    frame.warn(`the balance could not be read: ${error.message}`);
    return undefined;
  }
}

interface Start {
  readonly plan: RunPlan;
  readonly budgetCredits: number | undefined;
  readonly isNothingToAsk: boolean;
}

async function execute(run: Run, { plan, budgetCredits, isNothingToAsk }: Start): Promise<Execution> {
  const { context, frame, options, shard } = run;
  const { reporter } = frame;
  const { settings } = frame.session;
  const deps = isNothingToAsk ? undefined : await createDependencies(context, frame.session, () => undefined);
  if (deps === undefined) {
    const finished = await finishSettled({ journal: frame.session.journal, clock: context.clock }, plan.jobs);
    const reports = [...finished.values()];
    for (const report of reports) reporter.event({ kind: 'job-ended', report });
    return { reports };
  }
  // Other runners make tasks on the same account, of which this journal knows nothing: a lost answer stays unknown.
  const api =
    shard === undefined || shard.count === 1 ? deps.api : { ...deps.api, listTasks: async () => undefined };
  return executePlan(plan.jobs, {
    deps: { ...deps, api },
    budgetCredits,
    concurrency: settings.concurrency.value,
    waitTimeoutMs: settings.timeoutMs.value,
    retryFailed: options.retryFailed ?? 0,
    isFailFast: options.failFast === true,
    signal: context.signals.signal,
    emit: reporter.event,
    showError: frame.session.commands.inError,
    upload: async (local, uploadOptions) => {
      const { uploadMedia } = await import('../task/prepare-media.ts');
      return uploadMedia(await createUploadDependencies(context, frame.session), local, uploadOptions);
    },
  });
}

interface Ending {
  readonly execution: Execution;
  readonly costs: PlanCosts;
  readonly balance: number | undefined;
  readonly warnings: readonly string[];
}

async function finish(run: Run, { execution, costs, balance, warnings }: Ending): Promise<number> {
  const { context, frame } = run;
  const { reporter } = frame;
  const { signal } = context.signals;
  const { reports, stopError } = execution;
  const isStopped = signal.aborted || stopError !== undefined;
  const report = makeReport(run, { jobs: reports, costs, balance, isStopped, warnings });
  const next = continueCommand(run, reports);
  reporter.close();
  await publish(run, report);
  if (signal.aborted && signal.reason instanceof StoppedError) {
    const open = reports.find(({ state, task_id: taskId }) => state === 'running' && taskId !== null);
    const resume = next.words;
    if (next.note !== undefined) frame.warn(next.note);
    await frame.reporter.stopped(signal.reason, { taskId: open?.task_id ?? undefined, resume });
    return SIGNAL_EXITS[signal.reason.signal];
  }
  // Nothing ran for one reason: that is the answer.
  const isNothingDone = !reports.some(
    (job) =>
      job.state === 'saved' ||
      job.state === 'running' ||
      (isTrouble(job) && (job.task_id !== null || job.error?.charged !== 'no')),
  );
  if (stopError !== undefined && isNothingDone) throw stopError;
  const words = frame.session.commands.inArguments(next.words);
  await reporter.end(report, run.options.force === undefined ? undefined : { ...next, words });
  return reports.every(isDone) ? 0 : EXIT_CODES.partial.exit;
}

async function publish({ context, options }: Run, report: RunReport): Promise<void> {
  await publishRun(context, report, options.report ?? []);
}
