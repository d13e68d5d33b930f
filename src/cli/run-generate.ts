import { EvolinkError } from '../errors.ts';
import { generate } from '../generate/generate.ts';
import type { CreditEstimate } from '../request/estimate.ts';
import type { Operation } from '../request/types.ts';
import { type Frame, runInFrame } from './command-frame.ts';
import type { Context } from './context.ts';
import { createDependencies, createUploadDependencies } from './dependencies.ts';
import type { RequestOptions } from './draft-from-flags.ts';
import { writeDryRun } from './dry-run.ts';
import { findTwin, type Twin } from './find-twin.ts';
import { type FormOptions, formOf } from './form.ts';
import { type OutputOptions, type PreparedJob, prepareJob } from './prepare-job.ts';
import { checkVideoOnStdout } from './video-on-stdout.ts';

/** The flags of a generating command. */
export interface GenerateOptions extends FormOptions, RequestOptions, OutputOptions {
  readonly sidecar?: boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly dryRun?: boolean;
  readonly maxCredits?: number;
  readonly new?: boolean;
  readonly checkUrls?: boolean;
}

export interface GenerateInput {
  readonly operation: Operation;
  readonly prompt: string | undefined;
  readonly options: GenerateOptions;
}

/** `evolink t2v|i2v|ref`: from flags to a file, or to whatever of it was asked for. Returns the exit code. */
export function runGenerate(context: Context, input: GenerateInput): Promise<number> {
  const { options } = input;
  const flags = { timeout: options.timeout, max_credits: options.maxCredits, sidecar: options.sidecar };
  return runInFrame(context, { form: options, flags }, async (frame) => {
    const job = await prepareJob(context, frame.session, input);
    if (job.output.kind === 'stdout') checkVideoOnStdout(context.io, formOf(options));
    for (const warning of job.warnings) frame.warn(warning);
    checkBudget(job.estimate, frame.session.settings.maxCredits.value);
    const twin = options.new === true ? {} : await findTwin(frame, job, context.clock.now());
    if (options.dryRun === true) {
      if (twin.purchaseNote !== undefined) frame.warn(twin.purchaseNote);
      return writeDryRun(context, {
        job,
        session: frame.session,
        form: formOf(options),
        isQuiet: options.quiet === true,
      });
    }
    emitPlanned(frame, job);
    return run(context, { frame, job, options, twin });
  });
}

/**
 * Refuses what may cost more than the limit; a price that is not known can't be shown to be below it.
 * @throws EvolinkError `credits`
 */
export function checkBudget(estimate: CreditEstimate, maxCredits: number | undefined): void {
  if (maxCredits === undefined) return;
  if (estimate.credits === undefined) {
    throw new EvolinkError(
      'credits',
      `the price is not known (${estimate.reason}), so it can't be held below ${maxCredits} credits`,
      {
        hint: 'set the price in the config (prices), or leave out --max-credits',
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

function emitPlanned({ reporter }: Frame, { request, estimate, media }: PreparedJob): void {
  reporter.event({
    kind: 'planned',
    operation: request.operation,
    model: request.model,
    durationSeconds: request.durationSeconds,
    quality: request.quality,
    aspectRatio: request.aspectRatio,
    estimatedCredits: estimate.credits,
    costReason: estimate.reason,
    priceListDate: estimate.listDate,
  });
  for (const event of media.events) reporter.event(event);
}

interface Run {
  readonly frame: Frame;
  readonly job: PreparedJob;
  readonly options: GenerateOptions;
  readonly twin: Twin;
}

async function run(context: Context, { frame, job, options, twin }: Run): Promise<number> {
  const { session, reporter } = frame;
  const deps = await createDependencies(context, session, reporter.event);
  const result = await generate(deps, {
    request: job.request,
    output: job.output,
    hasSidecar: session.settings.hasSidecar.value,
    estimatedCredits: job.estimate.credits,
    isNew: options.new === true,
    ...twin,
    findsSaved: true,
    isWaiting: options.wait !== false,
    waitTimeoutMs: session.settings.timeoutMs.value,
    signal: context.signals.signal,
    onRecord: frame.noteRecord,
    media: mediaOf(context, { frame, job }),
  });
  await reporter.result(result);
  return 0;
}

/** How `generate` gets at local media: nothing is uploaded before it asks. */
function mediaOf(context: Context, { frame, job }: Pick<Run, 'frame' | 'job'>) {
  const { local, hashes } = job.media;
  if (local.length === 0) return undefined;
  const upload = async () => {
    const { uploadMedia } = await import('../generate/upload-media.ts');
    const deps = await createUploadDependencies(context, frame.session);
    return uploadMedia(deps, local, { emit: frame.reporter.event, signal: context.signals.signal });
  };
  return { hashes, upload };
}
