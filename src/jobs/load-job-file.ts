import { resolve } from 'node:path';
import { readTextFile } from '../config/read-text-file.ts';
import { MAX_YAML_BYTES } from '../config/read-yaml.ts';
import { type JobFileReading, readJobFile } from './read-job-file.ts';

export interface JobFileOptions {
  /** As the person wrote it; messages repeat it. */
  readonly path: string;
  readonly cwd: string;
  /** `--job NAME`. */
  readonly jobName?: string | undefined;
}

/**
 * Reads one job from a file: a job file, a single job, an API body or a sidecar; YAML or JSON.
 * @throws EvolinkError `usage`: missing, unreadable, larger than 5 MB, not UTF-8. What is wrong inside is in `problems`.
 */
export async function loadJobFile({ path, cwd, jobName }: JobFileOptions): Promise<JobFileReading> {
  const absolutePath = resolve(cwd, path);
  const { text } = await readTextFile(absolutePath, { label: 'job file', maxBytes: MAX_YAML_BYTES });
  return readJobFile({ path: absolutePath, label: path, text, jobName });
}
