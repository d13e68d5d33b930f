import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SandboxTask } from './sandbox-task.ts';

/** Signs links across restarts; it guards nothing but this toy's own clips. */
const SIGNING_TEXT = 'evolink sandbox result links';

export interface ResultLinkOptions {
  /** Base URL of the link server, without a slash at the end. */
  readonly linkUrl: () => string;
  readonly linkLifeMs: number;
}

/** The links of a completed task, in order. Their life counts from the end of the task. */
export function resultLinks(task: SandboxTask, options: ResultLinkOptions): readonly string[] {
  if (task.end?.status !== 'completed') return [];
  const expires = String(Math.floor((task.end.atMs + options.linkLifeMs) / 1000));
  return Array.from({ length: task.linkCount }, (_, index) => {
    const name = index === 0 ? task.id : `${task.id}-part${index + 1}`;
    const signature = sign([name, expires, String(task.linkRevision)]);
    return `${options.linkUrl()}/v/${name}.mp4?sig=${signature}&expires=${expires}`;
  });
}

export interface LinkName {
  readonly taskId: string;
  /** From 1. */
  readonly index: number;
}

/** Reads `/v/<task id>[-partN].mp4`. */
export function parseLinkPath(path: string): LinkName | undefined {
  const match = /^\/v\/(task-unified-\d+-[0-9a-z]+)(?:-part(\d+))?\.mp4$/.exec(path);
  if (match?.[1] === undefined) return undefined;
  return { taskId: match[1], index: Number(match[2] ?? 1) };
}

/** Why a link is refused; `undefined` when it is good. */
export function linkProblem(
  url: URL,
  task: SandboxTask,
  nowMs: number,
): 'SignatureDoesNotMatch' | 'AccessDenied' | undefined {
  const name = url.pathname.slice('/v/'.length, -'.mp4'.length);
  const expires = url.searchParams.get('expires') ?? '';
  const expected = Buffer.from(sign([name, expires, String(task.linkRevision)]));
  const given = Buffer.from(url.searchParams.get('sig') ?? '');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'SignatureDoesNotMatch';
  return nowMs >= Number(expires) * 1000 ? 'AccessDenied' : undefined;
}

function sign(parts: readonly string[]): string {
  return createHmac('sha256', SIGNING_TEXT).update(parts.join('\n')).digest('hex').slice(0, 32);
}
