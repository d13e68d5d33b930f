import { relative, resolve, sep } from 'node:path';
import {
  EvolinkError,
  EXIT_CODES,
  inputError,
  isEvolinkError,
  SIGNAL_EXITS,
  StoppedError,
} from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { createDurably } from '../platform/durable-file.ts';
import { isFile } from '../platform/folders.ts';
import { quoteCommand } from '../platform/text.ts';
import { isDone, isTrouble, sumCredits } from '../report/facts.ts';
import type { JobReport, RunReport } from '../report/run-report.ts';
import { REPORT_KIND, SCHEMA_VERSION, sumTotals } from '../report/states.ts';
import { checkBudget, limitReach, type PlanCosts, sumCosts } from '../run/budget.ts';
import type { Execution } from '../run/execute.ts';
import { EXAMPLE_JOB_FILE } from '../run/job-file.ts';
import { toJobError, toJobReport } from '../run/job-report.ts';
import { parseShard } from '../run/select.ts';
import { formatCount, formatCredits } from '../ui/format.ts';
import type { NextCommand } from '../ui/summary.ts';
import { type ConfirmPlan, canAsk, isYes } from './confirm.ts';
import { continueCommand } from './continue-command.ts';
import type { FlagValues, Invocation } from './flags.ts';
import { type Frame, isCi, runInFrame } from './frame.ts';
import {
  checkRestores,
  EMPTY_PLAN,
  fromProject,
  planError,
  planRun,
  type Run,
  type RunPlan,
} from './plan-run.ts';

/** What a person may spend without being asked. */
const ASK_ABOVE_CREDITS = 500;
const ASK_ABOVE_CLIPS = 20;
/** What `evolink run` without a file takes; the first is what `--init` writes. */
const DEFAULT_NAMES = ['evolink.yaml', 'jobs.yaml'] as const;

/** `evolink run`: plans the jobs of the files, and makes what is missing or has changed. Returns the exit code. */
export function runJobs({ context, args: named, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options, isRun: true }, async (frame) => {
    if (options.init !== undefined) return writeExample(context, frame, options.init);
    const { cwd, env, clock } = context;
    const files = named.length > 0 ? named : findJobFile(context, frame, options);
    const paths = files.map((file) => resolve(cwd, file));
    const twice = files.find((_file, index) => paths.indexOf(paths[index] ?? '') < index);
    if (twice !== undefined)
      throw new EvolinkError('usage', `the job file "${twice}" is given twice`, { charged: 'no' });
    const shard = options.shard === undefined ? undefined : parseShard(options.shard, env, files);
    if (options.report !== undefined) {
      const { checkReports } = await import('../report/write.ts');
      await checkReports(options.report, cwd, files);
    }
    return planAndRun({ context, frame, files, options, shard, startedAtMs: clock.now() });
  });
}

/**
 * The job file of the folder, for `evolink run` without one. What nobody named is not run by a script unasked.
 * @throws EvolinkError `usage` where there is none, or more than one
 */
function findJobFile({ cwd, io }: Context, { reporter }: Frame, options: FlagValues): readonly string[] {
  const found = DEFAULT_NAMES.filter((name) => isFile(resolve(cwd, name)));
  const [file] = found;
  if (file === undefined)
    throw inputError(
      `no job file named, and no ${DEFAULT_NAMES.join(' or ')} in this folder`,
      'evolink run --init',
    );
  if (found.length > 1)
    throw inputError(`both ${found.join(' and ')} are in this folder`, `evolink run ${file}`);
  if (!io.stdin.isTty && options.yes !== true && options.dryRun !== true)
    throw inputError(
      `without a terminal, ${file} runs only if it is named or --yes is given`,
      `evolink run ${file}`,
    );
  reporter.note(`job file: ${file}`);
  return found;
}

/**
 * `evolink run --init`: writes a commented example that runs in the sandbox as it stands.
 * @throws EvolinkError `local-io` where the file exists
 */
async function writeExample({ cwd }: Context, { reporter }: Frame, name: string | true): Promise<number> {
  const file = name === true ? DEFAULT_NAMES[0] : name;
  try {
    await createDurably(resolve(cwd, file), EXAMPLE_JOB_FILE, 0o644);
  } catch (error) {
    if (!isEvolinkError(error)) throw error;
    const hint = isFile(resolve(cwd, file)) ? 'name another file: evolink run --init jobs.yaml' : undefined;
    throw error.with({ charged: 'no', hint });
  }
  reporter.note(`try it at no cost: evolink run ${quoteCommand([file])} --sandbox`);
  await reporter.print('written', { path: resolve(cwd, file) }, `${file}\n`);
  return 0;
}

/** Plan, budget, question, execution, report: the one way of jobs of files and of takes. Returns the exit code. */
export async function planAndRun(run: Run): Promise<number> {
  const { context, frame, options } = run;
  const maxCredits = frame.session.settings.maxCredits.value;
  const allowsPartial = options.allowPartial === true;
  const isDry = options.dryRun === true;
  let plan = EMPTY_PLAN;
  let balance: number | undefined;
  let budgetCredits: number | undefined;
  let refusal: EvolinkError | undefined;
  try {
    plan = await planRun(run);
    if (!isDry) await checkRestores(run, plan);
    balance = isDry || plan.jobs.every(({ isSettled }) => isSettled) ? undefined : await readBalance(run);
    budgetCredits = checkBudget(sumCosts(plan.jobs), maxCredits, { balance, allowsPartial });
  } catch (error) {
    if (!isEvolinkError(error)) throw error;
    refusal = error;
    if (!isDry || error.kind !== 'credits') {
      if (error.kind === 'credits') announcePlan(run, plan);
      // What ends a run before anything is sent stands in its reports as well: else those of an earlier run would stay.
      await publish(run, makeReport(run, { ...plannedFacts(plan), error }));
      throw error;
    }
  }
  const costs = sumCosts(plan.jobs);
  const { warnings } = plan;
  if (plan.problems.length > 0) {
    for (const warning of warnings) frame.warn(warning);
    await publish(run, makeReport(run, { jobs: plan.invalid, costs, warnings }));
    throw planError(plan.problems);
  }
  if (isDry) return writePlan(run, plan, refusal);
  if (isCi(context.env.CI) && costs.toSend > 0) await warnOfUnrecorded(run, plan);
  const confirmPlan = run.confirmPlan ?? confirmLarge(run);
  await confirmPlan(frame, costs, () => announcePlan(run, plan, balance));
  const execution = await execute(run, plan, budgetCredits);
  return finish(run, execution, { costs, balance, warnings });
}

function plannedFacts({ jobs, warnings }: RunPlan): Pick<ReportFacts, 'jobs' | 'costs' | 'warnings'> {
  const toReport = (job: RunPlan['jobs'][number]): JobReport =>
    toJobReport(job, job.action === 'up_to_date' ? 'up_to_date' : 'not_sent');
  return { jobs: jobs.map(toReport), costs: sumCosts(jobs), warnings };
}

const MAX_NAMED = 5;

/** A machine of a CI may have lost the state of an earlier run, whose tasks are paid for: they are named before more is sent. */
async function warnOfUnrecorded({ context, frame, shard }: Run, { jobs }: RunPlan): Promise<void> {
  const { findUnrecorded } = await import('../task/settle.ts');
  const models = new Set(jobs.map(({ request }) => request.body.model));
  const deps = await frame.session.dependencies(() => undefined);
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
function announcePlan(run: Run, plan: RunPlan, balance?: number): void {
  run.frame.reporter.event({
    kind: 'run-planned',
    report: makeReport(run, { ...plannedFacts(plan), balance }),
    toRun: plan.jobs.filter(({ isSettled }) => !isSettled).length,
    fromProject: fromProject(plan),
  });
}

/** Says, and ends with, what the run itself would, as far as it can be known without the balance. */
async function writePlan(run: Run, plan: RunPlan, refusal: EvolinkError | undefined): Promise<number> {
  const { frame, options } = run;
  const limit = frame.session.settings.maxCredits.value;
  const warnings = [...plan.warnings];
  if (options.allowPartial === true && limit !== undefined) {
    const { reached, toSend } = limitReach(plan.jobs, limit);
    if (reached < toSend)
      warnings.push(`the limit of ${limit} credits reaches ${reached} of ${toSend} jobs to be sent`);
  }
  const report = makeReport(run, { ...plannedFacts(plan), warnings, error: refusal });
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
    if (!isEvolinkError(error) || error.kind === 'auth') throw error;
    frame.warn(`the balance could not be read: ${error.message}`);
    return undefined;
  }
}

/** Asks before a large plan, on a terminal only: a script has decided already. */
function confirmLarge({ context, options }: Run): ConfirmPlan {
  return async (_frame, { mostCredits, toSend, unknownCount }, announce) => {
    announce();
    const isLarge = mostCredits > ASK_ABOVE_CREDITS || toSend > ASK_ABOVE_CLIPS;
    if (!isLarge || !canAsk(context, options) || options.yes === true || options.sandbox === true) return;
    const unknown = unknownCount > 0 ? ` and what ${unknownCount} of unknown price cost` : '';
    const question = `make ${formatCount(toSend, 'clip')} for about ${formatCredits(mostCredits)} credits${unknown}?`;
    if (await isYes(context, question)) return;
    throw new EvolinkError('usage', 'not confirmed; nothing was sent', {
      hint: 'add --yes to run without being asked',
      charged: 'no',
    });
  };
}

async function execute(run: Run, plan: RunPlan, budgetCredits: number | undefined): Promise<Execution> {
  const { context, frame, options, shard } = run;
  const { session, reporter } = frame;
  const { settings } = session;
  const { executePlan } = await import('../run/execute.ts');
  return executePlan(plan.jobs, {
    journal: session.journal,
    clock: context.clock,
    budgetCredits,
    connect: async () => {
      const deps = await session.dependencies(() => undefined);
      // Other runners make tasks on the same account, of which this journal knows nothing: a lost answer stays unknown.
      const isAlone = shard === undefined || shard.count === 1;
      return isAlone ? deps : { ...deps, api: { ...deps.api, listTasks: async () => undefined } };
    },
    concurrency: settings.concurrency.value,
    waitTimeoutMs: settings.timeoutMs.value,
    retryFailed: options.retryFailed ?? 0,
    isFailFast: options.failFast === true,
    signal: context.signals.signal,
    emit: reporter.event,
    showError: session.commands.inError,
  });
}

async function finish(
  run: Run,
  { reports, stopError }: Execution,
  facts: Pick<ReportFacts, 'costs' | 'balance' | 'warnings'>,
): Promise<number> {
  const { context, frame } = run;
  const { reporter, session } = frame;
  const { signal } = context.signals;
  const isStopped = signal.aborted || stopError !== undefined;
  const report = makeReport(run, { ...facts, jobs: reports, isStopped });
  const next: NextCommand =
    run.words === undefined ? continueCommand(run.files, run.options, reports) : { words: run.words };
  reporter.close();
  await publish(run, report);
  if (signal.aborted && signal.reason instanceof StoppedError) {
    const open = reports.find(({ state, task_id: taskId }) => state === 'running' && taskId !== null);
    if (next.note !== undefined) frame.warn(next.note);
    await reporter.stopped(signal.reason, { taskId: open?.task_id ?? undefined, resume: next.words });
    return SIGNAL_EXITS[signal.reason.signal];
  }
  // Nothing ran for one reason: that is the answer.
  const hasDone = (job: JobReport): boolean =>
    job.state === 'saved' ||
    job.state === 'running' ||
    (isTrouble(job) && (job.task_id !== null || job.error?.charged !== 'no'));
  if (stopError !== undefined && !reports.some(hasDone)) throw stopError;
  const words = session.commands.inArguments(next.words);
  await reporter.end(report, run.options.force === undefined ? undefined : { ...next, words });
  return reports.every(isDone) ? 0 : EXIT_CODES.partial.exit;
}

interface ReportFacts {
  readonly jobs: readonly JobReport[];
  readonly costs: PlanCosts;
  readonly balance?: number | undefined;
  readonly isStopped?: boolean;
  /** Why nothing was sent. */
  readonly error?: EvolinkError | undefined;
  readonly warnings: readonly string[];
}

/** The report of a run, or of its plan, as plain data. */
function makeReport(run: Run, facts: ReportFacts): RunReport {
  const { jobs, costs, balance, isStopped = false, warnings, error } = facts;
  const { context, frame, options, files, shard, startedAtMs } = run;
  return {
    schema_version: SCHEMA_VERSION,
    kind: REPORT_KIND,
    tool_version: context.version,
    dry_run: options.dryRun === true,
    sandbox: frame.session.isSandbox,
    stopped: isStopped,
    folder: jobFolder(context),
    files: [...files],
    shard: shard ?? null,
    started_at: new Date(startedAtMs).toISOString(),
    ended_at: new Date(context.clock.now()).toISOString(),
    totals: sumTotals(jobs),
    credits: sumCredits(jobs),
    balance: balance ?? null,
    price_list_date: costs.priceListDate ?? null,
    billed_seconds: costs.billedSeconds,
    uploads: costs.uploads,
    error: error === undefined ? null : toJobError(frame.session.commands.inError(error)),
    warnings: [...warnings],
    missing_shards: [],
    jobs,
  };
}

/** On a CI runner the place in the workspace, which is the same on every machine. */
function jobFolder({ cwd, env }: Context): string {
  const workspace = env.GITHUB_WORKSPACE;
  if (workspace === undefined || workspace === '') return cwd;
  const below = relative(workspace, cwd).split(sep).join('/');
  return below === '..' || below.startsWith('../') ? cwd : below || '.';
}

/**
 * Writes the reports that were asked for, and tells GitHub Actions of the run where it runs there.
 * @throws EvolinkError `local-io` naming the reports that could not be written
 */
async function publish({ context, options }: Run, report: RunReport): Promise<void> {
  const files = options.report ?? [];
  if (context.env.GITHUB_ACTIONS === 'true') {
    const { publishToGithub } = await import('../report/github.ts');
    const { annotations, warnings } = await publishToGithub(report, files, context);
    await context.io.stderr.write(
      `${annotations}${warnings.map((warning) => `warning: ${warning}\n`).join('')}`,
    );
  }
  if (files.length === 0) return;
  const { writeReports } = await import('../report/write.ts');
  await writeReports(files, report, context);
}
