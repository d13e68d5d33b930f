import { fillPattern, knownPath } from '../config/output.ts';
import { checkTarget } from '../download/target.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { MediaReview } from '../media/judge.ts';
import type { Context } from '../platform/context.ts';
import { toHumanPath } from '../platform/text.ts';
import type { CreditEstimate } from '../request/estimate.ts';
import type { Operation, Problem } from '../request/models.ts';
import { formatProblem, listError } from '../request/problems.ts';
import { createMediaReader, type Job, priceJob } from '../run/job.ts';
import type { matchSingle } from '../run/plan.ts';
import { requestIdentity } from '../task/record.ts';
import { checkSidecarPlace } from '../task/sidecar.ts';
import type { DocumentBody } from '../ui/documents.ts';
import { formatCredits, formatMedia, formatUsd, toJsonText } from '../ui/format.ts';
import { type Frame, runInFrame } from './frame.ts';
import { makeClips } from './make-clips.ts';
import {
  checkUrls,
  mediaProblemLine,
  openClip,
  toReviewDocument,
  toUploadDocument,
  uploadLine,
} from './media.ts';
import { placeSingle, uploadWarnings } from './place-clips.ts';
import { pricingOf, readRequest, type TypedRequest } from './request-flags.ts';

/** The plan of one job: where its clip goes may depend on the task, and standard output is a place. */
type SinglePlan = Awaited<ReturnType<typeof planSingle>>;

/** `evolink t2v|i2v|ref`: from flags to a file, or to whatever of it was asked for. Returns the exit code. */
export function runGenerate(context: Context, input: TypedRequest): Promise<number> {
  const { options } = input;
  return runInFrame(context, { form: options, isRun: options.count !== undefined }, (frame) =>
    generateClips(frame, input),
  );
}

/** One clip here, several as a run. Returns the exit code. */
export async function generateClips(frame: Frame, input: TypedRequest): Promise<number> {
  if (input.options.count !== undefined) return (await import('./takes.ts')).runTakes(frame, input);
  return makeClips(frame, {
    isSingle: true,
    plan: () => planSingle(frame, input),
    writePlan: (plan, refusal) => writeDryRun(frame, plan, refusal),
    announce: (plan) => emitPlanned(frame, plan),
    confirm: input.confirmPlan ?? (async (_costs, announce) => announce()),
    make: (plan) => submitAndSave(frame, plan, input),
  });
}

/** A job as a run plans it: read, checked and priced, and compared with what is pending. @throws EvolinkError `usage` */
async function planSingle(frame: Frame, input: TypedRequest) {
  const { operation, options } = input;
  const { context, session, warn } = frame;
  const { entry, problems: unread, warnings: ofFile } = await readRequest(context, input);
  const pricing = pricingOf(session, options);
  const readMedia = createMediaReader({ workingFolder: context.cwd });
  const priced = await priceJob(entry, { ...pricing, readMedia });
  const problems = [...priced.problems, ...unread];
  const { job } = priced;
  if (job === undefined || problems.length > 0) throw problemsError(operation, problems, priced.broken);
  if (options.checkUrls === true) await checkUrls(frame, [job], pricing);
  const { reviews } = job.media;
  if (reviews.some(isBroken)) throw problemsError(operation, [], reviews);
  const { output, fields, warnings: outside } = await placeSingle(frame, options, job);
  const uploads = await uploadWarnings([job]);
  const { references, warnings: remarks } =
    reviews.length === 0
      ? { references: [], warnings: [] }
      : (await import('../run/job-report.ts')).describeMedia(job.media);
  const warnings = [...job.warnings, ...remarks, ...ofFile, ...outside, ...uploads];
  for (const warning of warnings) warn(warning);
  for (const { warning } of job.projectChoices) warn(warning, 'trust');
  const planned = { jobs: [job], job, output, fields, warnings, references };
  return { ...planned, match: options.new === true ? {} : await findMatch(frame, planned) };
}

function isBroken({ problems }: MediaReview): boolean {
  return problems.length > 0;
}

/** All problems of a request and its media as one error. */
function problemsError(
  operation: Operation,
  problems: readonly Problem[],
  reviews: readonly MediaReview[],
): EvolinkError {
  const mediaLines = reviews.filter(isBroken).map(mediaProblemLine);
  const lines = [...problems.map(formatProblem), ...mediaLines];
  const hint = problems.find((each) => each.hint)?.hint ?? `evolink ${operation} --help`;
  const summary = `the request has ${lines.length === 1 ? 'a problem' : `${lines.length} problems`}; nothing was sent`;
  if (mediaLines.length === 0) return listError(lines, { summary, hint });
  // What is wrong with a file takes several lines: too many for the message itself.
  return new EvolinkError('usage', summary, { details: lines, hint, charged: 'no' });
}

/** Looks for pending requests that are the same. */
async function findMatch(
  { session: { service, journal, isOwn } }: Frame,
  {
    job,
    output,
    fields,
  }: Pick<Awaited<ReturnType<typeof placeSingle>>, 'output' | 'fields'> & { readonly job: Job },
): Promise<ReturnType<typeof matchSingle>> {
  // A state folder that fails is told of where that matters.
  const { records } = await journal.readOpen().catch(() => ({ records: [] }));
  if (records.length === 0) return {};
  const { fingerprint } = job;
  const same = records.filter((record) => record.fingerprint === fingerprint && isOwn(record));
  if (same.length === 0) return {};
  const wanted = {
    identity: requestIdentity({ fingerprint, output }, service),
    path: output.kind === 'file' ? knownPath(output, fields) : undefined,
  };
  return (await import('../run/plan.ts')).matchSingle(same, wanted, service);
}

function emitPlanned({ reporter }: Frame, { job, references }: SinglePlan): void {
  const { operation, body } = job.request;
  const { credits, usd, origin, reason, listDate } = job.estimate;
  const fromProject = job.projectChoices.map(({ text }) => text);
  reporter.event({
    kind: 'planned',
    operation,
    model: body.model,
    durationSeconds: body.duration,
    quality: body.quality,
    aspectRatio: body.aspect_ratio,
    estimatedCredits: credits,
    estimatedUsd: usd,
    costOrigin: origin ?? reason,
    priceListDate: listDate,
    ...(fromProject.length > 0 ? { fromProject } : {}),
  });
  for (const { name, role, label, facts, local: isLocal } of references)
    reporter.event({
      kind: 'media',
      name,
      label,
      isLocal,
      role: role ?? undefined,
      facts: facts ?? undefined,
    });
}

/**
 * Prints what would be sent; needs no key, sends nothing. stdout is the body, which `-f` takes again: local paths stand in
 * it where the URLs of their uploads will be.
 */
async function writeDryRun(
  { session, reporter, warn }: Frame,
  { job, output, fields, references, warnings, match }: SinglePlan,
  refusal: EvolinkError | undefined,
): Promise<number> {
  if (refusal !== undefined) throw refusal;
  if (match.duplicate !== undefined) warn(match.duplicate);
  const { media, estimate, projectChoices } = job;
  const { body } = job.request;
  if (output.kind === 'file') {
    const { path: clipPath, isKept } = await checkTarget(output, fields);
    // Asked here too: what is not called is not loaded.
    const hasSidecar = session.settings.hasSidecar.value && !isKept;
    if (clipPath !== undefined && hasSidecar && output.onExisting !== 'overwrite')
      await checkSidecarPlace(clipPath);
  }
  // As far as it is known: the id is the service's.
  const place = output.kind === 'stdout' ? '-' : fillPattern(output, fields, (field) => `{${field}}`);
  const url = `${session.isSandbox ? 'sandbox:' : session.baseUrl}/v1/videos/generations`;
  const choices = projectChoices.map(({ text }) => text).join(', ');
  const lines = [
    `POST ${url}`,
    estimateLine(estimate),
    choices === '' ? '' : `from .evolinkrc: ${choices}`,
    ...references.map(formatMedia),
    ...media.local.map(uploadLine),
    `output: ${toHumanPath(place)}`,
    'dry run: nothing was sent',
  ];
  reporter.note(lines.filter((line) => line !== '').join('\n'));
  const document: DocumentBody<'dry-run'> = {
    dry_run: true,
    request: { method: 'POST', url, body: { ...body } },
    estimate: {
      credits: estimate.credits ?? null,
      usd: estimate.usd ?? null,
      billed_seconds: estimate.billedSeconds ?? null,
      at_least: estimate.atLeast ?? null,
      at_most: estimate.atMost ?? null,
      reason: estimate.reason ?? null,
      price_list_date: estimate.listDate,
      notes: [...estimate.notes],
    },
    media: media.reviews.map(toReviewDocument),
    uploads: media.local.map(toUploadDocument),
    output: place,
    warnings: [...warnings],
  };
  await reporter.print('dry-run', document, `${toJsonText(body, 2)}\n`);
  return 0;
}

function estimateLine({ credits, usd, origin, notes, reason, atLeast, atMost }: CreditEstimate): string {
  const price = usd === undefined ? undefined : formatUsd(usd);
  // An origin that is not the list is among the notes too.
  const parts = new Set([price, origin, ...notes].filter((part) => part !== undefined));
  const about = parts.size === 0 ? '' : ` (${[...parts].join('; ')})`;
  if (credits !== undefined) return `estimate: about ${formatCredits(credits)} credits${about}`;
  const bounds =
    atLeast === undefined || atMost === undefined
      ? ''
      : `, between ${formatCredits(atLeast)} and ${formatCredits(atMost)} credits`;
  return `estimate: unknown: ${reason}${bounds}${about}`;
}

async function submitAndSave(frame: Frame, plan: SinglePlan, { options }: TypedRequest): Promise<number> {
  const { context, session, reporter, noteRecord, warn } = frame;
  const { job, output, match } = plan;
  const { settings } = session;
  const { signal } = context.signals;
  const deps = await session.dependencies(reporter.event);
  const { generate } = await import('../task/generate.ts');
  try {
    const result = await generate(deps, job, {
      output,
      attachTo: match.attachTo,
      duplicateNote: match.duplicate,
      hasSidecar: settings.hasSidecar.value,
      isNew: options.new === true,
      findsSaved: true,
      isWaiting: options.wait !== false,
      waitTimeoutMs: settings.timeoutMs.value,
      onRecord: noteRecord,
      signal,
    });
    await reporter.result(result);
    // The clip is there, and paid for, whatever becomes of the player.
    if (options.open === true && result.state === 'saved' && result.path !== null)
      await openClip(result.path, context).catch((error: Error) => warn(error.message));
    return 0;
  } catch (error) {
    const needed = job.estimate.credits;
    if (!isEvolinkError(error) || error.kind !== 'credits' || needed === undefined) throw error;
    // Says what was missing: the balance can be read at no cost.
    const { spendable } = await deps.api.getCredits(signal).catch(() => ({ spendable: undefined }));
    if (spendable === undefined) throw error;
    const numbers = `need ${needed.toFixed(1)} credits, have ${spendable.toFixed(1)}`;
    throw new EvolinkError('credits', `${error.message}: ${numbers}`, error.facts);
  }
}
