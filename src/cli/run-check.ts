import { extname, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { isLocalEntry, type MediaLists, prepareMedia, toLabel } from '../generate/prepare-media.ts';
import { distinctProblems } from '../jobs/check-jobs.ts';
import { readJobFiles } from '../jobs/read-job-files.ts';
import { createJobMatcher, requireMatch } from '../jobs/select-jobs.ts';
import { describeFacts } from '../media/describe-facts.ts';
import type { Inspection } from '../media/media-facts.ts';
import { type MediaReview, reviewMedia } from '../media/review-media.ts';
import { draftFromBody } from '../request/draft-from-body.ts';
import { formatProblem } from '../request/format-problem.ts';
import { toErrorDocument } from '../ui/json-document.ts';
import { toJsonText } from '../ui/json-text.ts';
import { type Frame, runInFrame } from './command-frame.ts';
import type { Context } from './context.ts';
import { type FormOptions, formOf } from './form.ts';
import { toMediaLists, withAbsoluteMedia } from './job-media.ts';
import { mediaProblemLine, toReviewDocument } from './media-report.ts';
import type { Session } from './session.ts';
import { createUrlCheck } from './url-check.ts';

export interface CheckOptions extends FormOptions {
  readonly checkUrls?: boolean;
  readonly job?: string;
}

export interface CheckInput {
  readonly files: readonly string[];
  readonly options: CheckOptions;
}

/** As many as a run takes without being told. */
const MAX_JOBS = 10_000;
const JOB_EXTENSIONS: readonly string[] = ['.yaml', '.yml', '.json'];

interface Checked {
  readonly reviews: readonly MediaReview[];
  /** Of job files: what keeps their media from being found. */
  readonly problems: readonly string[];
}

/** `evolink check`: the inspection alone. Exit 0 when everything fits, else 2; nothing is sent but URL checks. */
export function runCheck(context: Context, { files, options }: CheckInput): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const checkUrl = options.checkUrls === true ? await createOnceCheck(context, frame.session) : undefined;
    const checked: Checked[] = [];
    for (const file of files) {
      const isJob = isLocalEntry(file) && JOB_EXTENSIONS.includes(extname(file).toLowerCase());
      const look = isJob ? checkJobFile : checkMediaFile;
      checked.push(await look(context, file, { checkUrl, jobName: options.job }));
    }
    return report(context, frame, { checked, options });
  });
}

/** Each URL is asked for once, wherever it stands. */
async function createOnceCheck(context: Context, session: Session) {
  const check = await createUrlCheck(context, session);
  const known = new Map<string, Promise<Inspection>>();
  return (url: string): Promise<Inspection> => {
    const inspection = known.get(url) ?? check(url);
    known.set(url, inspection);
    return inspection;
  };
}

interface LookOptions {
  readonly checkUrl: ((url: string) => Promise<Inspection>) | undefined;
  readonly jobName: string | undefined;
}

async function checkMediaFile(context: Context, file: string, { checkUrl }: LookOptions): Promise<Checked> {
  const isLocal = isLocalEntry(file);
  const location = isLocal ? resolve(context.cwd, file) : file;
  const label = isLocal ? toLabel(location, context.cwd) : file;
  const items = [{ name: label, label, location, isLocal }];
  return { reviews: await reviewMedia(items, { checkUrl, isOneRequest: false }), problems: [] };
}

/** All jobs of a file, expanded as a run does it; media that several share are looked at and told once. */
async function checkJobFile(
  context: Context,
  path: string,
  { checkUrl, jobName }: LookOptions,
): Promise<Checked> {
  const { jobs, problems } = await readJobFiles([path], { cwd: context.cwd, maxJobs: MAX_JOBS });
  if (jobName !== undefined) requireMatch(jobs, '--job', jobName);
  const wanted = jobName === undefined ? jobs : jobs.filter(createJobMatcher([jobName]));
  const found = [...problems];
  const sets = new Map<string, MediaLists>();
  for (const { value, describe, baseFolder, problems: own } of wanted) {
    const body = draftFromBody(value, { describe });
    found.push(...own, ...body.problems);
    if (body.draft === undefined) continue;
    const lists = toMediaLists(withAbsoluteMedia(body.draft, baseFolder));
    sets.set(JSON.stringify(lists), lists);
  }
  const reviews: MediaReview[] = [];
  for (const lists of sets.values())
    reviews.push(...(await prepareMedia(lists, { workingFolder: context.cwd, checkUrl })).reviews);
  return { reviews, problems: distinctProblems(found).map(formatProblem) };
}

interface Report {
  readonly checked: readonly Checked[];
  readonly options: CheckOptions;
}

async function report(context: Context, frame: Frame, { checked, options }: Report): Promise<number> {
  const reviews = checked.flatMap((each) => each.reviews);
  const broken = reviews.filter(({ problems }) => problems.length > 0);
  const lines = [...checked.flatMap(({ problems }) => problems), ...broken.map(mediaProblemLine)];
  const error = lines.length === 0 ? undefined : toError(lines, broken.length);
  if (formOf(options) !== 'human') {
    const files = reviews.map(toReviewDocument);
    const document =
      error === undefined ? { schema_version: 1, ok: true, files } : { ...toErrorDocument(error), files };
    await context.io.stdout.write(`${toJsonText(document)}\n`);
    return error?.exit ?? 0;
  }
  const hint = options.checkUrls === true ? '' : ' (--check-urls looks at it)';
  for (const review of reviews) await context.io.stdout.write(`${describeReview(review, hint)}\n`);
  for (const { item, remarks } of reviews) for (const text of remarks) frame.warn(`"${item.label}" ${text}`);
  if (error === undefined) return 0;
  await frame.reporter.error(error);
  return error.exit;
}

function toError(lines: readonly string[], brokenCount: number): EvolinkError {
  const what =
    brokenCount === 0
      ? 'the job file has problems'
      : `${brokenCount} of the media do${brokenCount === 1 ? 'es' : ''} not fit`;
  return new EvolinkError('usage', `${what}; nothing was sent`, { details: lines, charged: 'no' });
}

/** `ok: style.png (png, 1600×1200, 1.2 MiB)`. */
function describeReview({ item, facts, problems }: MediaReview, unseenHint: string): string {
  const name = item.name === item.label ? item.label : `${item.name} = ${item.label}`;
  const isUnseen = facts === undefined && problems.length === 0;
  const word = isUnseen ? 'unchecked' : problems.length === 0 ? 'ok' : 'refused';
  if (facts === undefined) return `${word}: ${name}${isUnseen ? unseenHint : ''}`;
  return `${word}: ${name} (${describeFacts(facts)})`;
}
