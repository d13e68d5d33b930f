import { isProjectLoopback } from '../config/trust.ts';
import { planUrls, withPlanUrls } from '../jobs/check-plan-urls.ts';
import type { PlannedJob } from '../jobs/plan-jobs.ts';
import type { ResolvedJob } from '../jobs/resolve-job.ts';
import type { Context } from './context.ts';
import type { Session } from './session.ts';
import { createUrlCheck, isOutsideRehearsal } from './url-check.ts';

/** What a plan looks at without being asked: so many URLs at most, for so long. */
const MAX_CHEAP_URLS = 40;
const CHEAP_TIME_MS = 5_000;

export interface PlanUrlCheck {
  readonly jobs: readonly PlannedJob[];
  readonly resolved: readonly ResolvedJob[];
  /** `--check-urls`, `--no-check-urls`; absent = where it is cheap. */
  readonly isWanted: boolean | undefined;
}

/**
 * Looks at the media URLs of the jobs that have to be sent, each once. Unless asked for, only where they are few, not for
 * long, and in a rehearsal in silence at none but those on this machine.
 */
export async function checkPlanUrls(
  context: Context,
  session: Session,
  { jobs, resolved, isWanted }: PlanUrlCheck,
): Promise<ReturnType<typeof withPlanUrls> & { readonly warnings: readonly string[] }> {
  const isForced = isWanted === true;
  // A file that came with a repository must not make requests to ports of this machine.
  const isOff = isWanted === false || (!isForced && isProjectChoice(session));
  const urls = isOff ? [] : [...planUrls(jobs)];
  const wanted = isForced ? urls : urls.filter((url) => !isOutsideRehearsal(session, url));
  if (wanted.length === 0) return { jobs, invalid: [], warnings: [] };
  if (!isForced && wanted.length > MAX_CHEAP_URLS) {
    const warning = `the ${wanted.length} media URLs were not looked at, as they are many; --check-urls looks at all`;
    return { jobs, invalid: [], warnings: [warning] };
  }
  const { checkUrls } = await import('../media/check-urls.ts');
  const inspections = await checkUrls(wanted, {
    check: await createUrlCheck(context, session),
    clock: context.clock,
    totalLimitMs: isForced ? undefined : CHEAP_TIME_MS,
  });
  const prices = session.settings.prices.value;
  return { ...withPlanUrls(jobs, inspections, { resolved, prices }), warnings: [] };
}

/** Whether only a project file says that the API, and so all that may be looked at, is on this machine. */
function isProjectChoice({ isSandbox, settings }: Session): boolean {
  return !isSandbox && isProjectLoopback(settings.baseUrl);
}
