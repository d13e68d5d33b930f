import { EvolinkError } from '../errors.ts';
import type { CheckUrl } from '../media/check-url.ts';
import { describeFacts } from '../media/facts.ts';
import { type MediaReview, reviewMedia } from '../media/judge.ts';
import type { Context } from '../platform/context.ts';
import { toHumanPath } from '../platform/text.ts';
import { readDraft } from '../request/draft.ts';
import { formatProblem } from '../request/problems.ts';
import { type MediaLists, resolveMedia } from '../request/resolve.ts';
import { distinctProblems } from '../run/check-jobs.ts';
import { DEFAULT_MAX_JOBS, readJobFiles } from '../run/expand.ts';
import { createJobMatcher, requireMatch } from '../run/select.ts';
import { isLocalEntry, prepareMedia, toLoneItem } from '../task/prepare-media.ts';
import type { Invocation } from './flags.ts';
import { formOf } from './form.ts';
import { runInFrame } from './frame.ts';
import { createUrlCheck, mediaProblemLine, toReviewDocument } from './media.ts';

/** Of a medium that many jobs share, so many are named. */
const MAX_NAMES = 3;

interface Checked {
  readonly review: MediaReview;
  /** Where its first job names it; absent for a file on its own. */
  readonly source?: string | undefined;
  /** The jobs that use it, where their file has several. */
  readonly jobs: readonly string[];
}

interface Look {
  readonly context: Context;
  readonly checkUrl: CheckUrl | undefined;
  readonly allowLoopback: boolean;
  readonly jobName: string | undefined;
}

/** `evolink check`: the inspection alone. Exit 0 when everything fits, else 2; nothing is sent but URL checks. */
export function runCheck({ context, args: files, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const { session, reporter, warn } = frame;
    const checkUrl = options.checkUrls === true ? await createUrlCheck(frame) : undefined;
    const look = { context, checkUrl, allowLoopback: session.isLoopbackApi, jobName: options.job };
    const unseen = options.checkUrls === true ? '' : ' (--check-urls looks at it)';
    const all: Checked[] = [];
    const lines: string[] = [];
    const texts: string[] = [];
    for (const file of files) {
      const isJobFile = isLocalEntry(file) && /\.(?:ya?ml|json)$/i.test(file);
      const { checked, problems } = await (isJobFile ? checkJobFile(file, look) : checkMediaFile(file, look));
      all.push(...checked);
      lines.push(...distinctProblems(problems).map(formatProblem));
      texts.push(...checked.map((each) => describeReview(each, unseen)));
      if (checked.length === 0 && problems.length === 0) texts.push(`no media: ${file}`);
    }
    const broken = all.filter(({ review }) => review.problems.length > 0);
    const error = toError([...lines, ...broken.map(placedProblemLine)], broken.length);
    const documents = all.map(({ review, source = null, jobs }) => ({
      ...toReviewDocument(review),
      place: source,
      jobs: [...jobs],
    }));
    const text = texts.map((each) => `${toHumanPath(each)}\n`).join('');
    await reporter.print('check', { files: documents }, text, error);
    if (formOf(options) === 'human')
      for (const { review } of all)
        for (const remark of review.remarks) warn(`"${review.item.label}" ${remark}`);
    return error?.exit ?? 0;
  });
}

async function checkMediaFile(file: string, { context: { cwd }, checkUrl }: Look) {
  const reviews = await reviewMedia([toLoneItem(file, cwd)], { checkUrl, isOneRequest: false });
  return { checked: reviews.map((review): Checked => ({ review, jobs: [] })), problems: [] };
}

/** All jobs of a file, expanded as a run does it; media that several share are looked at and told once. */
async function checkJobFile(path: string, { context: { cwd }, checkUrl, allowLoopback, jobName }: Look) {
  const { jobs, problems: unread } = await readJobFiles([path], { cwd, maxJobs: DEFAULT_MAX_JOBS });
  if (jobName !== undefined) requireMatch(jobs, '--job', jobName);
  const problems = [...unread];
  const sets = new Map<string, { media: MediaLists; sources: readonly string[]; readonly names: string[] }>();
  for (const job of jobName === undefined ? jobs : jobs.filter(createJobMatcher([jobName]))) {
    const { draft, problems: wrong } = readDraft(job);
    problems.push(...job.problems, ...wrong);
    if (draft === undefined) continue;
    const { findings, ...found } = resolveMedia(draft, { allowLoopback, folder: job.baseFolder });
    const unfilled = new Set(job.problems.map(({ source }) => source));
    problems.push(...findings.problems.filter(({ source }) => !unfilled.has(source)));
    const key = JSON.stringify(found.media);
    const known = sets.get(key);
    if (known === undefined) sets.set(key, { ...found, names: [job.name] });
    else known.names.push(job.name);
  }
  const checked: Checked[] = [];
  for (const { media, sources, names } of sets.values()) {
    const { reviews } = await prepareMedia(media, { workingFolder: cwd, checkUrl });
    const users = jobs.length > 1 ? names : [];
    for (const [index, review] of reviews.entries())
      checked.push({ review, source: sources[index], jobs: users });
  }
  return { checked, problems };
}

function toError(lines: readonly string[], brokenCount: number): EvolinkError | undefined {
  if (lines.length === 0) return undefined;
  const what =
    brokenCount < lines.length
      ? `the job file has ${lines.length === 1 ? 'a problem' : `${lines.length} problems`}`
      : `${brokenCount} media file${brokenCount === 1 ? '' : 's'} can't be used`;
  return new EvolinkError('usage', `${what}; nothing was sent`, { details: lines });
}

function placedProblemLine({ review, source, jobs }: Checked): string {
  return `${source === undefined ? '' : `${source}: `}${mediaProblemLine(review)}${jobs.length > 1 ? `\n${usedIn(jobs).trim()}` : ''}`;
}

/** ` in job hero`, ` in 12 jobs: a, b, c, …`; nothing for a file on its own. */
function usedIn(jobs: readonly string[]): string {
  if (jobs.length < 2) return jobs.map((name) => ` in job ${name}`).join('');
  const names = jobs.slice(0, MAX_NAMES).join(', ');
  return ` in ${jobs.length} jobs: ${names}${jobs.length > MAX_NAMES ? ', …' : ''}`;
}

/** `ok: style.png (png, 1600×1200, 1.2 MiB)`; of a file of several jobs with ` in job hero`. */
function describeReview({ review, jobs }: Checked, unseen: string): string {
  const { item, facts, problems } = review;
  const name = item.name === item.label ? item.label : `${item.name} = ${item.label}`;
  const isUnseen = facts === undefined && problems.length === 0;
  const word = isUnseen ? 'unchecked' : problems.length === 0 ? 'ok' : 'rejected';
  const detail = facts === undefined ? (isUnseen ? unseen : '') : ` (${describeFacts(facts)})`;
  return `${word}: ${name}${detail}${usedIn(jobs)}`;
}
