import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync, renameSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { EvolinkError } from '../errors.ts';
import type { Clock } from './clock.ts';
import { claimName, tempPathBeside } from './durable-file.ts';
import { fsErrorCode, localIoError } from './fs-error.ts';
import { withRegularFile } from './read-file.ts';

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

const readOptional = (path: string) => attempt(() => readFileSync(path, 'utf8').trim());

/**
 * What the kernel says of a process, where /proc is readable (Linux). `start` (boot and start time) tells it from a later one
 * that got the same number; `scope` (boot and pid namespace) is the set of processes in which its number means something.
 */
function inspectProcess(pid: number) {
  const boot = readOptional('/proc/sys/kernel/random/boot_id');
  const namespace = attempt(() => readlinkSync('/proc/self/ns/pid'));
  // proc(5): field 3 is the state, field 22 the start in clock ticks since boot. The command name before them stands in
  // parentheses and may itself hold spaces and parentheses.
  const stat = readOptional(`/proc/${pid}/stat`)?.replace(/^.*\) /s, '');
  const [state = '', ...rest] = stat?.split(' ') ?? [];
  const ticks = rest[18];
  return {
    start: boot && ticks && `${boot}:${ticks}`,
    scope: boot && namespace && `${boot}:${namespace}`,
    /** Not yet waited for, usual in containers. */
    isZombie: state === 'Z' || state === 'X',
  };
}

/** Whether a process of this machine runs. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, under another user.
    if (fsErrorCode(error) !== 'EPERM') return false;
  }
  return !inspectProcess(pid).isZombie;
}

/** The text of a lock file. `token` is unique to one taking of the lock; what could not be read of /proc is absent. */
const HOLDER = z.object({
  token: z.string().check(z.regex(/^[0-9a-f]{16}$/)),
  pid: z.int().check(z.positive()),
  host: z.string(),
  sinceMs: z.optional(z.number()),
  start: z.optional(z.string()),
  scope: z.optional(z.string()),
});
type Holder = z.infer<typeof HOLDER>;
/** Who takes a lock. */
export type LockOwner = Pick<Holder, 'pid' | 'host'>;

/** How long after its last sign of life a lock counts as left behind, where the holder itself can't be looked at. */
const STALE_AFTER_MS = 3 * 60_000;
const HEARTBEAT_MS = 30_000;
const RETRY_MS = 100;
/** A live lock that was moved away by mistake is back within milliseconds. */
const PUT_BACK_TRIES = 20;

/** Reads a lock file; undefined when there is none, without `known` when it is torn or not ours. @throws the system's error */
function readHolder(path: string) {
  try {
    return withRegularFile(path, (descriptor, { mtimeMs, ino }) => {
      const { data: known } = HOLDER.safeParse(attempt(() => JSON.parse(readFileSync(descriptor, 'utf8'))));
      return { token: known?.token ?? `unreadable${ino}`, heartbeatMs: mtimeMs, known };
    });
  } catch (error) {
    if (fsErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
type LockFile = NonNullable<ReturnType<typeof readHolder>>;

/** Whether our process table can say anything about the holder. */
function isNeighbour(known: Holder, self: LockOwner): boolean {
  const { scope } = inspectProcess(self.pid);
  return known.host === self.host && (scope === undefined || (known.scope ?? scope) === scope);
}

/**
 * Whether the holder of a lock is gone. On this machine the process table tells, at once: no such process, or one
 * that started at another time (the number was given out again). For another machine, another container, a boot
 * before this one or a file that can't be read, only the heartbeat tells.
 */
function isHolderGone({ known, heartbeatMs }: LockFile, self: LockOwner, nowMs: number): boolean {
  if (known === undefined || !isNeighbour(known, self)) return nowMs - heartbeatMs > STALE_AFTER_MS;
  if (!isAlive(known.pid)) return true;
  const { start = known.start } = inspectProcess(known.pid);
  return start !== (known.start ?? start);
}

/**
 * Acquires the lock file `path` for this process, or says who holds it. The folder must exist.
 *
 * A lock file appears whole (hard link of a finished file; the link fails if the name is taken). That of a dead holder is
 * moved away by rename, which one process alone can do, and read again under its new name: if it is that of somebody who
 * has come in between, it is put back, unless yet another has the name by then. So a holder can lose its lock in the moment
 * after a takeover, and whoever is about to do what can't be undone writes down what it does first and asks `isHeld` after:
 * of two, the one whose name is gone stops, and one that comes later reads what was written. All steps are synchronous, so
 * that nothing but the scheduler of the system comes between a look and what follows from it. A living process of this
 * machine is never taken over, however old its heartbeat: laptops sleep.
 * @param options `waitMs`: how long to wait for another holder; 0 = one try
 * @throws EvolinkError `locked` when another process still holds it after `waitMs`; `local-io`; the signal's reason
 */
export async function acquireLock(
  path: string,
  options: {
    readonly owner: LockOwner;
    readonly clock: Clock;
    readonly waitMs: number;
    readonly signal?: AbortSignal | undefined;
  },
) {
  const { clock, signal, owner } = options;
  const deadlineMs = clock.monotonicMs() + options.waitMs;
  const triedAtMs = clock.now();
  let hasWaited = false;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const token = randomBytes(8).toString('hex');
      if (create(path, { token, ...owner }, clock.now()))
        return hold(path, token, clock, hasWaited ? triedAtMs : undefined);
      const holder = readHolder(path);
      if (holder === undefined) continue;
      if (isHolderGone(holder, owner, clock.now()) && removeIf(path, holder.token)) continue;
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs <= 0) throw lockedError(path, holder);
      hasWaited = true;
      await clock.sleep(Math.min(leftMs, RETRY_MS * (0.5 + clock.random())), signal);
    }
  } catch (error) {
    if (fsErrorCode(error) === undefined) throw error;
    throw localIoError(error, 'lock', path);
  }
}

export type HeldLock = Awaited<ReturnType<typeof acquireLock>>;

/** Writes the lock file unless there is one. Not durable: after a power cut no holder lives. */
function create(path: string, holder: Holder, sinceMs: number): boolean {
  const { start, scope } = inspectProcess(holder.pid);
  const temp = tempPathBeside(path);
  try {
    const text = JSON.stringify({ ...holder, sinceMs, start, scope });
    writeFileSync(temp, `${text}\n`, { flag: 'wx', mode: 0o600 });
    showLife(temp, sinceMs);
    return claimName(temp, path);
  } finally {
    attempt(() => unlinkSync(temp));
  }
}

/** Removes the lock file if it has this token; false where it is another one, which stays. */
function removeIf(path: string, token: string): boolean {
  // Somebody else may have judged the same: a second look makes it rare that a live lock is moved.
  if (readHolder(path)?.token !== token) return true;
  const moved = tempPathBeside(path);
  try {
    renameSync(path, moved);
  } catch (error) {
    // Another process was quicker.
    if (fsErrorCode(error) === 'ENOENT') return true;
    throw error;
  }
  const isIt = readHolder(moved)?.token === token;
  // Where the name is taken again, whoever has lost it finds out by `isHeld`.
  if (isIt || !claimName(moved, path)) unlinkSync(moved);
  return isIt;
}

/** Shows other machines that the holder lives, by the time of the file. */
function showLife(path: string, nowMs: number): void {
  attempt(() => utimesSync(path, new Date(nowMs), new Date(nowMs)));
}

function hold(path: string, token: string, clock: Clock, waitedSinceMs: number | undefined) {
  let cancel: (() => void) | undefined;
  const beatLater = () => {
    const beat = () => {
      attempt(() => readHolder(path)?.token === token && showLife(path, clock.now()));
      beatLater();
    };
    cancel = clock.after(HEARTBEAT_MS, beat, { isBackground: true });
  };
  beatLater();
  return {
    /** Since when another holder was waited for; absent where the lock was free. */
    waitedSinceMs,
    /** Reads the lock file again: false where another process has it, whatever has happened to ours. */
    async isHeld(): Promise<boolean> {
      for (let tries = 0; tries < PUT_BACK_TRIES; tries += 1) {
        const holder = readHolder(path);
        if (holder?.known !== undefined) return holder.token === token;
        await clock.sleep(RETRY_MS / 10);
      }
      return false;
    },
    /** Gives the lock back. A lock that another process has taken over meanwhile is left alone. Safe to call twice. */
    async release(): Promise<void> {
      cancel?.();
      if (cancel === undefined) return;
      cancel = undefined;
      try {
        removeIf(path, token);
      } catch (error) {
        throw localIoError(error, 'remove the lock', path);
      }
    },
  };
}

function lockedError(path: string, { known }: LockFile): EvolinkError {
  const since = known?.sinceMs === undefined ? '' : `, since ${new Date(known.sinceMs).toISOString()}`;
  const message =
    known === undefined
      ? `an unknown process holds the lock file "${path}"`
      : `another evolink works on this task: process ${known.pid} on host "${known.host}"${since}`;
  const hint = 'wait until it ends (evolink status shows how far it is), then run the command again';
  return new EvolinkError('locked', message, { hint });
}

/**
 * Turns within this process, where the lock would refuse the second: work of one key in the order of asking; what the
 * earlier came to does not matter.
 */
export function createKeyedTurns() {
  const last = new Map<string, Promise<unknown>>();
  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const mine = (last.get(key) ?? Promise.resolve()).then(work);
    const ended = mine.catch(() => undefined);
    last.set(key, ended);
    try {
      return await mine;
    } finally {
      if (last.get(key) === ended) last.delete(key);
    }
  };
}
