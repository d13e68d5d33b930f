import { checkTarget } from '../download/check-target.ts';
import type { OutputPlan } from '../download/types.ts';
import { toWireBody } from '../request/wire-body.ts';
import { formatCredits } from '../ui/format.ts';
import { toJsonText } from '../ui/json-text.ts';
import { formatMediaEvent } from '../ui/media-events.ts';
import type { Context } from './context.ts';
import type { Form } from './form.ts';
import { toReviewDocument, toUploadDocument, uploadLine } from './media-report.ts';
import type { PreparedJob } from './prepare-job.ts';
import type { Session } from './session.ts';

export interface DryRun {
  readonly job: PreparedJob;
  readonly session: Session;
  readonly form: Form;
}

/** The document of `--dry-run --json`: the very request that would be sent, and what it is estimated to cost. Pure. */
export function toDryRunDocument({ job, session }: Omit<DryRun, 'form'>) {
  const { estimate, output } = job;
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
    output: describeOutput(output),
    warnings: job.warnings,
  };
}

function generationsUrl(session: Session): string {
  return session.isSandbox ? 'sandbox:/v1/videos/generations' : `${session.baseUrl}/v1/videos/generations`;
}

function describeOutput(output: OutputPlan): string {
  return output.kind === 'stdout' ? '-' : `${output.folder}/${output.pattern}`.replace('//', '/');
}

/**
 * Prints what would be sent; needs no key, sends nothing. stdout is the body, which `-f` takes again: local paths stand in
 * it where the URLs of their uploads will be.
 */
export async function writeDryRun(context: Context, { job, session, form }: DryRun): Promise<number> {
  if (job.output.kind === 'file') await checkTarget(job.output);
  const { stdout, stderr } = context.io;
  if (form !== 'human') {
    await stdout.write(`${toJsonText(toDryRunDocument({ job, session }))}\n`);
    return 0;
  }
  const lines = [
    `POST ${generationsUrl(session)}`,
    estimateLine(job),
    ...job.media.events.map((event) => formatMediaEvent(event)?.text ?? '').filter((text) => text !== ''),
    ...job.media.local.map(uploadLine),
    `output: ${describeOutput(job.output)}`,
    'dry run: nothing was sent',
  ];
  await stderr.write(`${lines.join('\n')}\n`);
  await stdout.write(`${JSON.stringify(toWireBody(job.request), null, 2)}\n`);
  return 0;
}

function estimateLine({ estimate }: PreparedJob): string {
  const notes = [`list prices of ${estimate.listDate}`, ...estimate.notes].join('; ');
  if (estimate.credits !== undefined) return `estimate: about ${formatCredits(estimate.credits)} (${notes})`;
  const bounds =
    estimate.atLeast === undefined || estimate.atMost === undefined
      ? ''
      : `, between ${formatCredits(estimate.atLeast)} and ${formatCredits(estimate.atMost)}`;
  return `estimate: unknown: ${estimate.reason}${bounds} (${notes})`;
}
