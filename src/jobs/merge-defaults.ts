import type { JobObject, RawJob } from './job-document.ts';

/** Keys that say the same: one of a job's own takes the place of any of its row in `defaults`. */
const ONE_CHOICE: readonly (readonly string[])[] = [
  ['images', 'image_urls', 'first', 'last'],
  ['videos', 'video_urls'],
  ['audios', 'audio_urls'],
  ['tier', 'model'],
  ['web_search', 'model_params'],
];

export interface MergedJob extends RawJob {
  /** The keys of `value` that come from `defaults`. */
  readonly inherited: ReadonlySet<string>;
}

/** A job with the file's `defaults` under it, key by key; lists and objects are replaced as a whole. Pure. */
export function mergeDefaults(job: RawJob, defaults: JobObject): MergedJob {
  const own = Object.keys(job.value);
  const isTaken = (key: string) =>
    own.includes(key) ||
    ONE_CHOICE.some((row) => row.includes(key) && row.some((other) => own.includes(other)));
  const under = Object.entries(defaults).filter(([key]) => !isTaken(key));
  return {
    ...job,
    value: { ...Object.fromEntries(under), ...job.value },
    inherited: new Set(under.map(([key]) => key)),
  };
}
