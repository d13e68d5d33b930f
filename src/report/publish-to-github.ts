import { randomUUID } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import type { RunReport } from '../jobs/run-report.ts';
import { describeFsError } from '../platform/fs-error.ts';
import { formatAnnotations } from './github-annotations.ts';
import { formatStepOutputs } from './github-outputs.ts';
import { formatMarkdownReport } from './markdown-report.ts';

/** Runners refuse a larger summary as a whole: 1 MiB on github.com, 128 KiB on older servers. Half of it is left to other writers. */
const MAX_SUMMARY_BYTES = 64 * 1024;

export interface GithubOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute; where the names of job files and reports start. */
  readonly cwd: string;
  readonly reportFiles: readonly string[];
  /** Hides secrets, as the streams do. */
  readonly mask?: ((text: string) => string) | undefined;
}

export interface GithubWords {
  /** Workflow commands, for stderr (the runner reads both streams); empty outside of GitHub Actions. */
  readonly annotations: string;
  /** Why summary or outputs could not be written; the run goes on. */
  readonly warnings: readonly string[];
}

/** Tells GitHub Actions of a run: job summary, outputs of the step, annotations. Does nothing elsewhere. Never throws. */
export async function publishToGithub(report: RunReport, options: GithubOptions): Promise<GithubWords> {
  const { env, cwd, reportFiles, mask = (text) => text } = options;
  if (env.GITHUB_ACTIONS !== 'true') return { annotations: '', warnings: [] };
  const summary = formatMarkdownReport(report, { folder: cwd, maxBytes: MAX_SUMMARY_BYTES, hasLinks: false });
  const outputs = formatStepOutputs(report, { reportFiles, delimiter: `evolink_${randomUUID()}` });
  const warnings = [
    ...(await append(env.GITHUB_STEP_SUMMARY, mask(`${summary}\n`))),
    ...(await append(env.GITHUB_OUTPUT, mask(outputs))),
  ];
  return { annotations: formatAnnotations(report, { cwd, workspace: env.GITHUB_WORKSPACE }), warnings };
}

async function append(path: string | undefined, text: string): Promise<readonly string[]> {
  if (path === undefined || path === '') return [];
  try {
    await appendFile(path, text);
    return [];
  } catch (error) {
    return [`cannot append to "${path}": ${describeFsError(error)}`];
  }
}
