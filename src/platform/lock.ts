import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { type FileHandle, link, rename, unlink } from 'node:fs/promises';
import { EvolinkError } from '../errors.ts';
import type { Clock } from './clock.ts';
import { openNew, openTempBeside, tempPathBeside, writeFully } from './durable-file.ts';
import { fsErrorCode, localIoError } from './fs-error.ts';
import { openRegular } from './read-file.ts';

/** Tells a process from a later one that got the same number. Absent parts could not be read (no /proc). */
export interface ProcessIdentity {
  /** Boot and start time of the process. */
  readonly start?: string | undefined;
  /** The set of processes in which its number means something: boot and pid namespace (containers have their own). */
  readonly scope?: string | undefined;
}

/** What the kernel says of a living process, where /proc is readable (Linux). */
export function processIdentity(pid: number): ProcessIdentity {
  const boot = readOptional('/proc/sys/kernel/random/boot_id');
  const stat = readOptional(`/proc/${pid}/stat`);
  const ticks = stat === undefined ? undefined : parseProcessStat(stat)?.startTicks;
  const namespace = linkOptional('/proc/self/ns/pid');
  return {
    start: boot === undefined || ticks === undefined ? undefined : `${boot}:${ticks}`,
    scope: boot === undefined || namespace === undefined ? undefined : `${boot}:${namespace}`,
  };
}

/** Whether a process of this machine runs. A zombie (ended, not yet waited for, usual in containers) does not. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, under another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  const stat = readOptional(`/proc/${pid}/stat`);
  return stat === undefined || parseProcessStat(stat)?.isEnded !== true;
}

/** Reads `/proc/<pid>/stat` (proc(5)): field 3 is the state, field 22 the start in clock ticks since boot. */
export function parseProcessStat(text: string): { isEnded: boolean; startTicks: string } | undefined {
  // The command name stands in parentheses and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const startTicks = fields[19];
  if (state === undefined || startTicks === undefined) return undefined;
  return { isEnded: state === 'Z' || state === 'X', startTicks };
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function linkOptional(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Who takes a lock. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
}

/** What a lock file says. `token` is unique to one taking of the lock. */
interface LockHolder extends LockOwner, ProcessIdentity {
  readonly token: string;
  readonly sinceMs?: number | undefined;
  /** Last sign of life: the file's modification time. */
  readonly heartbeatMs: number;
  /** False for a file that is torn or not ours: only its age is known. */
  readonly isReadable: boolean;
}

/** How long after its last sign of life a lock counts as left behind, where the holder itself can't be looked at. */
const STALE_AFTER_MS = 3 * 60_000;

/** The text of a lock file. */
export function formatHolder(owner: LockOwner, token: string, sinceMs: number): string {
  return `${JSON.stringify({ token, pid: owner.pid, host: owner.host, sinceMs, ...processIdentity(owner.pid) })}\n`;
}

/** Reads a lock file; undefined when there is none. @throws the system's error */
async function readHolder(path: string): Promise<LockHolder | undefined> {
  let handle: FileHandle;
  try {
    handle = await openRegular(path);
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
function parseHolder(text: string, heartbeatMs: number, fallbackToken: string): LockHolder {
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
function isHolderGone(holder: LockHolder, self: LockOwner, nowMs: number): boolean {
  if (!isNeighbour(holder, self)) return nowMs - holder.heartbeatMs > STALE_AFTER_MS;
  if (!isProcessAlive(holder.pid)) return true;
  const { start } = processIdentity(holder.pid);
  return start !== undefined && holder.start !== undefined && start !== holder.start;
}

/** Whether our process table can say anything about the holder. */
function isNeighbour(holder: LockHolder, self: LockOwner): boolean {
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

export interface LockOptions {
  readonly owner: LockOwner;
  readonly clock: Clock;
  /** How long to wait for another holder; 0 = one try. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HeldLock {
  /** Reads the lock file again: false where another process has it, whatever has happened to ours. */
  isHeld(): Promise<boolean>;
  /** Gives the lock back. A lock that another process has taken over meanwhile is left alone. Safe to call twice. */
  release(): Promise<void>;
}

const HEARTBEAT_MS = 30_000;
const RETRY_MS = 100;
/** A live lock that was moved away by mistake is back within milliseconds. */
const PUT_BACK_TRIES = 20;
/** How long others that judged the same dead holder may still move the lock of the one that came after it. */
const SETTLE_MS = 100;

/**
 * Acquires the lock file `path` for this process, or says who holds it. The folder must exist.
 *
 * A lock file appears whole (hard link of a finished file; the link fails if the name is taken). That of a dead holder is
 * moved away by rename, which one process alone can do, and read again under its new name: if it is that of somebody
 * who has come in between, it is put back. Who has come after a dead holder looks again a moment later, as somebody else
 * may have got the name while it was moved. A living process of this machine is never taken over, however old its
 * heartbeat: laptops sleep. Whoever is about to do what can't be undone asks `isHeld` right before.
 * @throws EvolinkError `locked` when another process still holds it after `waitMs`; `local-io`; the signal's reason
 */
export async function acquireLock(path: string, options: LockOptions): Promise<HeldLock> {
  const { clock, signal, owner } = options;
  const deadlineMs = clock.monotonicMs() + options.waitMs;
  let isTakeover = false;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const token = randomBytes(8).toString('hex');
      const handle = await publish(path, formatHolder(owner, token, clock.now()));
      if (handle !== undefined) {
        const lock = hold(path, { token, handle, clock });
        if (!isTakeover || (await isSettled(lock, clock))) return lock;
        await lock.release();
        continue;
      }
      const holder = await readHolder(path);
      if (holder === undefined) continue;
      if (isHolderGone(holder, owner, clock.now())) {
        isTakeover = true;
        if (await removeIf(path, holder.token)) continue;
      }
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs <= 0) throw lockedError(path, holder, owner);
      await clock.sleep(Math.min(leftMs, RETRY_MS * (0.5 + clock.random())), signal);
    }
  } catch (error) {
    if (fsErrorCode(error) === undefined) throw error;
    throw localIoError(error, 'lock', path);
  }
}

async function isSettled(lock: HeldLock, clock: Clock): Promise<boolean> {
  await clock.sleep(SETTLE_MS);
  return await lock.isHeld();
}

/** Removes the lock file if it has this token; false where it is another one, which stays. */
async function removeIf(path: string, token: string): Promise<boolean> {
  // Somebody else may have judged the same: a second look makes it rare that a live lock is moved.
  if ((await readHolder(path))?.token !== token) return true;
  const moved = tempPathBeside(path);
  try {
    await rename(path, moved);
  } catch (error) {
    // Another process was quicker.
    if (fsErrorCode(error) === 'ENOENT') return true;
    throw error;
  }
  const holder = await readHolder(moved);
  if (holder?.token === token) {
    await unlink(moved);
    return true;
  }
  await putBack(moved, path);
  return false;
}

/** Where the name is taken again, whoever has lost it finds out by `isHeld`. */
async function putBack(moved: string, path: string): Promise<void> {
  try {
    await link(moved, path);
    await unlink(moved);
  } catch (error) {
    if (fsErrorCode(error) === 'EEXIST') await unlink(moved);
    // Without hard links; a rename keeps the file that its holder's heartbeat touches.
    else await rename(moved, path);
  }
}

/** Writes the lock file unless there is one. The handle stays open: through it the heartbeat touches no file but ours. */
async function publish(path: string, text: string): Promise<FileHandle | undefined> {
  // Not durable: after a power cut no holder lives.
  const temp = await openTempBeside(path, text, { mode: 0o600, isDurable: false });
  try {
    await link(temp.path, path);
    return temp.handle;
  } catch (error) {
    await temp.handle.close();
    if (fsErrorCode(error) === 'EEXIST') return undefined;
    if (fsErrorCode(error) === 'ENOENT') throw error;
    return await publishInPlace(path, text);
  } finally {
    await unlink(temp.path).catch(() => undefined);
  }
}

/** For file systems without hard links. A crash in between leaves an unreadable lock, which grows stale by age only. */
async function publishInPlace(path: string, text: string): Promise<FileHandle | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await openNew(path, 0o600);
    await writeFully(handle, Buffer.from(text, 'utf8'));
    return handle;
  } catch (error) {
    if (handle === undefined && fsErrorCode(error) === 'EEXIST') return undefined;
    await handle?.close();
    if (handle !== undefined) await unlink(path);
    throw error;
  }
}

function hold(
  path: string,
  { token, handle, clock }: { readonly token: string; readonly handle: FileHandle; readonly clock: Clock },
): HeldLock {
  let cancel = () => {};
  // Shows other machines that the holder lives, by the file's time; through the handle it touches no file but ours.
  const beat = () => {
    const now = new Date(clock.now());
    handle.utimes(now, now).catch(() => undefined);
    cancel = clock.after(HEARTBEAT_MS, beat, { isBackground: true });
  };
  beat();
  let released: Promise<void> | undefined;
  const release = async () => {
    cancel();
    try {
      await handle.close();
      await removeIf(path, token);
    } catch (error) {
      throw localIoError(error, 'remove the lock', path);
    }
  };
  return {
    async isHeld() {
      for (let tries = 0; tries < PUT_BACK_TRIES; tries += 1) {
        const holder = await readHolder(path);
        if (holder !== undefined) return holder.token === token;
        await clock.sleep(RETRY_MS / 10);
      }
      return false;
    },
    release() {
      released ??= release();
      return released;
    },
  };
}

function lockedError(path: string, holder: LockHolder, self: LockOwner): EvolinkError {
  const age = `${STALE_AFTER_MS / 60_000} minutes after its last sign of life the lock no longer counts`;
  const hint = 'wait until it ends, then run the command again';
  if (!holder.isReadable) {
    return new EvolinkError('locked', `an unknown process holds the lock file "${path}"`, {
      hint: `${hint}; ${age}`,
    });
  }
  const since = holder.sinceMs === undefined ? '' : `, since ${new Date(holder.sinceMs).toISOString()}`;
  const message = `another evolink works on this task: process ${holder.pid} on host "${holder.host}"${since}`;
  return new EvolinkError('locked', message, { hint: isNeighbour(holder, self) ? hint : `${hint}; ${age}` });
}
