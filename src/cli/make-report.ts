import { relative, sep } from 'node:path';
import type { EvolinkError } from '../errors.ts';
import { sumCredits } from '../report/facts.ts';
import type { JobReport, RunReport } from '../report/run-report.ts';
import { REPORT_KIND, SCHEMA_VERSION, sumTotals } from '../report/states.ts';
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
    billed_seconds: costs.billedSeconds ?? null,
    uploads: costs.uploads ?? null,
    error: error === undefined ? null : toJobError(frame.session.commands.inError(error)),
    warnings: [...warnings],
    missing_shards: [],
    jobs,
  };
}

/** On a CI runner the place in the workspace, which is the same on every machine. */
function jobFolder({ cwd, env }: Run['context']): string {
  const workspace = env.GITHUB_WORKSPACE;
  if (workspace === undefined || workspace === '') return cwd;
  const below = relative(workspace, cwd).split(sep).join('/');
  return below === '..' || below.startsWith('../') ? cwd : below || '.';
}
