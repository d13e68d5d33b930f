import { checkTarget } from '../download/check-target.ts';
import { fillPattern } from '../download/fill-pattern.ts';
import { checkSidecarPlace } from '../generate/sidecar.ts';
import { toWireBody } from '../request/wire-body.ts';
import { formatCredits } from '../ui/format.ts';
import { toHumanPath } from '../ui/human-path.ts';
import { toJsonText } from '../ui/json-text.ts';
import { formatMediaEvent } from '../ui/media-events.ts';
import type { Context } from './context.ts';
import type { Form } from './form.ts';
import { toReviewDocument, toUploadDocument, uploadLine } from './media-report.ts';
import { plannedFields } from './planned-fields.ts';
import type { PreparedJob } from './prepare-job.ts';
import type { Session } from './session.ts';

export interface DryRun {
  readonly job: PreparedJob;
  readonly session: Session;
  readonly form: Form;
  /** Nothing but the request. */
  readonly isQuiet: boolean;
  readonly nowMs: number;
}

/** The document of `--dry-run --json`: the very request that would be sent, and what it is estimated to cost. Pure. */
export function toDryRunDocument({ job, session, nowMs }: Omit<DryRun, 'form' | 'isQuiet'>) {
  const { estimate } = job;
  return {
    schema_version: 1,
    ok: true,
    dry_run: true,
    request: { method: 'POST', url: generationsUrl(session), body: toWireBody(job.request) },
    estimate: {
      credits: estimate.credits ?? null,
      usd: estimate.usd ?? null,
      billed_seconds: estimate.billedSeconds ?? null,
      at_least: estimate.atLeast ?? null,
      at_most: estimate.atMost ?? null,
      reason: estimate.reason ?? null,
      price_list_date: estimate.listDate,
      notes: estimate.notes,
    },
    media: job.media.reviews.map(toReviewDocument),
    uploads: job.media.local.map(toUploadDocument),
    output: describeOutput(job, nowMs),
    warnings: job.warnings,
  };
}

function generationsUrl(session: Session): string {
  return session.isSandbox ? 'sandbox:/v1/videos/generations' : `${session.baseUrl}/v1/videos/generations`;
}

/** The path as far as it is known: the id is the service's, the time is that of the request. */
function describeOutput({ request, output }: PreparedJob, nowMs: number): string {
  return output.kind === 'stdout'
    ? '-'
    : fillPattern(output, plannedFields(request, nowMs), (field) => `{${field}}`);
}

/**
 * Prints what would be sent; needs no key, sends nothing. stdout is the body, which `-f` takes again: local paths stand in
 * it where the URLs of their uploads will be.
 */
export async function writeDryRun(
  context: Context,
  { job, session, form, isQuiet }: Omit<DryRun, 'nowMs'>,
): Promise<number> {
  const nowMs = context.clock.now();
  if (job.output.kind === 'file') {
    const { path: clipPath, action } = await checkTarget(job.output, plannedFields(job.request, nowMs));
    const hasSidecar = session.settings.hasSidecar.value && action !== 'skip';
    await checkSidecarPlace({ clipPath, hasSidecar, onExisting: job.output.onExisting });
  }
  const { stdout, stderr } = context.io;
  if (form !== 'human') {
    await stdout.write(`${toJsonText(toDryRunDocument({ job, session, nowMs }))}\n`);
    return 0;
  }
  const lines = [
    `POST ${generationsUrl(session)}`,
    estimateLine(job),
    ...job.media.events.map((event) => formatMediaEvent(event)?.text ?? '').filter((text) => text !== ''),
    ...job.media.local.map(uploadLine),
    `output: ${toHumanPath(describeOutput(job, nowMs))}`,
    'dry run: nothing was sent',
  ];
  if (!isQuiet) await stderr.write(`${lines.join('\n')}\n`);
  await stdout.write(`${JSON.stringify(toWireBody(job.request), null, 2)}\n`);
  return 0;
}

function estimateLine({ estimate }: PreparedJob): string {
  const notes = [`list prices of ${estimate.listDate}`, ...estimate.notes].join('; ');
  if (estimate.credits !== undefined)
    return `estimate: about ${formatCredits(estimate.credits)} credits (${notes})`;
  const bounds =
    estimate.atLeast === undefined || estimate.atMost === undefined
      ? ''
      : `, between ${formatCredits(estimate.atLeast)} and ${formatCredits(estimate.atMost)} credits`;
  return `estimate: unknown: ${estimate.reason}${bounds} (${notes})`;
}
