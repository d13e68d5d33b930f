import { EvolinkError } from '../errors.ts';
import type { CheckUrl } from '../media/check-url.ts';
import { describeFacts } from '../media/facts.ts';
import { type MediaReview, reviewMedia } from '../media/judge.ts';
import { toHumanPath } from '../platform/text.ts';
import type { Problem } from '../request/models.ts';
import { formatProblem } from '../request/problems.ts';
import { distinctProblems } from '../run/check-jobs.ts';
import { readJobFiles } from '../run/expand.ts';
import { createMediaReader, priceJob } from '../run/job.ts';
import { createJobMatcher, requireMatch } from '../run/select.ts';
import { isLocalEntry, toLoneItem } from '../task/prepare-media.ts';
import { formatCount } from '../ui/format.ts';
import type { Invocation } from './flags.ts';
import { formOf } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { createUrlCheck, mediaProblemLine, toReviewDocument, urlProblem } from './media.ts';

interface Checked {
  readonly review: MediaReview;
  /** Where its first job names it; absent for a file on its own. */
  readonly place?: string | undefined;
  /** The jobs that use it, where their file has several. */
  readonly jobs: string[];
}

/** `evolink check`: the inspection alone. Exit 0 when everything fits, else 2; nothing is sent but URL checks. */
export function runCheck({ context, args: files, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const { reporter, warn } = frame;
    const checkUrl = options.checkUrls === true ? await createUrlCheck(frame) : undefined;
    const all: Checked[] = [];
    const lines: string[] = [];
    const texts: string[] = [];
    for (const file of files) {
      const isJobFile = isLocalEntry(file) && /\.(?:ya?ml|json)$/i.test(file);
      const { checked, problems } = isJobFile
        ? await checkJobFile(frame, file, checkUrl)
        : await checkMediaFile(frame, file, checkUrl);
      all.push(...checked);
      lines.push(...distinctProblems(problems).map(formatProblem));
      texts.push(...checked.map((each) => describeReview(each, checkUrl !== undefined)));
      if (checked.length === 0 && problems.length === 0) texts.push(`no media: ${file}`);
    }
    const broken = all.filter(({ review }) => review.problems.length > 0);
    const details = broken.map(
      ({ review, place }) => `${place === undefined ? '' : `${place}: `}${mediaProblemLine(review)}`,
    );
    const what =
      lines.length === 0
        ? `${formatCount(details.length, 'media file')} can't be used`
        : `the job file has ${formatCount(lines.length + details.length, 'problem')}`;
    const error =
      lines.length + details.length === 0
        ? undefined
        : new EvolinkError('usage', `${what}; nothing was sent`, { details: [...lines, ...details] });
    const documents = all.map(({ review, place = null, jobs }) => ({
      ...toReviewDocument(review),
      place,
      jobs,
    }));
    const text = texts.map((each) => `${toHumanPath(each)}\n`).join('');
    await reporter.print('check', { files: documents }, text, error);
    if (formOf(options) === 'human')
      for (const { review } of all)
        for (const remark of review.remarks) warn(`"${review.item.label}" ${remark}`);
    return error?.exit ?? 0;
  });
}

async function checkMediaFile(frame: Frame, file: string, checkUrl: CheckUrl | undefined) {
  const item = toLoneItem(file, frame.context.cwd);
  const allowed = item.isLocal ? undefined : urlProblem(frame, file);
  const refuse: CheckUrl = async () => ({
    problems: [{ rule: 'address', is: "can't be sent", allowed: allowed ?? '' }],
    remarks: [],
  });
  const reviews =
    allowed === undefined
      ? await reviewMedia([item], { checkUrl, isOneRequest: false })
      : await reviewMedia([{ ...item, location: item.label }], { checkUrl: refuse, isOneRequest: false });
  return { checked: reviews.map((review): Checked => ({ review, jobs: [] })), problems: [] };
}

/** All jobs of a file, expanded and refused as a run does it; media that several share are looked at and told once. */
async function checkJobFile(
  { context: { cwd }, session, options: { job: jobName } }: Frame,
  path: string,
  checkUrl: CheckUrl | undefined,
) {
  const { jobs, problems: unread } = await readJobFiles([path], { cwd });
  if (jobName !== undefined) requireMatch(jobs, '--job', jobName);
  const readMedia = createMediaReader({ workingFolder: cwd, checkUrl });
  const problems: Problem[] = [...unread];
  const checked = new Map<string, Checked[]>();
  for (const job of jobName === undefined ? jobs : jobs.filter(createJobMatcher([jobName]))) {
    const { reviews, mediaSources, ...priced } = await priceJob(job, { ...session.pricing, readMedia });
    problems.push(...priced.problems);
    const key = JSON.stringify(reviews.map(({ item }) => [item.name, item.location]));
    const users = checked.get(key)?.[0]?.jobs ?? [];
    if (jobs.length > 1) users.push(job.name);
    if (!checked.has(key))
      checked.set(
        key,
        reviews.map((review, index) => ({ review, place: mediaSources[index], jobs: users })),
      );
  }
  return { checked: [...checked.values()].flat(), problems };
}

/** ` in job hero`, ` in 12 jobs`; nothing for a file on its own. */
function usedIn(jobs: readonly string[]): string {
  return jobs.length > 1 ? ` in ${jobs.length} jobs` : jobs.map((name) => ` in job ${name}`).join('');
}

/** `ok: style.png (png, 1600×1200, 1.2 MiB)`; of a file of several jobs with ` in job hero`. */
function describeReview({ review: { item, facts, problems }, jobs }: Checked, looksAtUrls: boolean): string {
  const name = item.name === item.label ? item.label : `${item.name} = ${item.label}`;
  const about = facts === undefined ? '' : ` (${describeFacts(facts)})`;
  if (problems.length > 0) return `rejected: ${name}${about}${usedIn(jobs)}`;
  if (facts !== undefined) return `ok: ${name}${about}${usedIn(jobs)}`;
  return `unchecked: ${name}${looksAtUrls ? '' : ' (--check-urls looks at it)'}${usedIn(jobs)}`;
}
