import type { ApiClient } from '../api/answers.ts';
import { fillPattern, knownPath } from '../config/output.ts';
import { checkTarget } from '../download/target.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { createRealPaths } from '../platform/folders.ts';
import { quoteCommand, toHumanPath } from '../platform/text.ts';
import type { CreditEstimate } from '../request/estimate.ts';
import { fingerprint, toWireBody } from '../request/fingerprint.ts';
import type { Operation } from '../request/models.ts';
import { continueId } from '../task/failures.ts';
import type { TaskRecord } from '../task/record.ts';
import { placedIdentity, requestIdentity } from '../task/record.ts';
import { placeOf } from '../task/save.ts';
import { checkSidecarPlace } from '../task/sidecar.ts';
import type { DocumentBody } from '../ui/documents.ts';
import { formatCredits, formatMedia, toJsonText } from '../ui/format.ts';
import { checkVideoOnStdout, type FormOptions, formOf } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { toReviewDocument, toUploadDocument, uploadLine } from './media.ts';
import {
  type OutputOptions,
  type PreparedJob,
  plannedFields,
  prepareJob,
  type RequestOptions,
} from './prepare-job.ts';
import { createDependencies, createUploadDependencies, type Session } from './session.ts';

interface DryRun {
  readonly job: PreparedJob;
  readonly frame: Frame;
  readonly nowMs: number;
}

/** The document of `--dry-run --json`: the very request that would be sent, and what it is estimated to cost. Pure. */
function toDryRunDocument({ job, frame: { session }, nowMs }: DryRun): DocumentBody<'dry-run'> {
  const { estimate } = job;
  return {
    dry_run: true,
    request: { method: 'POST', url: generationsUrl(session), body: { ...toWireBody(job.request) } },
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
    media: job.media.reviews.map(toReviewDocument),
    uploads: job.media.local.map(toUploadDocument),
    output: describeOutput(job, nowMs),
    warnings: [...job.warnings],
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
async function writeDryRun(context: Context, { job, frame }: Pick<DryRun, 'job' | 'frame'>): Promise<number> {
  const { session, reporter } = frame;
  const nowMs = context.clock.now();
  if (job.output.kind === 'file') {
    const { path: clipPath, action } = await checkTarget(job.output, plannedFields(job.request, nowMs));
    const hasSidecar = session.settings.hasSidecar.value && action !== 'skip';
    await checkSidecarPlace({ clipPath, hasSidecar, onExisting: job.output.onExisting });
  }
  const lines = [
    `POST ${generationsUrl(session)}`,
    estimateLine(job),
    ...fromProjectLines(job),
    ...job.media.events
      .map((event) => (event.kind === 'media' ? formatMedia(event) : ''))
      .filter((text) => text !== ''),
    ...job.media.local.map(uploadLine),
    `output: ${toHumanPath(describeOutput(job, nowMs))}`,
    'dry run: nothing was sent',
  ];
  reporter.note(lines.join('\n'));
  const body = `${toJsonText(toWireBody(job.request), 2)}\n`;
  await reporter.print('dry-run', toDryRunDocument({ job, frame, nowMs }), body);
  return 0;
}

function fromProjectLines({ projectChoices }: PreparedJob): readonly string[] {
  const texts = projectChoices.map(({ text }) => text);
  return texts.length === 0 ? [] : [`from .evolinkrc: ${texts.join(', ')}`];
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

/** The flags of a generating command. */
export interface GenerateOptions extends FormOptions, RequestOptions, OutputOptions {
  readonly sidecar?: boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly dryRun?: boolean;
  readonly maxCredits?: number;
  readonly priceCredits?: number;
  readonly new?: boolean;
  readonly checkUrls?: boolean;
  readonly open?: boolean;
}

export interface GenerateInput {
  readonly operation: Operation;
  readonly prompt: string | undefined;
  readonly options: GenerateOptions;
  /** Called when the plan was shown, right before anything is sent. @throws what ends the command */
  readonly confirm?: (frame: Frame, estimate: CreditEstimate) => Promise<void>;
}

/** `evolink t2v|i2v|ref`: from flags to a file, or to whatever of it was asked for. Returns the exit code. */
export function runGenerate(context: Context, input: GenerateInput): Promise<number> {
  const { options } = input;
  return runInFrame(context, { form: options }, async (frame) => {
    const job = await prepareJob(context, frame.session, input);
    if (job.output.kind === 'stdout') checkVideoOnStdout(context.io, formOf(options));
    for (const warning of job.warnings) frame.warn(warning);
    for (const { warning } of job.projectChoices) frame.warn(warning, 'trust');
    checkBudget(job.estimate, frame.session.settings.maxCredits.value);
    const duplicate = options.new === true ? {} : await findDuplicate(frame, job, context.clock.now());
    if (options.dryRun === true) {
      if (duplicate.duplicateNote !== undefined) frame.warn(duplicate.duplicateNote);
      return writeDryRun(context, { job, frame });
    }
    emitPlanned(frame, job);
    await input.confirm?.(frame, job.estimate);
    return run(context, { frame, job, options, duplicate });
  });
}

/**
 * Refuses what may cost more than the limit; a price that is not known can't be shown to be below it.
 * @throws EvolinkError `credits`
 */
function checkBudget(estimate: CreditEstimate, maxCredits: number | undefined): void {
  if (maxCredits === undefined) return;
  if (estimate.credits === undefined) {
    throw new EvolinkError(
      'credits',
      `the price is not known (${estimate.reason}), so it can't be held below ${maxCredits} credits`,
      {
        hint: 'say what a clip costs with --price-credits, or leave out --max-credits',
        charged: 'no',
      },
    );
  }
  if (estimate.credits <= maxCredits) return;
  throw new EvolinkError(
    'credits',
    `about ${estimate.credits} credits are above the limit of ${maxCredits}; nothing was sent`,
    {
      hint: 'a shorter duration, a lower quality or a cheaper --tier costs less',
      charged: 'no',
    },
  );
}

function emitPlanned({ reporter }: Frame, { request, estimate, media, projectChoices }: PreparedJob): void {
  reporter.event({
    kind: 'planned',
    operation: request.operation,
    model: request.model,
    durationSeconds: request.durationSeconds,
    quality: request.quality,
    aspectRatio: request.aspectRatio,
    estimatedCredits: estimate.credits,
    estimatedUsd: estimate.usd,
    costReason: estimate.reason,
    priceListDate: estimate.listDate,
    ...(projectChoices.length > 0 ? { fromProject: projectChoices.map(({ text }) => text) } : {}),
  });
  for (const event of media.events) reporter.event(event);
}

interface Run {
  readonly frame: Frame;
  readonly job: PreparedJob;
  readonly options: GenerateOptions;
  readonly duplicate: Duplicate;
}

async function run(context: Context, { frame, job, options, duplicate }: Run): Promise<number> {
  const { session, reporter } = frame;
  const deps = await createDependencies(context, session, reporter.event);
  const { generate } = await import('../task/generate.ts');
  const result = await generate(deps, {
    request: job.request,
    output: job.output,
    hasSidecar: session.settings.hasSidecar.value,
    estimatedCredits: job.estimate.credits,
    isNew: options.new === true,
    ...duplicate,
    findsSaved: true,
    isWaiting: options.wait !== false,
    waitTimeoutMs: session.settings.timeoutMs.value,
    signal: context.signals.signal,
    onRecord: frame.noteRecord,
    media: mediaOf(context, { frame, job }),
  }).catch(async (error: unknown) => {
    throw await withBalance(error, {
      api: deps.api,
      needed: job.estimate.credits,
      signal: context.signals.signal,
    });
  });
  await reporter.result(result);
  if (options.open === true && result.state === 'saved' && result.path !== undefined) {
    const { openClip } = await import('./player.ts');
    // The clip is there, and paid for, whatever becomes of the player.
    await openClip(result.path, context.platform).catch((error: Error) => frame.warn(error.message));
  }
  return 0;
}

/** Says what was missing: the balance can be read at no cost. */
async function withBalance(
  error: unknown,
  {
    api,
    needed,
    signal,
  }: { readonly api: ApiClient; readonly needed: number | undefined; readonly signal: AbortSignal },
): Promise<unknown> {
  if (!isEvolinkError(error) || error.kind !== 'credits' || needed === undefined) return error;
  const { spendable } = await api.getCredits(signal).catch(() => ({ spendable: undefined }));
  if (spendable === undefined) return error;
  const numbers = `need ${needed.toFixed(1)} credits, have ${spendable.toFixed(1)}`;
  return new EvolinkError('credits', `${error.message}: ${numbers}`, error.facts);
}

/** How `generate` gets at local media: nothing is uploaded before it asks. */
function mediaOf(context: Context, { frame, job }: Pick<Run, 'frame' | 'job'>) {
  const { local, hashes } = job.media;
  if (local.length === 0) return undefined;
  const upload = async () => {
    const { uploadMedia } = await import('../task/prepare-media.ts');
    const deps = await createUploadDependencies(context, frame.session);
    return uploadMedia(deps, local, { emit: frame.reporter.event, signal: context.signals.signal });
  };
  return { hashes, upload };
}

/** The very same request, pending for another place. */
interface Duplicate {
  /** Made for another place, and moved since to where this command wants its clip. */
  readonly attachTo?: TaskRecord | undefined;
  /**
   * Another is submitted: another `-o` is another command. But not everybody who names a better place for the first one means
   * that.
   */
  readonly duplicateNote?: string | undefined;
}

/** Looks for open requests that are the same but for the place of their clip. */
async function findDuplicate({ session }: Frame, job: PreparedJob, nowMs: number): Promise<Duplicate> {
  // A state folder that fails is told of where that matters.
  const { records } = await session.journal.readOpen().catch(() => ({ records: [] }));
  if (records.length === 0) return {};
  const print = fingerprint(toWireBody(job.request), job.media.hashes);
  const identity = requestIdentity(print, job.output, session.service);
  const same = records.filter(
    (record) => record.fingerprint === print && session.isOwn(record) && record.state !== 'intent',
  );
  if (same.some((record) => record.identity === identity)) return {};
  const realPath = createRealPaths();
  const reallyAt = async (path: string | undefined) => (path === undefined ? undefined : realPath(path));
  const { output, request } = job;
  const here = await reallyAt(
    output.kind === 'file' ? knownPath(output, plannedFields(request, nowMs)) : undefined,
  );
  for (const record of [...same].reverse()) {
    const isHere = placedIdentity(record, session.service) === identity;
    if (isHere || (here !== undefined && here === (await reallyAt(placeOf(record)))))
      return { attachTo: record };
  }
  const duplicate = same.at(-1);
  if (duplicate === undefined) return {};
  const command = quoteCommand(['evolink', 'resume', continueId(duplicate)]);
  return {
    duplicateNote: `the same request is open already, ${describePlace(duplicate)}, and this command submits another; to have that clip, stop this command and run: ${command} -o PATH`,
  };
}

function describePlace(record: TaskRecord): string {
  if (record.output.kind === 'stdout') return 'for standard output';
  const path = placeOf(record);
  return path === undefined
    ? `for the folder ${toHumanPath(record.output.folder)}`
    : `for ${toHumanPath(path)}`;
}
