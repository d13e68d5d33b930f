import { resolve } from 'node:path';
import { readTextFile } from '../config/read-text-file.ts';
import { MAX_YAML_BYTES } from '../config/read-yaml.ts';
import { readJobDocument } from './job-document.ts';

/**
 * The names of the jobs of a file in their order; none for a file that is one job without a name.
 * @throws EvolinkError `usage` for a file that can't be read
 */
export async function listJobNames({
  path,
  cwd,
}: {
  readonly path: string;
  readonly cwd: string;
}): Promise<readonly string[]> {
  const { text } = await readTextFile(resolve(cwd, path), { label: 'job file', maxBytes: MAX_YAML_BYTES });
  return readJobDocument(path, text).document?.jobs.flatMap(({ name }) => name ?? []) ?? [];
}
