import { extname, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { describeFacts, type Inspection } from '../media/facts.ts';
import { type MediaReview, reviewMedia } from '../media/judge.ts';
import type { Context } from '../platform/context.ts';
import { toHumanPath } from '../platform/text.ts';
import { draftFromBody } from '../request/draft.ts';
import type { RequestDraft } from '../request/fields.ts';
import type { Problem } from '../request/models.ts';
import { type Findings, formatProblem } from '../request/problems.ts';
import { resolveMedia, resolveModel } from '../request/resolve.ts';
import { distinctProblems } from '../run/check-jobs.ts';
import { DEFAULT_MAX_JOBS, readJobFiles } from '../run/expand.ts';
import { mediaSources, placed, toMediaLists } from '../run/job.ts';
import { createJobMatcher, requireMatch } from '../run/select.ts';
import { isLocalEntry, type MediaLists, prepareMedia, toLabel } from '../task/prepare-media.ts';
import type { FlagValues } from './flags.ts';
import { type FormOptions, formOf } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { createUrlCheck, mediaProblemLine, toReviewDocument } from './media.ts';

type CheckOptions = FormOptions & FlagValues<'checkUrls' | 'job'>;

interface CheckInput {
  readonly files: readonly string[];
  readonly options: CheckOptions;
}

/** Of a medium that many jobs share, so many are named. */
const MAX_NAMES = 3;
const JOB_EXTENSIONS: readonly string[] = ['.yaml', '.yml', '.json'];

interface CheckedMedia {
  readonly review: MediaReview;
  /** Where its first job names it; absent for a file on its own. */
  readonly source?: string | undefined;
  /** The jobs that use it, where their file has several. */
  readonly jobs: readonly string[];
}

interface Checked {
  readonly reviews: readonly CheckedMedia[];
  /** Of job files: what keeps their media from being found, and rules of the request that they break. */
  readonly problems: readonly string[];
}

/** `evolink check`: the inspection alone. Exit 0 when everything fits, else 2; nothing is sent but URL checks. */
export function runCheck(context: Context, { files, options }: CheckInput): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const checkUrl = options.checkUrls === true ? await createUrlCheck(context, frame.session) : undefined;
    const allowLoopback = frame.session.isLoopbackApi;
    const checked: Checked[] = [];
    for (const file of files) {
      const isJob = isLocalEntry(file) && JOB_EXTENSIONS.includes(extname(file).toLowerCase());
      const look = isJob ? checkJobFile : checkMediaFile;
      checked.push(await look(context, file, { checkUrl, jobName: options.job, allowLoopback }));
    }
    return report(context, frame, { checked, options });
  });
}

interface LookOptions {
  readonly checkUrl: ((url: string) => Promise<Inspection>) | undefined;
  readonly jobName: string | undefined;
  readonly allowLoopback: boolean;
}

async function checkMediaFile(context: Context, file: string, { checkUrl }: LookOptions): Promise<Checked> {
  const isLocal = isLocalEntry(file);
  const location = isLocal ? resolve(context.cwd, file) : file;
  const label = isLocal ? toLabel(location, context.cwd) : file;
  const items = [{ name: label, label, location, isLocal }];
  const reviews = await reviewMedia(items, { checkUrl, isOneRequest: false });
  return { reviews: reviews.map((review) => ({ review, jobs: [] })), problems: [] };
}

/** All jobs of a file, expanded as a run does it; media that several share are looked at and told once. */
async function checkJobFile(
  context: Context,
  path: string,
  { checkUrl, jobName, allowLoopback }: LookOptions,
): Promise<Checked> {
  const { jobs, problems } = await readJobFiles([path], { cwd: context.cwd, maxJobs: DEFAULT_MAX_JOBS });
  if (jobName !== undefined) requireMatch(jobs, '--job', jobName);
  const wanted = jobName === undefined ? jobs : jobs.filter(createJobMatcher([jobName]));
  const found = [...problems];
  const sets = new Map<string, MediaSet>();
  for (const { name, value, locate, baseFolder, problems: own } of wanted) {
    const body = draftFromBody(value, { locate });
    found.push(...own, ...body.problems);
    if (body.draft === undefined) continue;
    const broken = brokenRules(body.draft, allowLoopback).map((problem) => placed(problem, { locate }));
    const unfilled = new Set(own.map(({ source }) => source));
    found.push(...broken.filter(({ source }) => !unfilled.has(source)));
    const lists = toMediaLists(body.draft, baseFolder);
    const key = JSON.stringify(lists);
    const set = sets.get(key) ?? { lists, sources: mediaSources(body.draft), jobs: [] };
    sets.set(key, { ...set, jobs: [...set.jobs, name] });
  }
  const reviews: CheckedMedia[] = [];
  for (const { lists, sources, jobs: names } of sets.values()) {
    const prepared = await prepareMedia(lists, { workingFolder: context.cwd, checkUrl });
    const users = jobs.length > 1 ? names : [];
    // Entries that are no media at all have no review, so that places can't be told from their number.
    const places = sources.length === prepared.reviews.length ? sources : [];
    for (const [index, review] of prepared.reviews.entries())
      reviews.push({ review, source: places[index], jobs: users });
  }
  return { reviews, problems: distinctProblems(found).map(formatProblem) };
}

interface MediaSet {
  readonly lists: MediaLists;
  readonly sources: readonly string[];
  readonly jobs: readonly string[];
}

/** The rules of a request about its media: how many, which together, which addresses. */
function brokenRules(draft: RequestDraft, allowLoopback: boolean): readonly Problem[] {
  const findings: Findings = { problems: [], warnings: [] };
  const model = resolveModel(draft, findings);
  resolveMedia(draft, { model, options: { allowLocalMedia: true, allowLoopback } }, findings);
  return findings.problems;
}

interface Report {
  readonly checked: readonly Checked[];
  readonly options: CheckOptions;
}

async function report(_context: Context, frame: Frame, { checked, options }: Report): Promise<number> {
  const reviews = checked.flatMap((each) => each.reviews);
  const broken = reviews.filter(({ review }) => review.problems.length > 0);
  const lines = [...checked.flatMap(({ problems }) => problems), ...broken.map(placedProblemLine)];
  const error = lines.length === 0 ? undefined : toError(lines, broken.length);
  const files = reviews.map(({ review, source, jobs }) => ({
    ...toReviewDocument(review),
    place: source ?? null,
    jobs: [...jobs],
  }));
  const hint = options.checkUrls === true ? '' : ' (--check-urls looks at it)';
  const texts = reviews.map((review) => `${toHumanPath(describeReview(review, hint))}\n`);
  await frame.reporter.print('check', { files }, texts.join(''), error);
  if (formOf(options) === 'human')
    for (const { item, remarks } of reviews.map(({ review }) => review))
      for (const text of remarks) frame.warn(`"${item.label}" ${text}`);
  return error?.exit ?? 0;
}

function toError(lines: readonly string[], brokenCount: number): EvolinkError {
  const what =
    brokenCount < lines.length
      ? `the job file has ${lines.length === 1 ? 'a problem' : `${lines.length} problems`}`
      : `${brokenCount} media file${brokenCount === 1 ? '' : 's'} can't be used`;
  return new EvolinkError('usage', `${what}; nothing was sent`, { details: lines });
}

function placedProblemLine({ review, source, jobs }: CheckedMedia): string {
  return `${source === undefined ? '' : `${source}: `}${mediaProblemLine(review)}${jobs.length > 1 ? `\n${usedIn(jobs).trim()}` : ''}`;
}

/** ` in job hero`, ` in 12 jobs: a, b, c, …`; nothing for a file on its own. */
function usedIn(jobs: readonly string[]): string {
  if (jobs.length === 0) return '';
  if (jobs.length === 1) return ` in job ${jobs[0]}`;
  const names = jobs.slice(0, MAX_NAMES).join(', ');
  return ` in ${jobs.length} jobs: ${names}${jobs.length > MAX_NAMES ? ', …' : ''}`;
}

/** `ok: style.png (png, 1600×1200, 1.2 MiB)`; of a file of several jobs with ` in job hero`. */
function describeReview({ review, jobs }: CheckedMedia, unseenHint: string): string {
  const { item, facts, problems } = review;
  const name = item.name === item.label ? item.label : `${item.name} = ${item.label}`;
  const isUnseen = facts === undefined && problems.length === 0;
  const word = isUnseen ? 'unchecked' : problems.length === 0 ? 'ok' : 'rejected';
  if (facts === undefined) return `${word}: ${name}${isUnseen ? unseenHint : ''}${usedIn(jobs)}`;
  return `${word}: ${name} (${describeFacts(facts)})${usedIn(jobs)}`;
}
