import { randomBytes } from 'node:crypto';
import { type FileHandle, link, unlink } from 'node:fs/promises';
import { EvolinkError } from '../errors.ts';
import type { Clock } from './clock.ts';
import { fsErrorCode } from './fs-error.ts';
import { localIoError } from './local-io-error.ts';
import {
  formatHolder,
  isHolderGone,
  isNeighbour,
  type LockHolder,
  type LockOwner,
  readHolder,
  STALE_AFTER_MS,
} from './lock-holder.ts';
import { openNew, openTempBeside } from './temp-file.ts';
import { writeFully } from './write-fully.ts';

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
    cancel = clock.after(HEARTBEAT_MS, beat);
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
