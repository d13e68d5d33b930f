import { resolve } from 'node:path';
import { fillPattern, knownPath } from '../config/output.ts';
import { checkTarget } from '../download/target.ts';
import { EvolinkError, inputError, isEvolinkError } from '../errors.ts';
import type { MediaReview } from '../media/judge.ts';
import type { Context } from '../platform/context.ts';
import { isFile } from '../platform/folders.ts';
import { readTextFile } from '../platform/read-file.ts';
import { formatBytes, quoteCommand, toHumanPath } from '../platform/text.ts';
import { bodyAsJob, coerceDuration, mergeAsked, readExtra } from '../request/draft.ts';
import type { CreditEstimate } from '../request/estimate.ts';
import { isRequestKey, type WireBody } from '../request/fields.ts';
import { MEDIA_KINDS, type Operation, type Problem } from '../request/models.ts';
import { type Asked, formatProblem, type JobObject, listError } from '../request/problems.ts';
import { redactAddress } from '../request/public-url.ts';
import { absoluteMedia } from '../request/resolve.ts';
import { checkBudget, sumCosts } from '../run/budget.ts';
import type { JobEntry, readSingleJob } from '../run/expand.ts';
import { createMediaReader, priceJob } from '../run/job.ts';
import { requestIdentity } from '../task/record.ts';
import { checkSidecarPlace } from '../task/sidecar.ts';
import { type DocumentBody, fill, UPLOAD } from '../ui/documents.ts';
import { formatCredits, formatMedia, formatUsd, toJsonText } from '../ui/format.ts';
import { FIELD_FLAGS, type FlagValues, type Typed, typedOf } from './flags.ts';
import { type Frame, runInFrame } from './frame.ts';
import {
  createUrlCheck,
  isUrl,
  mediaCommand,
  mediaFlag,
  mediaProblemLine,
  openClip,
  toReviewDocument,
} from './media.ts';
import { placeSingle, uploadWarnings } from './place-clips.ts';

export interface TypedRequest {
  readonly operation: Operation;
  /** The argument of the command. */
  readonly prompt?: string | undefined;
  readonly options: FlagValues;
  /** The request of an earlier task, in place of a file. */
  readonly body?: WireBody | undefined;
  /** The command that is typed, where it is another than that of the operation. */
  readonly command?: readonly string[];
  /** Shows the plan by `announce`, and asks; default: shows it. @throws EvolinkError `usage` where the answer is no */
  readonly confirmPlan?:
    | ((costs: ReturnType<typeof sumCosts>, announce: () => void) => Promise<void>)
    | undefined;
}

/** The plan of one job: where its clip goes may depend on the task, and standard output is a place. */
type SinglePlan = Awaited<ReturnType<typeof planSingle>>;

/** `evolink t2v|i2v|ref`: from flags to a file, or to whatever of it was asked for. Returns the exit code. */
export function runGenerate(context: Context, input: TypedRequest): Promise<number> {
  return runInFrame(context, { form: input.options }, (frame) => generateClip(frame, input));
}

/** Plan, budget, question, submission, result: the same way as that of a run. Returns the exit code. */
export async function generateClip(frame: Frame, input: TypedRequest): Promise<number> {
  const plan = await planSingle(frame, input);
  const costs = sumCosts([plan.job]);
  checkBudget(costs, frame.session.settings.maxCredits.value);
  if (input.options.dryRun === true) return writeDryRun(frame, plan);
  const announce = () => emitPlanned(frame, plan);
  if (input.confirmPlan === undefined) announce();
  else await input.confirmPlan(costs, announce);
  return submitAndSave(frame, plan, input.options);
}

/** What is asked for: a job, of a file, of an earlier task or one that is empty, with the flags over it. */
export async function readRequest(context: Context, { operation, prompt, options, body }: TypedRequest) {
  const { cwd } = context;
  const { file: path, job } = options;
  const { extra, problems } = readExtra(options.set ?? []);
  if (path === undefined && job !== undefined)
    problems.push({ source: '--job', value: job, message: 'needs the file that has the job: -f job.yaml' });
  const empty: JobEntry = {
    name: operation,
    group: operation,
    label: operation,
    index: 1,
    isNumbered: false,
    file: '',
    line: 1,
    column: 1,
    baseFolder: cwd,
    variables: {},
    problems: [],
    value: body === undefined ? {} : bodyAsJob(body),
    locate: ([key = operation]) => ({ source: String(key) }),
  };
  const named = await readPrompt(context, operation, prompt, options);
  const file: Partial<Awaited<ReturnType<typeof readSingleJob>>> =
    path === undefined
      ? {}
      : await (await import('../run/expand.ts')).readSingleJob(path, { cwd, jobName: job });
  const under = file.job ?? empty;
  const flags = askedByFlags(options, cwd, named, extra, under);
  const asked = { ...under, ...mergeAsked(flags, under), operation, typed: flags.value };
  const entry: JobEntry = { ...asked, problems: file.problems ?? [] };
  return { entry, problems, warnings: file.warnings ?? [] };
}

/** What the flags ask for. Nothing is checked here but how the text of a flag is read; local media count from the folder. */
function askedByFlags(
  options: FlagValues,
  folder: string,
  named: Typed | undefined,
  extra: JobObject,
  under: Asked,
): Asked {
  const typed = new Map<string, Typed & { readonly media?: readonly string[] }>();
  for (const [key, { value, source }] of Object.entries(typedOf(FIELD_FLAGS, options))) {
    if (!isRequestKey(key)) continue;
    const text = key === 'duration' ? coerceDuration(String(value)) : value;
    // `--mute` is the only flag that says no.
    typed.set(key, { value: key === 'generate_audio' ? value !== true : text, source });
  }
  if (named !== undefined) typed.set('prompt', named);
  for (const flag of ['first', 'last', ...MEDIA_KINDS] as const) {
    const given = options[flag] ?? [];
    const media = [given].flat();
    const [first, ...others] = media.map((path) => absoluteMedia(path, folder));
    if (first === undefined) continue;
    const isOne = flag === 'first' || flag === 'last';
    const value = isOne ? first : [first, ...others];
    typed.set(isOne ? flag : `${flag}_urls`, { value, source: `--${flag}`, media });
  }
  if (Object.keys(extra).length > 0)
    typed.set('extra', { value: { ...Object(under.value.extra), ...extra }, source: '--set' });
  return {
    value: Object.fromEntries([...typed].map(([key, { value }]) => [key, value])),
    locate: (keyPath) => {
      const [key = '', inner = ''] = keyPath;
      if (key === 'extra' && Object.hasOwn(extra, inner)) return { source: `--set ${inner}` };
      const { source, media } = (key === 'extra' ? undefined : typed.get(String(key))) ?? {};
      if (source === undefined) return under.locate(keyPath);
      const isOneOf = media !== undefined && media.length > 1 && inner !== '';
      return {
        source: isOneOf ? `${source} (number ${Number(inner) + 1})` : source,
        typed: media?.[Number(inner)],
      };
    },
  };
}

const MAX_PROMPT_BYTES = 1024 * 1024;

/**
 * The prompt from the one place that names it: argument, `--prompt`, `--prompt-file`, or standard input as `-`.
 * A final line break of a file or of standard input is no part of it.
 * @throws EvolinkError `usage` when several places name one, or the file can't be read
 */
async function readPrompt(
  context: Context,
  operation: Operation,
  argument: string | undefined,
  { prompt, promptFile }: FlagValues,
): Promise<Typed | undefined> {
  const sources = [
    { source: 'the argument', value: argument },
    { source: '--prompt', value: prompt },
    { source: '--prompt-file', value: promptFile },
  ].flatMap(({ source, value }) => (value === undefined ? [] : [{ source, value }]));
  const [only, ...others] = sources;
  if (only === undefined) return undefined;
  const { source, value } = only;
  if (others.length > 0)
    throw new EvolinkError(
      'usage',
      `the prompt is given more than once: by ${sources.map((each) => each.source).join(' and ')}`,
      {
        hint: 'give it exactly once; quote it if it has several words: evolink t2v "a paper boat on a lake"',
      },
    );
  const chomp = (text: string): string => text.replace(/\r?\n$/, '');
  if (value === '-') {
    const { stdin, stderr } = context.io;
    if (stdin.isTty) await stderr.write('reading the prompt from standard input; end with Ctrl-D\n');
    return { source: 'standard input', value: chomp(await stdin.readText(context.signals.signal)) };
  }
  if (source === '--prompt-file') {
    const options = { label: 'prompt file', maxBytes: MAX_PROMPT_BYTES, allowsShellPipe: true };
    const { text } = await readTextFile(resolve(context.cwd, value), options);
    return { source: `--prompt-file ${value}`, value: chomp(text) };
  }
  if (source === '--prompt') return only;
  refuseOtherMeaning(context, operation, value);
  return { source: 'prompt', value };
}

/**
 * A bare `help`, a URL and the name of a file that is there were hardly meant as a prompt, and a clip of them costs money.
 * @throws EvolinkError `usage`, with what was probably meant
 */
function refuseOtherMeaning(context: Context, operation: Operation, prompt: string): void {
  const insist = `to use it as the prompt: ${quoteCommand(['evolink', operation, '-p', prompt])}`;
  if (prompt.trim() === 'help')
    throw inputError(
      'the prompt "help" was probably meant as the command',
      `evolink help ${operation} (${insist})`,
    );
  // One word that ends like a file of media is one also where the path is wrong.
  const isMedia = isUrl(prompt) || (mediaFlag(prompt) !== undefined && !/\s/.test(prompt));
  if (!isMedia && !isFile(resolve(context.cwd, prompt))) return;
  const meant = isMedia
    ? mediaCommand(operation, prompt)
    : quoteCommand(['evolink', operation, '--prompt-file', prompt]);
  const what = isUrl(prompt) ? `"${redactAddress(prompt)}" is a URL` : `"${prompt}" is the name of a file`;
  throw inputError(`the prompt ${what}`, `${meant} (${insist})`);
}

/** A job as a run plans it: checked and priced, and compared with what is pending. @throws EvolinkError `usage` */
async function planSingle(frame: Frame, input: TypedRequest) {
  const { operation, options } = input;
  const { context, session, warn } = frame;
  const request = await readRequest(context, input);
  const checkUrl = options.checkUrls === true ? await createUrlCheck(frame) : undefined;
  const readMedia = createMediaReader({ workingFolder: context.cwd, checkUrl });
  const { job, problems, reviews } = await priceJob(request.entry, { ...session.pricing, readMedia });
  const wrong = [...problems, ...request.problems];
  if (job === undefined || wrong.length > 0) throw problemsError(operation, wrong, reviews);
  const { output, fields, warnings: outside } = placeSingle(frame, options, job);
  const { references, warnings: remarks } =
    reviews.length === 0
      ? { references: [], warnings: [] }
      : (await import('../run/job-report.ts')).describeMedia(job.media);
  const uploads = await uploadWarnings([job]);
  const warnings = [...job.warnings, ...remarks, ...request.warnings, ...outside, ...uploads];
  for (const warning of warnings) warn(warning);
  for (const { warning } of job.projectChoices) warn(warning, 'trust');
  const { service, journal, isOwn } = session;
  // Pending requests that are the same. A state folder that fails is told of where that matters.
  const { records } =
    options.new === true ? { records: [] } : await journal.readOpen().catch(() => ({ records: [] }));
  const same = records.filter((record) => record.fingerprint === job.fingerprint && isOwn(record));
  const match = async () => {
    const identity = requestIdentity({ fingerprint: job.fingerprint, output }, service);
    const path = output.kind === 'file' ? knownPath(output, fields) : undefined;
    return (await import('../run/plan.ts')).matchSingle(same, { identity, path }, service);
  };
  return { job, output, fields, warnings, references, match: same.length === 0 ? {} : await match() };
}

/** All problems of a request and its media as one error. */
function problemsError(
  operation: Operation,
  problems: readonly Problem[],
  reviews: readonly MediaReview[],
): EvolinkError {
  const mediaLines = reviews.filter((review) => review.problems.length > 0).map(mediaProblemLine);
  const lines = [...problems.map(formatProblem), ...mediaLines];
  const hint = problems.find((each) => each.hint)?.hint ?? `evolink ${operation} --help`;
  const summary = `the request has ${lines.length === 1 ? 'a problem' : `${lines.length} problems`}; nothing was sent`;
  if (mediaLines.length === 0) return listError(lines, { summary, hint });
  // What is wrong with a file takes several lines: too many for the message itself.
  return new EvolinkError('usage', summary, { details: lines, hint, charged: 'no' });
}

function emitPlanned({ reporter }: Frame, { job, references }: SinglePlan): void {
  const { operation, body } = job.request;
  const { credits, usd, origin, reason, listDate } = job.estimate;
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
    fromProject: job.projectChoices.map(({ text }) => text),
  });
  for (const { role, facts, local: isLocal, ...named } of references)
    reporter.event({ kind: 'media', ...named, isLocal, role: role ?? undefined, facts: facts ?? undefined });
}

/**
 * Prints what would be sent; needs no key, sends nothing. stdout is the body, which `-f` takes again: local paths stand in
 * it where the URLs of their uploads will be.
 */
async function writeDryRun(
  { session, reporter, warn }: Frame,
  { job, output, fields, references, warnings, match }: SinglePlan,
): Promise<number> {
  if (match.duplicate !== undefined) warn(match.duplicate);
  const { media, estimate, projectChoices } = job;
  const { body } = job.request;
  if (output.kind === 'file') {
    const { path, isKept } = await checkTarget(output, fields);
    // Asked here too: what is not called is not loaded.
    const hasSidecar = session.settings.hasSidecar.value && !isKept;
    if (path !== undefined && hasSidecar && output.onExisting !== 'overwrite') await checkSidecarPlace(path);
  }
  // As far as it is known: the id is the service's.
  const place = output.kind === 'stdout' ? '-' : fillPattern(output, fields, (field) => `{${field}}`);
  const url = `${session.isSandbox ? 'sandbox:' : session.baseUrl}/v1/videos/generations`;
  const choices = projectChoices.map(({ text }) => text).join(', ');
  const lines = [
    `POST ${url}`,
    estimateLine(estimate),
    ...(choices === '' ? [] : [`from .evolinkrc: ${choices}`]),
    ...references.map(formatMedia),
    ...media.local.map(
      ({ path, name, sizeBytes }) =>
        `would upload: ${toHumanPath(path)} (${name}), ${formatBytes(sizeBytes)}; its URL takes the place of the path below`,
    ),
    `output: ${toHumanPath(place)}`,
    'dry run: nothing was sent',
  ];
  reporter.note(lines.join('\n'));
  const document: DocumentBody<'dry-run'> = {
    dry_run: true,
    request: { method: 'POST', url, body: { ...body } },
    // By hand: what fills in documents need not be loaded for a body.
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
    uploads: media.local.map((local) => fill(UPLOAD, { ...local, placeholder: local.path })),
    output: place,
    warnings: [...warnings],
  };
  await reporter.print('dry-run', document, `${toJsonText(body, 2)}\n`);
  return 0;
}

function estimateLine({ credits, usd, origin, notes, reason, atLeast, atMost }: CreditEstimate): string {
  // An origin that is not the list is among the notes too.
  const parts = new Set([usd === undefined ? '' : formatUsd(usd), origin, ...notes].filter(Boolean));
  const about = parts.size === 0 ? '' : ` (${[...parts].join('; ')})`;
  if (credits !== undefined) return `estimate: about ${formatCredits(credits)} credits${about}`;
  const isBound = atLeast !== undefined && atMost !== undefined;
  const bounds = isBound ? `, between ${formatCredits(atLeast)} and ${formatCredits(atMost)} credits` : '';
  return `estimate: unknown: ${reason}${bounds}${about}`;
}

async function submitAndSave(frame: Frame, plan: SinglePlan, options: FlagValues): Promise<number> {
  const { context, session, reporter, noteRecord, warn } = frame;
  const { job, output, match } = plan;
  const { signal } = context.signals;
  const deps = await session.dependencies(reporter.event);
  const { generate } = await import('../task/generate.ts');
  const result = await generate(deps, job, {
    output,
    attachTo: match.attachTo,
    duplicateNote: match.duplicate,
    hasSidecar: session.settings.hasSidecar.value,
    isNew: options.new === true,
    findsSaved: true,
    isWaiting: options.wait !== false,
    waitTimeoutMs: session.settings.timeoutMs.value,
    onRecord: noteRecord,
    signal,
  }).catch(async (error: unknown) => {
    const { credits } = job.estimate;
    if (!isEvolinkError(error) || error.kind !== 'credits' || credits === undefined) throw error;
    // Says what was missing: the balance can be read at no cost.
    const { spendable } = await deps.api.getCredits(signal).catch(() => ({ spendable: undefined }));
    if (spendable === undefined) throw error;
    const numbers = `need ${credits.toFixed(1)} credits, have ${spendable.toFixed(1)}`;
    throw new EvolinkError('credits', `${error.message}: ${numbers}`, error.facts);
  });
  await reporter.result(result);
  // The clip is there, and paid for, whatever becomes of the player.
  if (options.open === true && result.state === 'saved' && result.path !== null)
    await openClip(result.path, context).catch((error: Error) => warn(error.message));
  return 0;
}
