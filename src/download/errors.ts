import { EvolinkError } from '../errors.ts';
import { formatBytes, toIsoTime } from '../platform/text.ts';

interface InterruptionFacts {
  /** What the host asks to wait for. */
  readonly retryAfterMs?: number | undefined;
  /** Only a fresh link may lead to the clip. */
  readonly isLinkDead?: boolean;
  /** None of the bytes that are here can be believed. */
  readonly isDistrusted?: boolean;
  /** What came does not count as progress. */
  readonly isSlow?: boolean;
  /** Another attempt would meet it again. */
  readonly obstacle?: Obstacle;
}

/** An attempt that came to nothing. The message is free of control characters. */
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
  return { charged: 'yes', taskId, resume, ...(part && { details: [keptText(part)] }) } as const;
}

function keptText({ path, sizeBytes, totalBytes }: KeptPart): string {
  const total = totalBytes === undefined ? '' : ` of ${formatBytes(totalBytes)}`;
  return `${formatBytes(sizeBytes)}${total} kept in ${path}`;
}

/** A VPN, a filter or a sign-in page may answer for the host of a link. */
const ELSEWHERE =
  'what answers here may be a VPN, a filter or a sign-in page: within 24 hours, from another network or through HTTPS_PROXY, ';

/** What has to change before another attempt can help. */
const ADVICE = {
  address: ELSEWHERE,
  redirect: ELSEWHERE,
  certificate:
    'check the clock, and any proxy that reads TLS (its certificate goes into NODE_EXTRA_CA_CERTS), then ',
  'too-large': 'raise max_size in the config, then ',
  protocol: '',
};
export type Obstacle = keyof typeof ADVICE;

/** Exit 9: the task is fine, the file is not whole. */
export function downloadFailed(taskId: string, reason: string, obstacle?: Obstacle): EvolinkError {
  const facts = paidFacts(taskId);
  const how = obstacle === undefined ? '' : ADVICE[obstacle];
  return new EvolinkError('download', `the video of task ${taskId} could not be fetched: ${reason}`, {
    ...facts,
    hint: `the task is done and paid for; ${how}fetch the video again with: ${facts.resume.join(' ')}`,
    retryable: obstacle === undefined,
  });
}

/** Exit 9: the clip is here and paid for, but it could not be read as a video. It stays, and a person can accept it. */
export function notVerified(taskId: string, reason: string, part: KeptPart): EvolinkError {
  const facts = paidFacts(taskId);
  const resume = [...facts.resume, '--unverified'];
  const text = `the video of task ${taskId} is downloaded, but not verified: ${reason}`;
  return new EvolinkError('download', text, {
    ...facts,
    details: [keptText(part), 'to download it again, remove that file first'],
    hint: `to accept it as it is: ${resume.join(' ')}`,
    retryable: false,
    resume,
  });
}

/** Exit 10: link and result are gone for good. */
export function resultGone(
  taskId: string,
  reason: string,
  expiredAtMs: number | undefined,
  nowMs: number,
): EvolinkError {
  const until = toIsoTime(expiredAtMs);
  return new EvolinkError('expired', `the video of task ${taskId} is gone: ${reason}`, {
    details: [
      ...(until === null ? [] : [`its link was valid until ${until}`]),
      `it is ${toIsoTime(nowMs)} now; results are kept for 24 hours`,
    ],
    hint: 'the same request again would be a new, paid task',
    charged: 'yes',
    retryable: false,
    taskId,
  });
}
