import { nearest } from '../request/nearest.ts';
import type { Problem } from '../request/types.ts';
import type { JobDocument, RawJob } from './job-document.ts';

const MAX_NAMES = 20;

/** The job that a name asks for; without a name the only one there is. Else a problem that lists the names. */
export function pickJob({ kind, jobs, places }: JobDocument, jobName: string | undefined): RawJob | Problem {
  const names = jobs.flatMap(({ name }) => name ?? []);
  const [first] = jobs;
  if (jobName === undefined) {
    if (first !== undefined && jobs.length === 1) return first;
    return {
      source: places.describe(['jobs']),
      message: `holds ${jobs.length} jobs: choose one with --job (${listNames(names)}), or take all with \`evolink run\``,
    };
  }
  const job = jobs.find(({ name, value }) => (name ?? value.name) === jobName);
  if (job !== undefined) return job;
  if (kind !== 'jobs') {
    return {
      source: '--job',
      value: jobName,
      message: 'names a job, but the file holds one request without a name; leave --job out',
    };
  }
  const suggestion = nearest(jobName, names);
  const message = `is not a job of the file; its jobs are ${listNames(names)}`;
  return { source: '--job', value: jobName, message, ...(suggestion === undefined ? {} : { suggestion }) };
}

function listNames(names: readonly string[]): string {
  const more = names.length - MAX_NAMES;
  return `${names.slice(0, MAX_NAMES).join(', ')}${more > 0 ? `, and ${more} more` : ''}`;
}
