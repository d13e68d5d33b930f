import type { LinkFailure, LinkJob, SavedFile } from '../config/output-pattern.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { describeFsError, fsErrorCode, hintForFsError } from '../platform/fs-error.ts';
import { formatBytes } from '../platform/text.ts';

/** All bytes are here, and they are no video that can be read. A new download would bring the same. */
export class UnverifiedError extends Error {
  override readonly name = 'UnverifiedError';
}

/** The bytes are not a whole MP4. The message names the flaw, free of control characters; a new download may be sound. */
export class InvalidVideoError extends Error {
  override readonly name = 'InvalidVideoError';
  /** The host sent a page or another text: the link may be dead. */
  readonly isPage: boolean;

  constructor(message: string, { isPage = false }: { readonly isPage?: boolean } = {}) {
    super(message);
    this.isPage = isPage;
  }
}

/**
 * The video is whole and on the disk, but under another name than asked for, since that was taken in the meantime. Exit 11,
 * so that no script goes on with someone else's file; `saved` is what to record: the task is done.
 */
export class SavedElsewhereError extends EvolinkError {
  readonly saved: SavedFile & { readonly path: string };

  constructor(
    saved: SavedFile & { readonly path: string },
    options: { readonly target: string; readonly taskId: string },
  ) {
    super('local-io', `"${options.target}" exists already, so the video was saved as "${saved.path}"`, {
      details: [`saved: ${saved.path}`],
      hint: `keep it there, or move it: mv -- '${saved.path.replaceAll("'", "'\\''")}' NEW-NAME.mp4`,
      charged: 'yes',
      retryable: false,
      taskId: options.taskId,
    });
    this.saved = saved;
  }
}

/** What the disk was asked for. */
type SaveTarget = Pick<LinkJob, 'taskId'> & { readonly target: string };

export interface KeptPart {
  readonly path: string;
  readonly sizeBytes: number;
  readonly totalBytes?: number | undefined;
}

/** The command that fetches a finished task again, without generating anything. */
export function downloadCommand(taskId: string): readonly string[] {
  return ['evolink', 'download', taskId];
}

/** Why trying again as before can't help. */
type Obstacle = LinkFailure['reason'] | 'too-large';

/** A VPN, a filter or a sign-in page may answer for the host of a link. */
const ELSEWHERE =
  'what answers here may be a VPN, a filter or a sign-in page: within 24 hours, from another network or through HTTPS_PROXY,';

/** What has to change first. */
const ADVICE: Partial<Record<Obstacle, string>> = {
  address: ELSEWHERE,
  redirect: ELSEWHERE,
  certificate:
    'check the clock, and any proxy that reads TLS (its certificate goes into NODE_EXTRA_CA_CERTS), then',
  'too-large': 'raise max_size in the config, then',
};

export interface DownloadFailure {
  readonly part?: KeptPart | undefined;
  readonly isRetryable?: boolean;
  readonly obstacle?: Obstacle | undefined;
}

/** Exit 9: the task is fine, the file is not whole. */
export function downloadFailed(
  job: LinkJob,
  reason: string,
  { part, isRetryable = true, obstacle }: DownloadFailure = {},
): EvolinkError {
  const command = downloadCommand(job.taskId);
  const advice = obstacle === undefined ? undefined : ADVICE[obstacle];
  const how = advice === undefined ? '' : `${advice} `;
  return new EvolinkError('download', `the video of task ${job.taskId} could not be fetched: ${reason}`, {
    details: part === undefined ? [] : [keptText(part)],
    hint: `the task is done and paid for; ${how}fetch the video again with: ${command.join(' ')}`,
    charged: 'yes',
    retryable: isRetryable,
    taskId: job.taskId,
    resume: command,
  });
}

/** Exit 9: the clip is here and paid for, but it could not be read as a video. It stays, and a person can accept it. */
export function notVerified(job: Pick<LinkJob, 'taskId'>, reason: string, part: KeptPart): EvolinkError {
  const accept = [...downloadCommand(job.taskId), '--unverified'];
  return new EvolinkError(
    'download',
    `the video of task ${job.taskId} is downloaded, but not verified: ${reason}`,
    {
      details: [keptText(part), 'to download it again, remove that file first'],
      hint: `to accept it as it is: ${accept.join(' ')}`,
      charged: 'yes',
      retryable: false,
      taskId: job.taskId,
      resume: accept,
    },
  );
}

/** Exit 10: link and result are gone for good. */
export function resultGone(
  job: LinkJob,
  { reason, expiredAtMs, nowMs }: { reason: string; expiredAtMs?: number | undefined; nowMs: number },
): EvolinkError {
  return new EvolinkError('expired', `the video of task ${job.taskId} is gone: ${reason}`, {
    details: [
      ...(expiredAtMs === undefined ? [] : [`its link was valid until ${toIso(expiredAtMs)}`]),
      `it is ${toIso(nowMs)} now; results are kept for 24 hours`,
    ],
    hint: 'the same request again would be a new, paid task',
    charged: 'yes',
    retryable: false,
    taskId: job.taskId,
  });
}

/** Exit 11 for what the disk does in the middle of a download: what came so far is kept. Other errors pass unchanged. */
export function diskFailed(error: unknown, job: SaveTarget, part?: KeptPart): unknown {
  if (error instanceof SavedElsewhereError) return error;
  const facts = { charged: 'yes', taskId: job.taskId, resume: downloadCommand(job.taskId) } as const;
  const kept = part === undefined ? [] : [keptText(part)];
  if (isEvolinkError(error))
    return error.kind === 'local-io' ? error.with({ ...facts, details: kept }) : error;
  if (fsErrorCode(error) === undefined) return error;
  const missingBytes = (part?.totalBytes ?? 0) - (part?.sizeBytes ?? 0);
  const needed = missingBytes > 0 ? [`the rest of the video needs ${formatBytes(missingBytes)}`] : [];
  return new EvolinkError(
    'local-io',
    `cannot write "${part?.path ?? job.target}": ${describeFsError(error)}`,
    {
      details: [...needed, ...kept],
      hint: hintForFsError(error) ?? `then continue with: ${facts.resume.join(' ')}`,
      ...facts,
    },
  );
}

function keptText({ path, sizeBytes, totalBytes }: KeptPart): string {
  const total = totalBytes === undefined ? '' : ` of ${formatBytes(totalBytes)}`;
  return `${formatBytes(sizeBytes)}${total} kept in ${path}`;
}

function toIso(atMs: number): string {
  return new Date(atMs).toISOString();
}
