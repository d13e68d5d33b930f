import type { PriceOverride } from '../config/settings.ts';
import { isLocalEntry, type PreparedMedia, withUrlFacts } from '../generate/prepare-media.ts';
import type { Inspection } from '../media/media-facts.ts';
import { estimateCredits } from '../request/estimate.ts';
import type { InvalidJob } from './check-jobs.ts';
import { mediaProblems } from './job-media.ts';
import { needsSubmit, type PlannedJob } from './plan-jobs.ts';
import type { ResolvedJob } from './resolve-job.ts';

export interface PlanUrlsOptions {
  /** The same jobs before they were planned: they still know where in the files things stand. */
  readonly resolved: readonly ResolvedJob[];
  readonly prices: readonly PriceOverride[];
}

/** The different media URLs of the jobs that have to be sent: those of finished clips are of no interest any more. */
export function planUrls(jobs: readonly PlannedJob[]): ReadonlySet<string> {
  const urls = jobs.filter(needsSubmit).flatMap(({ request: { images, videos, audios } }) => {
    return [...images, ...videos, ...audios].filter((entry) => !isLocalEntry(entry));
  });
  return new Set(urls);
}

/**
 * The plan with what was found out of its URLs: facts and doubts at the media, lengths of reference videos in the
 * estimates, and jobs whose media certainly break a rule. Pure.
 */
export function withPlanUrls(
  jobs: readonly PlannedJob[],
  inspections: ReadonlyMap<string, Inspection>,
  { resolved, prices }: PlanUrlsOptions,
): { readonly jobs: readonly PlannedJob[]; readonly invalid: readonly InvalidJob[] } {
  if (inspections.size === 0) return { jobs, invalid: [] };
  const knownJobs = new Map(resolved.map((job) => [job.entry.name, job]));
  const invalid: InvalidJob[] = [];
  // Jobs of a matrix share their media.
  const known = new Map<PreparedMedia, PreparedMedia>();
  const checked = jobs.map((job): PlannedJob => {
    if (!needsSubmit(job) || !job.media.reviews.some(({ item }) => inspections.has(item.location)))
      return job;
    const media = known.get(job.media) ?? withUrlFacts(job.media, job.request.operation, inspections);
    known.set(job.media, media);
    const before = knownJobs.get(job.entry.name);
    const problems = before === undefined ? [] : mediaProblems(media.reviews, before.mediaSources ?? []);
    if (before !== undefined && problems.length > 0) invalid.push({ entry: before.entry, problems });
    const { inputVideoSeconds } = media;
    return {
      ...job,
      media,
      estimate: estimateCredits(job.request, { overrides: prices, inputVideoSeconds }),
    };
  });
  return { jobs: checked, invalid };
}
