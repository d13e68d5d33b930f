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
import { checkBudget, limitReach, sumCosts } from '../run/budget.ts';
import { EXAMPLE_JOB_FILE } from '../run/job-file.ts';
import { toJobError, toJobReport } from '../run/job-report.ts';
import { createJobMatcher, parseShard } from '../run/select.ts';
import { formatCount, formatCredits } from '../ui/format.ts';
import type { NextCommand } from '../ui/summary.ts';
import { FLAGS, type FlagName, type FlagValues, type Invocation, typedFlag } from './flags.ts';
import { canAsk, type Frame, isCi, isYes, runInFrame } from './frame.ts';
import { openClip } from './media.ts';
import {
  checkRestores,
  EMPTY_PLAN,
  fromProject,
  planError,
  planRun,
  type RunPlan,
  type RunSource,
} from './plan-run.ts';

/** What a person may spend without being asked. */
const ASK_ABOVE_CREDITS = 500;
const ASK_ABOVE_CLIPS = 20;
/** What `evolink run` without a file takes; the first is what `--init` writes. */
const DEFAULT_NAMES = ['evolink.yaml', 'jobs.yaml'] as const;

/** `evolink run`: plans the jobs of the files, and makes what is missing or has changed. Returns the exit code. */
export function runJobs({ context, args: named, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options, isRun: true }, async (frame) => {
    if (options.init !== undefined) return writeExample(frame, options.init);
    const { cwd, env } = context;
    const files = named.length > 0 ? named : findJobFile(frame);
    const paths = files.map((file) => resolve(cwd, file));
    const twice = files.find((_file, index) => paths.indexOf(paths[index] ?? '') < index);
    if (twice !== undefined)
      throw new EvolinkError('usage', `the job file "${twice}" is given twice`, { charged: 'no' });
    const shard = options.shard === undefined ? undefined : parseShard(options.shard, env, files);
    if (options.report !== undefined) {
      const { checkReports } = await import('../report/write.ts');
      await checkReports(options.report, cwd, files);
    }
    return runPlan(frame, { files, options, shard });
  });
}

/**
 * The job file of the folder, for `evolink run` without one. What nobody named is not run by a script unasked.
 * @throws EvolinkError `usage` where there is none, or more than one
 */
function findJobFile({ context: { cwd, io }, reporter, options }: Frame): readonly string[] {
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
async function writeExample({ context: { cwd }, reporter }: Frame, name: string | true): Promise<number> {
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

/** Jobs of files, and takes, on the way to their clips, with reports of all that becomes of them. Returns the exit code. */
export async function runPlan(frame: Frame, source: RunSource): Promise<number> {
  const { context, session, reporter } = frame;
  const { settings, commands } = session;
  const { files, options, shard } = source;
  const { signal } = context.signals;
  const startedAtMs = context.clock.now();
  const isDry = options.dryRun === true;
  const allowsPartial = options.allowPartial === true;
  const maxCredits = settings.maxCredits.value;
  // Runners of other shards make tasks on the same account, of which this journal knows nothing.
  const isAlone = shard === undefined || shard.count === 1;
  let plan = EMPTY_PLAN;
  let balance: number | undefined;
  let budgetCredits: number | undefined;
  let refusal: EvolinkError | undefined;

  const makeReport = (facts: Pick<RunReport, 'jobs'> & Partial<RunReport>): RunReport => {
    const { priceListDate, billedSeconds, uploads } = sumCosts(plan.jobs);
    return {
      schema_version: SCHEMA_VERSION,
      kind: REPORT_KIND,
      tool_version: context.version,
      dry_run: isDry,
      sandbox: session.isSandbox,
      stopped: false,
      folder: jobFolder(context),
      files: [...files],
      shard: shard ?? null,
      started_at: new Date(startedAtMs).toISOString(),
      ended_at: new Date(context.clock.now()).toISOString(),
      totals: sumTotals(facts.jobs),
      credits: sumCredits(facts.jobs),
      balance: balance ?? null,
      price_list_date: priceListDate ?? null,
      billed_seconds: billedSeconds,
      uploads,
      error: null,
      warnings: [...plan.warnings],
      missing_shards: [],
      ...facts,
    };
  };
  const planned = (): readonly JobReport[] =>
    plan.jobs.map((job) => toJobReport(job, job.action === 'up_to_date' ? 'up_to_date' : 'not_sent'));
  const shown = (error: EvolinkError) => toJobError(commands.inError(error));
  // The report of the plan is gone when the run begins.
  const announce = (): void =>
    reporter.event({
      kind: 'run-planned',
      report: makeReport({ jobs: planned() }),
      toRun: plan.jobs.filter(({ isSettled }) => !isSettled).length,
      fromProject: fromProject(plan),
    });

  try {
    plan = await planRun(frame, source);
    if (plan.problems.length > 0) throw planError(plan.problems);
    if (!isDry) await checkRestores(frame, plan);
    if (!isDry && plan.jobs.some(({ isSettled }) => !isSettled)) balance = await readBalance(frame);
    budgetCredits = checkBudget(sumCosts(plan.jobs), maxCredits, { balance, allowsPartial });
  } catch (error) {
    if (!isEvolinkError(error)) throw error;
    refusal = error;
  }
  if (refusal !== undefined && !(isDry && refusal.kind === 'credits')) {
    const { invalid, warnings } = plan;
    // What ends a run before anything is sent stands in its reports as well: else those of an earlier run would stay.
    if (refusal.kind === 'credits') announce();
    else for (const warning of warnings) frame.warn(warning);
    const jobs = plan.problems.length > 0 ? { jobs: invalid } : { jobs: planned(), error: shown(refusal) };
    await publish(frame, makeReport(jobs));
    throw refusal;
  }
  if (isDry) {
    // Says, and ends with, what the run itself would, as far as it can be known without the balance.
    const { reached, toSend } = limitReach(plan.jobs, allowsPartial ? maxCredits : undefined);
    const reach = `the limit of ${maxCredits} credits reaches ${reached} of ${toSend} jobs to be sent`;
    const report = makeReport({
      jobs: planned(),
      warnings: [...plan.warnings, ...(reached < toSend ? [reach] : [])],
      error: refusal === undefined ? null : shown(refusal),
    });
    await publish(frame, report);
    await reporter.plan(report, refusal, fromProject(plan));
    return refusal?.exit ?? 0;
  }
  const costs = sumCosts(plan.jobs);
  if (isCi(context.env.CI) && costs.toSend > 0) await warnOfUnrecorded(frame, plan, isAlone);
  await (source.confirmPlan ?? confirmLarge(frame))(costs, announce);
  const { executePlan } = await import('../run/execute.ts');
  const { reports, stopError } = await executePlan(plan.jobs, {
    journal: session.journal,
    clock: context.clock,
    budgetCredits,
    connect: async () => {
      const deps = await session.dependencies(() => undefined);
      // Which of their tasks a lost answer was about can't be told: it stays unknown.
      return isAlone ? deps : { ...deps, api: { ...deps.api, listTasks: async () => undefined } };
    },
    concurrency: settings.concurrency.value,
    waitTimeoutMs: settings.timeoutMs.value,
    retryFailed: options.retryFailed ?? 0,
    isFailFast: options.failFast === true,
    signal,
    emit: reporter.event,
    showError: commands.inError,
  });
  const report = makeReport({ jobs: reports, stopped: signal.aborted || stopError !== undefined });
  const next: NextCommand =
    source.words === undefined ? continueCommand(files, options, reports) : { words: source.words };
  reporter.close();
  await publish(frame, report);
  if (signal.aborted && signal.reason instanceof StoppedError) {
    const open = reports.find(({ state, task_id: taskId }) => state === 'running' && taskId !== null);
    if (next.note !== undefined) frame.warn(next.note);
    await reporter.stopped(signal.reason, { taskId: open?.task_id ?? undefined, resume: next.words });
    return SIGNAL_EXITS[signal.reason.signal];
  }
  // Nothing ran for one reason: that is the answer.
  if (stopError !== undefined && !reports.some(hasDone)) throw stopError;
  const words = commands.inArguments(next.words);
  await reporter.end(report, options.force === undefined ? undefined : { ...next, words });
  if (options.open === true)
    for (const { state, path } of reports)
      if (isDone({ state }) && path !== null)
        await openClip(path, context).catch((error: Error) => frame.warn(error.message));
  return reports.every(isDone) ? 0 : EXIT_CODES.partial.exit;
}

/** Whether a job came as far as to cost something, or to a clip. */
function hasDone(job: JobReport): boolean {
  const mayHaveCost = job.task_id !== null || job.error?.charged !== 'no';
  return job.state === 'saved' || job.state === 'running' || (isTrouble(job) && mayHaveCost);
}

const MAX_TASKS_NAMED = 5;

/** A machine of a CI may have lost the state of an earlier run, whose tasks are paid for: they are named before more is sent. */
async function warnOfUnrecorded(
  { context, session, warn }: Frame,
  { jobs }: RunPlan,
  isAlone: boolean,
): Promise<void> {
  const { findUnrecorded } = await import('../task/settle.ts');
  const models = new Set(jobs.map(({ request }) => request.body.model));
  const deps = await session.dependencies(() => undefined);
  const tasks = await findUnrecorded(deps, models, context.signals.signal).catch((error: unknown) => {
    if (!isEvolinkError(error)) throw error;
    warn(`the service's list could not be searched for tasks of lost state: ${error.message}`);
    return [];
  });
  if (tasks.length === 0) return;
  const ids = tasks.slice(0, MAX_TASKS_NAMED).map(({ id }) => id);
  const more = tasks.length > ids.length ? ` and ${tasks.length - ids.length} more` : '';
  warn(
    `${formatCount(tasks.length, 'task')} of the last 24 h not recorded here (${ids.join(', ')}${more}): ${isAlone ? '' : 'other shards may have made them; '}if this machine has lost its state, evolink download ID saves one`,
  );
}

/** The balance is of use, not of need: only a key that is refused ends the run here. */
async function readBalance({ context, session, warn }: Frame): Promise<number | undefined> {
  const { api } = await session.connect();
  try {
    return (await api.getCredits(context.signals.signal)).spendable;
  } catch (error) {
    if (!isEvolinkError(error) || error.kind === 'auth') throw error;
    warn(`the balance could not be read: ${error.message}`);
    return undefined;
  }
}

/** Asks before a large plan, on a terminal only: a script has decided already. */
function confirmLarge(frame: Frame): NonNullable<RunSource['confirmPlan']> {
  const { yes, sandbox } = frame.options;
  return async ({ mostCredits, toSend, unknownCount }, announce) => {
    announce();
    const isLarge = mostCredits > ASK_ABOVE_CREDITS || toSend > ASK_ABOVE_CLIPS;
    if (!isLarge || !canAsk(frame) || yes === true || sandbox === true) return;
    const unknown = unknownCount > 0 ? ` and what ${unknownCount} of unknown price cost` : '';
    const question = `make ${formatCount(toSend, 'clip')} for about ${formatCredits(mostCredits)} credits${unknown}?`;
    if (await isYes(frame, question)) return;
    throw new EvolinkError('usage', 'not confirmed; nothing was sent', {
      hint: 'add --yes to run without being asked',
      charged: 'no',
    });
  };
}

/** More names than this make no line that a person reads. */
const MAX_NAMED = 10;
const GLOB_SIGNS = /[\\*?[\]{}()!+@|]/g;

/**
 * The command that makes what a run has left: the line as it was, with all that chooses jobs and limits money. `--force` is
 * a wish for once: repeated as it was it would buy again what is made, so only the jobs that are still to be made again are
 * named. Pure.
 * @param files job files, as they were typed
 */
export function continueCommand(
  files: readonly string[],
  { force, ...options }: FlagValues,
  reports: readonly JobReport[],
): NextCommand {
  const names = files.map((file) => (file.startsWith('-') ? `./${file}` : file));
  const toWords = (flags: FlagValues) => ['evolink', 'run', ...names, ...flagWords(flags)];
  const words = toWords(options);
  const isLeft = ({ state }: JobReport): boolean => state === 'not_sent' || isTrouble({ state });
  const left = reports.filter((job) => isLeft(job) && job.reason === '--force');
  if (force !== true || left.length === 0) return { words };
  const only = left.map(({ name }) => name.replaceAll(GLOB_SIGNS, '\\$&'));
  const isExact = reports.filter(createJobMatcher(only)).length === left.length;
  const isAll = reports.filter(isLeft).length === left.length;
  if (isExact && isAll && left.length <= MAX_NAMED)
    return { words: toWords({ ...options, skip: undefined, only, force }) };
  return {
    words,
    note: `${left.length} clips that --force makes again are left, and this command leaves them as they are; to make one of them again: --force --only NAME`,
  };
}

/** Flags as they are typed. */
export function flagWords(options: FlagValues): readonly string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const flag = typedFlag(FLAGS[name as FlagName], value);
    if (flag === undefined) return [];
    return typeof value === 'boolean' ? [flag] : [value].flat().flatMap((one) => [flag, String(one)]);
  });
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
async function publish({ context, options }: Frame, report: RunReport): Promise<void> {
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
