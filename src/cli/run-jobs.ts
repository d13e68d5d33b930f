import { resolve } from 'node:path';
import { EvolinkError, EXIT_CODES, isEvolinkError, SIGNAL_EXITS, StoppedError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { createDurably } from '../platform/durable-file.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import { askLine } from '../platform/io.ts';
import { quoteCommand } from '../platform/text.ts';
import { isDone, isTrouble } from '../report/facts.ts';
import type { JobReport, RunReport } from '../report/run-report.ts';
import { checkRunBudget, limitReach, type PlanCosts, sumCosts } from '../run/budget.ts';
import { type Execution, executePlan } from '../run/execute.ts';
import { EXAMPLE_JOB_FILE } from '../run/job-file.ts';
import { toJobReport } from '../run/job-report.ts';
import { finishSettled } from '../run/move-clips.ts';
import { isSettled } from '../run/plan.ts';
import { parseShard } from '../run/select.ts';
import { formatCount, formatCredits } from '../ui/format.ts';
import { continueCommand } from './continue-command.ts';
import { type Frame, isCi, runInFrame } from './frame.ts';
import { makeReport } from './make-report.ts';
import { fromProject, planError, planRun, type RunPlan, withLiveRestores } from './plan-run.ts';
import type { Run, RunInput, RunOptions } from './run-options.ts';
import { createDependencies, createUploadDependencies } from './session.ts';

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
  if (isCi(context.env.CI) && costs.toSend > 0) await warnOfUnrecorded(run, plan);
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

const MAX_NAMED = 5;

/** A machine of a CI may have lost the state of an earlier run, whose tasks are paid for: they are named before more is sent. */
async function warnOfUnrecorded({ context, frame, shard }: Run, { jobs }: RunPlan): Promise<void> {
  const { findUnrecorded } = await import('../task/settle.ts');
  const models = new Set(jobs.map(({ request }) => request.model));
  const deps = await createDependencies(context, frame.session, () => undefined);
  const tasks = await findUnrecorded(deps, models, context.signals.signal).catch((error: unknown) => {
    if (!isEvolinkError(error)) throw error;
    frame.warn(`the service's list could not be searched for tasks of lost state: ${error.message}`);
    return [];
  });
  if (tasks.length === 0) return;
  const ids = tasks.slice(0, MAX_NAMED).map(({ id }) => id);
  const more = tasks.length > ids.length ? ` and ${tasks.length - ids.length} more` : '';
  frame.warn(
    `${formatCount(tasks.length, 'task')} of the last 24 h not recorded here (${ids.join(', ')}${more}): ${shard === undefined || shard.count === 1 ? '' : 'other shards may have made them; '}if this machine has lost its state, evolink download ID saves one`,
  );
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
