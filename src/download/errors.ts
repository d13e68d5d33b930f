import type { HttpFailure } from '../api/http.ts';
import { EvolinkError } from '../errors.ts';
import { formatBytes } from '../platform/text.ts';

interface InterruptionFacts {
  /** What the host asks to wait for. */
  readonly retryAfterMs?: number | undefined;
  /** Only a fresh link may lead to the clip. */
  readonly isLinkDead?: boolean;
  /** None of the bytes that are here can be believed. */
  readonly isDistrusted?: boolean;
  /** Begun anew at once, the first time. */
  readonly isRestart?: boolean;
  /** What came does not count as progress. */
  readonly isSlow?: boolean;
}

/** An attempt that came to nothing, while another one may not. The message is free of control characters. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
  readonly facts: InterruptionFacts;

  constructor(reason: string, facts: InterruptionFacts = {}) {
    super(reason);
    this.facts = facts;
  }
}

export interface KeptPart {
  readonly path: string;
  readonly sizeBytes: number;
  readonly totalBytes?: number | undefined;
}

/** What every error of a finished task says: it is paid for, and one command fetches it again without generating anything. */
export function paidFacts(taskId: string, part?: KeptPart) {
  const resume: readonly string[] = ['evolink', 'download', taskId];
  return { charged: 'yes', taskId, resume, details: part === undefined ? [] : [keptText(part)] } as const;
}

function keptText({ path, sizeBytes, totalBytes }: KeptPart): string {
  const total = totalBytes === undefined ? '' : ` of ${formatBytes(totalBytes)}`;
  return `${formatBytes(sizeBytes)}${total} kept in ${path}`;
}

/** A VPN, a filter or a sign-in page may answer for the host of a link. */
const ELSEWHERE =
  'what answers here may be a VPN, a filter or a sign-in page: within 24 hours, from another network or through HTTPS_PROXY,';

/** What another attempt would meet again. */
export type Obstacle = NonNullable<HttpFailure['facts']['reason']> | 'protocol' | 'too-large';

/** What has to change before another attempt can help. */
const ADVICE: Partial<Record<Obstacle, string>> = {
  address: ELSEWHERE,
  redirect: ELSEWHERE,
  certificate:
    'check the clock, and any proxy that reads TLS (its certificate goes into NODE_EXTRA_CA_CERTS), then',
  'too-large': 'raise max_size in the config, then',
};

/** Exit 9: the task is fine, the file is not whole. */
export function downloadFailed(
  taskId: string,
  reason: string,
  part?: KeptPart,
  obstacle?: Obstacle,
): EvolinkError {
  const facts = paidFacts(taskId, part);
  const advice = obstacle && ADVICE[obstacle];
  const how = advice === undefined ? '' : `${advice} `;
  return new EvolinkError('download', `the video of task ${taskId} could not be fetched: ${reason}`, {
    ...facts,
    hint: `the task is done and paid for; ${how}fetch the video again with: ${facts.resume.join(' ')}`,
    retryable: obstacle === undefined,
  });
}

/** Exit 9: the clip is here and paid for, but it could not be read as a video. It stays, and a person can accept it. */
export function notVerified(taskId: string, reason: string, part: KeptPart): EvolinkError {
  const { details, ...facts } = paidFacts(taskId, part);
  const accept = [...facts.resume, '--unverified'];
  return new EvolinkError(
    'download',
    `the video of task ${taskId} is downloaded, but not verified: ${reason}`,
    {
      ...facts,
      details: [...details, 'to download it again, remove that file first'],
      hint: `to accept it as it is: ${accept.join(' ')}`,
      retryable: false,
      resume: accept,
    },
  );
}

/** Exit 10: link and result are gone for good. */
export function resultGone(
  taskId: string,
  { reason, expiredAtMs, nowMs }: { reason: string; expiredAtMs?: number | undefined; nowMs: number },
): EvolinkError {
  const toIso = (atMs: number) => new Date(atMs).toISOString();
  return new EvolinkError('expired', `the video of task ${taskId} is gone: ${reason}`, {
    details: [
      ...(expiredAtMs === undefined ? [] : [`its link was valid until ${toIso(expiredAtMs)}`]),
      `it is ${toIso(nowMs)} now; results are kept for 24 hours`,
    ],
    hint: 'the same request again would be a new, paid task',
    charged: 'yes',
    retryable: false,
    taskId,
  });
}
