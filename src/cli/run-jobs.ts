import { resolve } from 'node:path';
import { EvolinkError, EXIT_CODES, isEvolinkError, SIGNAL_EXITS, StoppedError } from '../errors.ts';
import { checkRunBudget } from '../jobs/check-budget.ts';
import { type Execution, executePlan } from '../jobs/execute-plan.ts';
import { toJobReport } from '../jobs/job-report.ts';
import { limitReach } from '../jobs/limit-reach.ts';
import { isSettled } from '../jobs/plan-jobs.ts';
import type { JobReport, RunReport } from '../jobs/run-report.ts';
import { type PlanCosts, sumCosts } from '../jobs/run-summary.ts';
import { parseShard, type Shard } from '../jobs/shard.ts';
import { createRunReporter, type RunReporter } from '../ui/run-reporter.ts';
import { type Frame, isCi, runInFrame } from './command-frame.ts';
import { confirmRun } from './confirm-run.ts';
import type { Context } from './context.ts';
import { continueCommand } from './continue-command.ts';
import { createDependencies, createUploadDependencies } from './dependencies.ts';
import { formOf, verbosityOf } from './form.ts';
import { makeReport } from './make-report.ts';
import { planError, planRun, type RunPlan } from './plan-run.ts';
import { publishRun } from './publish-run.ts';
import { refusalOf, refuseUndecided } from './refuse-plan.ts';
import type { RunOptions } from './run-options.ts';
import { giveBackFile } from './swallowed-file.ts';

export interface RunInput {
  readonly files: readonly string[];
  readonly options: RunOptions;
}

/** `evolink run`: plans the jobs of the files, and makes what is missing or has changed. Returns the exit code. */
export async function runJobs(context: Context, given: RunInput): Promise<number> {
  const input = await giveBackFile(given, context.cwd);
  const { options, files } = input;
  const flags = {
    timeout: options.timeout,
    max_credits: options.maxCredits,
    concurrency: options.concurrency,
  };
  return runInFrame(context, { form: options, flags }, async (frame) => {
    if (options.init !== undefined) {
      const { writeExample } = await import('./run-init.ts');
      return writeExample(context, options.init);
    }
    if (files.length === 0) {
      throw new EvolinkError('usage', 'evolink run needs a job file', {
        hint: 'evolink run --init writes one to begin with; flags with an optional value take it after =, as in --force=hero',
        charged: 'no',
      });
    }
    const run = await openRun(context, frame, input);
    try {
      return await planAndRun(run);
    } finally {
      run.reporter.close();
    }
  });
}

/** What the steps of one run share. */
export interface Run extends RunInput {
  readonly context: Context;
  readonly frame: Frame;
  readonly reporter: RunReporter;
  readonly shard: Shard | undefined;
  readonly startedAtMs: number;
}

async function openRun(context: Context, frame: Frame, input: RunInput): Promise<Run> {
  const { options, files } = input;
  const twice = files.find(
    (file, index) =>
      files.findIndex((other) => resolve(context.cwd, other) === resolve(context.cwd, file)) < index,
  );
  if (twice !== undefined)
    throw new EvolinkError('usage', `the job file "${twice}" is given twice`, { charged: 'no' });
  const shard = options.shard === undefined ? undefined : parseShard(options.shard);
  if (options.report !== undefined) {
    const { checkReportFiles } = await import('../report/check-report-files.ts');
    checkReportFiles(options.report, context.cwd);
    const { checkReportPlaces } = await import('../report/check-report-places.ts');
    await checkReportPlaces(options.report, { baseFolder: context.cwd, inputs: input.files });
  }
  const reporter = await createRunReporter({
    io: context.io,
    clock: context.clock,
    form: formOf(options),
    verbosity: verbosityOf(options),
    hasProgress: options.progress !== false,
    isCi: isCi(context.env.CI),
    folder: context.cwd,
  });
  return { ...input, context, frame, reporter, shard, startedAtMs: context.clock.now() };
}

async function planAndRun(run: Run): Promise<number> {
  const { context, frame, options } = run;
  const plan = await orRefused(run, EMPTY_PLAN, () => planRun(context, frame, run));
  const costs = sumCosts(plan.jobs);
  if (plan.problems.length > 0) {
    for (const warning of plan.warnings) frame.warn(warning);
    await publish(run, makeReport(run, { jobs: plan.invalid, costs, warnings: plan.warnings }));
    throw planError(plan.problems);
  }
  if (options.dryRun === true) return dryRun(run, plan, costs);
  const isNothingToAsk = plan.jobs.every(isSettled);
  const { balance, budgetCredits } = await orRefused(run, plan, async () => {
    refuseUndecided(plan.jobs);
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
  run.reporter.event({
    kind: 'run-planned',
    report: makeReport(run, { jobs: plan.jobs.map(toPlanned), costs, balance, warnings: plan.warnings }),
    toRun: plan.jobs.filter((job) => !isSettled(job)).length,
  });
}

function toPlanned(job: RunPlan['jobs'][number]): JobReport {
  return toJobReport(job, { state: job.action === 'up-to-date' ? 'up-to-date' : 'planned' });
}

/** Says, and ends with, what the run itself would. */
async function dryRun(run: Run, plan: RunPlan, costs: PlanCosts): Promise<number> {
  const { frame, options } = run;
  const { jobs } = plan;
  const maxCredits = frame.session.settings.maxCredits.value;
  const refusal = refusalOf({ jobs, costs, maxCredits, options });
  const warnings = [...plan.warnings];
  if (options.allowPartial === true && maxCredits !== undefined) {
    const { reached, toSend } = limitReach(jobs, maxCredits);
    if (reached < toSend)
      warnings.push(`the limit of ${maxCredits} credits reaches ${reached} of ${toSend} jobs to be sent`);
  }
  const report = makeReport(run, { jobs: jobs.map(toPlanned), costs, warnings, error: refusal });
  await publish(run, report);
  await run.reporter.plan(report, refusal);
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
  const { context, frame, options, reporter, shard } = run;
  const { settings } = frame.session;
  const deps = isNothingToAsk ? undefined : await createDependencies(context, frame.session, () => undefined);
  if (deps === undefined) {
    const { finishJob } = await import('../jobs/finish-job.ts');
    const reports: JobReport[] = [];
    for (const job of plan.jobs)
      reports.push(await finishJob({ journal: frame.session.journal, clock: context.clock }, job));
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
      const { uploadMedia } = await import('../generate/upload-media.ts');
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
  const { context, frame, reporter } = run;
  const { signal } = context.signals;
  const { reports, stopError } = execution;
  const isStopped = signal.aborted || stopError !== undefined;
  const report = makeReport(run, { jobs: reports, costs, balance, isStopped, warnings });
  const next = continueCommand(run, reports);
  reporter.close();
  await publish(run, report);
  if (signal.aborted && signal.reason instanceof StoppedError) {
    const open = reports.find(({ state, taskId }) => state === 'submitted' && taskId !== undefined);
    const resume = next.words;
    if (next.note !== undefined) frame.warn(next.note);
    await frame.reporter.stopped(signal.reason, { taskId: open?.taskId, resume });
    return SIGNAL_EXITS[signal.reason.signal];
  }
  const { saved, submitted, failed, skipped } = report.totals;
  // Nothing ran for one reason: that is the answer.
  const isNothingDone =
    saved + submitted === 0 &&
    !reports.some(({ taskId, state }) => taskId !== undefined && state === 'failed');
  if (stopError !== undefined && isNothingDone) throw stopError;
  const words = frame.session.commands.inArguments(next.words);
  await reporter.end(report, run.options.force === undefined ? undefined : { ...next, words });
  return failed + skipped + submitted === 0 ? 0 : EXIT_CODES.partial.exit;
}

async function publish({ context, options }: Run, report: RunReport): Promise<void> {
  await publishRun(context, report, options.report ?? []);
}
