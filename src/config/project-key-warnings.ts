import { basename, dirname } from 'node:path';
import type { RunCommand } from '../platform/run-command.ts';
import type { LoadedConfigFile } from './load-config-file.ts';

const GIT_TIMEOUT_MS = 3000;

/** What is risky about an `api_key` in a project file: other users can read the file, or git tracks it. */
export async function projectKeyWarnings(
  { file, owner }: LoadedConfigFile,
  run: RunCommand,
): Promise<readonly string[]> {
  const warnings: string[] = [];
  if (owner !== undefined && (owner.mode & 0o044) !== 0) {
    warnings.push(`other users can read the API key in ${file.path}; run: chmod 600 "${file.path}"`);
  }
  if (await isTrackedByGit(file.path, run)) {
    warnings.push(
      `git tracks ${file.path}, which holds an API key: everybody with the repository has it; revoke the key, move it to EVOLINK_API_KEY, and run: git rm --cached "${file.path}"`,
    );
  }
  return warnings;
}

/** False where there is no git or no repository. A monitor that the repository's own configuration names is not started. */
async function isTrackedByGit(path: string, run: RunCommand): Promise<boolean> {
  const argv = ['git', '-c', 'core.fsmonitor=false', 'ls-files', '--error-unmatch', '--', basename(path)];
  const { exitCode } = await run(argv, { timeoutMs: GIT_TIMEOUT_MS, cwd: dirname(path) });
  return exitCode === 0;
}
