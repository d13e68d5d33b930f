import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { type FileHandle, link, unlink } from 'node:fs/promises';
import { EvolinkError } from '../errors.ts';
import type { Clock } from './clock.ts';
import { openNew, openTempBeside, writeFully } from './durable-file.ts';
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
  /** Gives the lock back. A lock that another process has taken over meanwhile is left alone. Safe to call twice. */
  release(): Promise<void>;
}

interface Claim extends HeldLock {
  readonly handle: FileHandle;
}

const HEARTBEAT_MS = 30_000;
const RETRY_MS = 100;
/** A removal is itself guarded by a lock, whose holder may die too, and so on; each level is some milliseconds long. */
const MAX_DEPTH = 5;

/**
 * Takes the lock file `path` for this process, or says who holds it. The folder must exist.
 *
 * A lock file appears whole (hard link of a finished file; the link fails if the name is taken). It is removed
 * only under a second lock whose name holds the token of what is to be removed (`<path>.<token>`), and only if the
 * file, read again under that second lock, still has that token. So of two waiters that judge the same holder dead, one
 * removes its file and the other finds a new token there, or nothing; neither can remove the lock that
 * somebody has taken in between. Giving back goes the same way.
 * @throws EvolinkError `locked` when another process still holds it after `waitMs`; `local-io`; the signal's reason
 */
export async function acquireLock(path: string, options: LockOptions): Promise<HeldLock> {
  const { clock, signal } = options;
  const deadlineMs = clock.monotonicMs() + options.waitMs;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const claim = await tryClaim(path, options, 0);
      if ('handle' in claim) return keepAlive(path, claim, clock);
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs <= 0) throw lockedError(path, claim, options.owner);
      await clock.sleep(Math.min(leftMs, RETRY_MS * (0.5 + clock.random())), signal);
    }
  } catch (error) {
    if (fsErrorCode(error) === undefined) throw error;
    throw localIoError(error, 'lock', path);
  }
}

/** One try: publishes our lock, removing a dead holder's first. Returns the holder if somebody else has it. */
async function tryClaim(path: string, options: LockOptions, depth: number): Promise<Claim | LockHolder> {
  for (;;) {
    const token = randomBytes(8).toString('hex');
    const handle = await publish(path, formatHolder(options.owner, token, options.clock.now()));
    if (handle !== undefined)
      return { handle, release: releaseOnce({ path, token, handle, options, depth }) };
    const holder = await readHolder(path);
    if (holder === undefined) continue;
    if (depth >= MAX_DEPTH || !isHolderGone(holder, options.owner, options.clock.now())) return holder;
    const remover = await removeIfStill({ path, token: holder.token, options, depth });
    if (remover !== undefined) return remover;
  }
}

interface Removal {
  readonly path: string;
  readonly token: string;
  readonly options: LockOptions;
  readonly depth: number;
}

/** Removes the lock file if it still carries this token. Returns the process that is at it already, if there is one. */
async function removeIfStill({ path, token, options, depth }: Removal): Promise<LockHolder | undefined> {
  const guard = await tryClaim(`${path}.${token}`, options, depth + 1);
  if (!('handle' in guard)) return guard;
  try {
    if ((await readHolder(path))?.token === token) await unlink(path);
    return undefined;
  } finally {
    await guard.release();
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

function releaseOnce({ handle, ...removal }: Removal & { readonly handle: FileHandle }): () => Promise<void> {
  let released: Promise<void> | undefined;
  const release = async () => {
    await handle.close();
    // A guard lives for milliseconds in a living process: nobody has judged it dead meanwhile.
    if (removal.depth > 0) await unlink(removal.path);
    else await removeIfStill(removal);
  };
  return () => {
    released ??= release();
    return released;
  };
}

/** Shows other machines that the holder lives, by the file's time, until the lock is given back. */
function keepAlive(path: string, claim: Claim, clock: Clock): HeldLock {
  let cancel = () => {};
  const beat = () => {
    const now = new Date(clock.now());
    claim.handle.utimes(now, now).catch(() => undefined);
    cancel = clock.after(HEARTBEAT_MS, beat, { isBackground: true });
  };
  beat();
  return {
    release() {
      cancel();
      return claim.release().catch((error: unknown) => {
        throw localIoError(error, 'remove the lock', path);
      });
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
