import { open } from 'node:fs/promises';
import { fsErrorCode } from './fs-error.ts';
import { isProcessAlive, type ProcessIdentity, processIdentity } from './process-identity.ts';

/** Who takes a lock. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
}

/** What a lock file says. `token` is unique to one taking of the lock. */
export interface LockHolder extends LockOwner, ProcessIdentity {
  readonly token: string;
  readonly sinceMs?: number | undefined;
  /** Last sign of life: the file's modification time. */
  readonly heartbeatMs: number;
  /** False for a file that is torn or not ours: only its age is known. */
  readonly isReadable: boolean;
}

/** How long after its last sign of life a lock counts as left behind, where the holder itself can't be looked at. */
export const STALE_AFTER_MS = 3 * 60_000;

/** The text of a lock file. */
export function formatHolder(owner: LockOwner, token: string, sinceMs: number): string {
  return `${JSON.stringify({ token, pid: owner.pid, host: owner.host, sinceMs, ...processIdentity(owner.pid) })}\n`;
}

/** Reads a lock file; undefined when there is none. @throws the system's error */
export async function readHolder(path: string): Promise<LockHolder | undefined> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (fsErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { mtimeMs, ino } = await handle.stat();
    return parseHolder(await handle.readFile('utf8'), mtimeMs, `unreadable${ino}`);
  } finally {
    await handle.close();
  }
}

/** Pure: the text of a lock file with the file's time. `fallbackToken` names a file that can't be understood. */
export function parseHolder(text: string, heartbeatMs: number, fallbackToken: string): LockHolder {
  const data = parseObject(text);
  const { token, pid, host, sinceMs, start, scope } = data;
  if (typeof token !== 'string' || !/^[0-9a-f]{16}$/.test(token) || !isPid(pid) || typeof host !== 'string') {
    return { token: fallbackToken, pid: 0, host: '', heartbeatMs, isReadable: false };
  }
  return {
    token,
    pid,
    host,
    heartbeatMs,
    isReadable: true,
    sinceMs: typeof sinceMs === 'number' ? sinceMs : undefined,
    start: typeof start === 'string' ? start : undefined,
    scope: typeof scope === 'string' ? scope : undefined,
  };
}

/**
 * Whether the holder of a lock is gone. On this machine the process table tells, at once: no such process, or one
 * that started at another time (the number was given out again). For another machine, another container, a boot
 * before this one or a file that can't be read, only the heartbeat tells.
 */
export function isHolderGone(holder: LockHolder, self: LockOwner, nowMs: number): boolean {
  if (!isNeighbour(holder, self)) return nowMs - holder.heartbeatMs > STALE_AFTER_MS;
  if (!isProcessAlive(holder.pid)) return true;
  const { start } = processIdentity(holder.pid);
  return start !== undefined && holder.start !== undefined && start !== holder.start;
}

/** Whether our process table can say anything about the holder. */
export function isNeighbour(holder: LockHolder, self: LockOwner): boolean {
  if (!holder.isReadable || holder.host !== self.host) return false;
  const { scope } = processIdentity(self.pid);
  return scope === undefined || holder.scope === undefined || scope === holder.scope;
}

function isPid(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
