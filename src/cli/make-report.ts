import { relative, sep } from 'node:path';
import type { EvolinkError } from '../errors.ts';
import { type JobReport, type RunReport, sumCredits, sumTotals } from '../report/run-report.ts';
import type { PlanCosts } from '../run/budget.ts';
import { toJobError } from '../run/job-report.ts';
import type { Run } from './run-options.ts';

export interface ReportFacts {
  readonly jobs: readonly JobReport[];
  readonly costs: PlanCosts;
  readonly balance?: number | undefined;
  readonly isStopped?: boolean;
  /** Why nothing was sent. */
  readonly error?: EvolinkError | undefined;
  readonly warnings?: readonly string[];
}

/** The report of a run, or of its plan, as plain data. */
export function makeReport(run: Run, facts: ReportFacts): RunReport {
  const { jobs, costs, balance, isStopped = false, warnings = [], error } = facts;
  const { context, frame, options, files, shard, startedAtMs } = run;
  return {
    schemaVersion: 1,
    toolVersion: context.version,
    isDryRun: options.dryRun === true,
    isSandbox: frame.session.isSandbox,
    isStopped,
    folder: jobFolder(context),
    files,
    shard,
    startedAtMs,
    endedAtMs: context.clock.now(),
    totals: sumTotals(jobs),
    credits: sumCredits(jobs),
    balance,
    priceListDate: costs.priceListDate,
    billedSeconds: costs.billedSeconds,
    uploads: costs.uploads,
    error: error && toJobError(frame.session.commands.inError(error)),
    jobs,
    warnings,
  };
}

/** On a CI runner the place in the workspace, which is the same on every machine. */
function jobFolder({ cwd, env }: Run['context']): string {
  const workspace = env.GITHUB_WORKSPACE;
  if (workspace === undefined || workspace === '') return cwd;
  const below = relative(workspace, cwd).split(sep).join('/');
  return below === '..' || below.startsWith('../') ? cwd : below || '.';
}
