import { fillPattern, knownPath, type OutputFields, type OutputPlan } from '../config/output.ts';
import { checkTarget } from '../download/target.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { MediaReview } from '../media/judge.ts';
import type { Context } from '../platform/context.ts';
import { toHumanPath } from '../platform/text.ts';
import type { CreditEstimate } from '../request/estimate.ts';
import type { Operation, Problem } from '../request/models.ts';
import { formatProblem, listError } from '../request/problems.ts';
import { checkBudget, sumCosts } from '../run/budget.ts';
import { createMediaReader, type Job, priceJob } from '../run/job.ts';
import type { matchSingle } from '../run/plan.ts';
import { requestIdentity } from '../task/record.ts';
import { checkSidecarPlace } from '../task/sidecar.ts';
import type { DocumentBody } from '../ui/documents.ts';
import { formatCredits, formatMedia, formatUsd, toJsonText } from '../ui/format.ts';
import type { FlagValues } from './flags.ts';
import { type Frame, runInFrame } from './frame.ts';
import { checkUrls, mediaProblemLine, toReviewDocument, toUploadDocument, uploadLine } from './media.ts';
import { outputWarnings, uploadWarnings } from './outside-project.ts';
import { plannedFields, planSingleOutput } from './place-clips.ts';
import { pricingOf, readRequest, type TypedRequest } from './request-flags.ts';
import type { Session } from './session.ts';

/** The plan of one job: where its clip goes may depend on the task, and standard output is a place. */
type SinglePlan = Awaited<ReturnType<typeof planSingle>>;

/** `evolink t2v|i2v|ref`: from flags to a file, or to whatever of it was asked for. Returns the exit code. */
export function runGenerate(context: Context, input: TypedRequest): Promise<number> {
  const { options } = input;
  return runInFrame(context, { form: options, isRun: options.count !== undefined }, (frame) =>
    generateClips(context, frame, input),
  );
}

/** Plan, budget, question, execution, result: of one clip here, of several as a run. Returns the exit code. */
export async function generateClips(context: Context, frame: Frame, input: TypedRequest): Promise<number> {
  const { options, confirmPlan } = input;
  if (options.count !== undefined) return (await import('./takes.ts')).runTakes(context, frame, input);
  const plan = await planSingle(context, frame, input);
  const costs = sumCosts([plan.job]);
  checkBudget(costs, frame.session.settings.maxCredits.value);
  if (options.dryRun === true) {
    if (plan.match.duplicate !== undefined) frame.warn(plan.match.duplicate);
    return writeDryRun(frame, plan);
  }
  const announce = (): void => emitPlanned(frame, plan);
  if (confirmPlan === undefined) announce();
  else await confirmPlan(frame, costs, announce);
  return submitAndSave(context, frame, plan, options);
}

/** A job as a run plans it: read, checked and priced, and compared with what is pending. @throws EvolinkError `usage` */
async function planSingle(context: Context, frame: Frame, input: TypedRequest) {
  const { operation, options } = input;
  const { session, warn } = frame;
  const { cwd, clock } = context;
  const { entry, problems: unread, warnings: ofFile } = await readRequest(context, input);
  const pricing = pricingOf(session, options);
  const readMedia = createMediaReader({ workingFolder: cwd });
  const priced = await priceJob(entry, { ...pricing, readMedia });
  const problems = [...priced.problems, ...unread];
  const { job } = priced;
  if (job === undefined || problems.length > 0) throw problemsError(operation, problems, priced.broken);
  if (options.checkUrls === true) await checkUrls(context, session, [job], pricing);
  const { reviews } = job.media;
  if (reviews.some(isBroken)) throw problemsError(operation, [], reviews);
  const fields = plannedFields(job.request, clock.now());
  const output = await planSingleOutput(context, session, options, entry, fields);
  const isOfFile = entry.file !== '' && options.output === undefined && entry.output !== undefined;
  const outside = [
    ...(isOfFile ? outputWarnings(output, entry.baseFolder, fields) : []),
    ...(await uploadWarnings([job])),
  ];
  const { references, warnings: remarks } =
    reviews.length === 0
      ? { references: [], warnings: [] }
      : (await import('../run/job-report.ts')).describeMedia(job.media);
  const warnings = [...job.warnings, ...remarks, ...ofFile, ...outside];
  for (const warning of warnings) warn(warning);
  for (const { warning } of job.projectChoices) warn(warning, 'trust');
  const match = options.new === true ? {} : await findMatch(session, { job, output, fields });
  return { job, output, fields, warnings, references, match };
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
  { service, journal, isOwn }: Session,
  { job, output, fields }: { readonly job: Job; readonly output: OutputPlan; readonly fields: OutputFields },
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
  const { request, estimate, projectChoices } = job;
  const { operation, body } = request;
  reporter.event({
    kind: 'planned',
    operation,
    model: body.model,
    durationSeconds: body.duration,
    quality: body.quality,
    aspectRatio: body.aspect_ratio,
    estimatedCredits: estimate.credits,
    estimatedUsd: estimate.usd,
    costReason: estimate.reason,
    priceListDate: estimate.listDate,
    ...(projectChoices.length > 0 ? { fromProject: projectChoices.map(({ text }) => text) } : {}),
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

function generationsUrl(session: Session): string {
  return session.isSandbox ? 'sandbox:/v1/videos/generations' : `${session.baseUrl}/v1/videos/generations`;
}

/**
 * Prints what would be sent; needs no key, sends nothing. stdout is the body, which `-f` takes again: local paths stand in
 * it where the URLs of their uploads will be.
 */
async function writeDryRun({ session, reporter }: Frame, plan: SinglePlan): Promise<number> {
  const { job, output, fields } = plan;
  const { media, estimate, projectChoices } = job;
  const { body } = job.request;
  if (output.kind === 'file') {
    const { path: clipPath, action } = await checkTarget(output, fields);
    // Asked here too: what is not called is not loaded.
    const hasSidecar = session.settings.hasSidecar.value && action !== 'skip';
    if (clipPath !== undefined && hasSidecar && output.onExisting !== 'overwrite')
      await checkSidecarPlace(clipPath);
  }
  // As far as it is known: the id is the service's.
  const place = output.kind === 'stdout' ? '-' : fillPattern(output, fields, (field) => `{${field}}`);
  const url = generationsUrl(session);
  const choices = projectChoices.map(({ text }) => text).join(', ');
  const lines = [
    `POST ${url}`,
    estimateLine(estimate),
    choices === '' ? '' : `from .evolinkrc: ${choices}`,
    ...plan.references.map(formatMedia),
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
    warnings: [...plan.warnings],
  };
  await reporter.print('dry-run', document, `${toJsonText(body, 2)}\n`);
  return 0;
}

function estimateLine({ credits, usd, listDate, notes, reason, atLeast, atMost }: CreditEstimate): string {
  const price = usd === undefined ? [] : [formatUsd(usd)];
  const list = reason === undefined ? [`list prices of ${listDate}`] : [];
  const parts = [...price, ...list, ...notes].join('; ');
  const about = parts && ` (${parts})`;
  if (credits !== undefined) return `estimate: about ${formatCredits(credits)} credits${about}`;
  const bounds =
    atLeast === undefined || atMost === undefined
      ? ''
      : `, between ${formatCredits(atLeast)} and ${formatCredits(atMost)} credits`;
  return `estimate: unknown: ${reason}${bounds}${about}`;
}

async function submitAndSave(
  context: Context,
  { session, reporter, noteRecord, warn }: Frame,
  plan: SinglePlan,
  options: FlagValues,
): Promise<number> {
  const { attachTo, duplicate } = plan.match;
  const { signal } = context.signals;
  const deps = await session.dependencies(reporter.event);
  const { generate } = await import('../task/generate.ts');
  try {
    const result = await generate(deps, plan.job, {
      output: plan.output,
      attachTo,
      signal,
      onRecord: noteRecord,
      hasSidecar: session.settings.hasSidecar.value,
      isNew: options.new === true,
      duplicateNote: duplicate,
      findsSaved: true,
      isWaiting: options.wait !== false,
      waitTimeoutMs: session.settings.timeoutMs.value,
    });
    await reporter.result(result);
    if (options.open === true && result.state === 'saved' && result.path !== null) {
      const { openClip } = await import('./player.ts');
      // The clip is there, and paid for, whatever becomes of the player.
      await openClip(result.path, context).catch((error: Error) => warn(error.message));
    }
    return 0;
  } catch (error) {
    const needed = plan.job.estimate.credits;
    if (!isEvolinkError(error) || error.kind !== 'credits' || needed === undefined) throw error;
    // Says what was missing: the balance can be read at no cost.
    const { spendable } = await deps.api.getCredits(signal).catch(() => ({ spendable: undefined }));
    if (spendable === undefined) throw error;
    const numbers = `need ${needed.toFixed(1)} credits, have ${spendable.toFixed(1)}`;
    throw new EvolinkError('credits', `${error.message}: ${numbers}`, error.facts);
  }
}
