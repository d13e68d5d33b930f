import { all } from '../platform/text.ts';

/** Of every document but the sidecar. 2: the words of plans and states. */
export const SCHEMA_VERSION = 2 as const;

/** Value of `kind`, by which `evolink report merge` knows a report of a run. */
export const REPORT_KIND = 'evolink.run-report' as const;

/** Parts that a run may have. */
export const MAX_SHARDS = 1000;

/** What a plan makes of a job, with what it means. */
const PLAN = {
  new: 'there is no clip yet: one is submitted',
  changed: 'the request is not that of the clip, or `--force` asks for another: one is submitted',
  up_to_date: 'the clip of this exact request exists; nothing to do',
  resume: 'a task of this request is pending or uncertain: it is settled, waited for and saved',
  copied: 'the clip lies under another name: it is copied',
  restore: 'the clip was deleted or damaged: it is downloaded again, at no cost',
  invalid: 'the job file or its media break a rule: nothing is sent',
} as const;

/** What a task or job has come to. */
const STATES = {
  pending: 'accepted by the service, not started yet',
  running: 'the service works on it',
  completed: 'finished at the service; the clip is not saved yet',
  saved: 'the clip is on disk, verified',
  failed: 'rejected by the service, or ended without a clip',
  cancelled: 'cancelled at the service',
  expired: 'the link and the result are gone',
  skipped: 'the file was there already and was kept (`--skip-existing`)',
  not_sent: 'nothing was sent for it: a dry run, the budget, `--fail-fast` or a stop',
  uncertain: "can't tell whether the service accepted the request",
  dismissed: 'given up by `evolink forget`',
} as const;

/** Every word, in the order of the reference. */
export const STATE_MEANINGS = { ...PLAN, ...STATES };

export type PlanWord = keyof typeof PLAN;
export const PLAN_WORDS = Object.keys(PLAN) as [PlanWord, ...PlanWord[]];

/** In the order in which they are summed up: what succeeded, what goes on, what needs a person. */
export const JOB_STATES = [
  'saved',
  'up_to_date',
  'copied',
  'running',
  'completed',
  'not_sent',
  'uncertain',
  'failed',
  'cancelled',
  'expired',
  'invalid',
] as const satisfies readonly (keyof typeof STATE_MEANINGS)[];
export type JobState = (typeof JOB_STATES)[number];

/** How many jobs have come to what: one key for each word. */
export function sumTotals(jobs: readonly { readonly action: PlanWord; readonly state: JobState }[]) {
  const totals = all(0, 'planned', ...PLAN_WORDS, ...JOB_STATES);
  totals.planned = jobs.length;
  for (const { action, state } of jobs) {
    totals[action] += 1;
    if (state !== action) totals[state] += 1;
  }
  return totals;
}

/** For people: `up to date`. */
export function stateWord(state: string): string {
  return state.replaceAll('_', ' ');
}

const RECORD_WORDS: Readonly<Record<string, keyof typeof STATES>> = {
  intent: 'not_sent',
  sent: 'uncertain',
  unknown: 'uncertain',
  rejected: 'failed',
  accepted: 'pending',
};

/** The state of a record, in these words. @param status the service's word, where it is known */
export function recordWord(state: string, status = ''): string {
  const isRunning = state === 'accepted' && ['processing', 'running'].includes(status);
  return isRunning ? 'running' : (RECORD_WORDS[state] ?? state);
}
