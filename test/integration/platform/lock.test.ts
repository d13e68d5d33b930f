import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, onTestFinished, test } from 'vitest';
import { createSystemClock } from '../../../src/platform/clock.ts';
import { acquireLock } from '../../../src/platform/lock.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

const self = { pid: process.pid, host: 'here' };
const clock = createSystemClock();
const DEAD_PID = 2 ** 22 + 1;
const MINUTE_MS = 60_000;

type LockOptions = Parameters<typeof acquireLock>[1];

function options(fields: Partial<LockOptions> = {}): LockOptions {
  return { owner: self, clock, waitMs: 0, ...fields };
}

/** Puts a lock file there as another process would have left it. */
async function plant(path: string, fields: Record<string, unknown>, ageMs = 0): Promise<void> {
  const holder = { token: '0123456789abcdef', pid: DEAD_PID, host: 'here', sinceMs: Date.UTC(2026, 10, 21) };
  await writeFile(path, JSON.stringify({ ...holder, ...fields }));
  const time = new Date(Date.now() - ageMs);
  await utimes(path, time, time);
}

async function lockPath(): Promise<string> {
  return join(await tempFolder(), 'a.lock');
}

test('a lock excludes, says who holds it, and leaves nothing behind', async () => {
  const path = await lockPath();
  const lock = await acquireLock(path, options());
  await expect(acquireLock(path, options())).rejects.toMatchObject({
    kind: 'locked',
    exit: 12,
    message: expect.stringMatching(
      new RegExp(`^another evolink works on this task: process ${process.pid} on host "here", since 20.*Z$`),
    ),
  });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await lock.release();
  await lock.release();
  expect(await readdir(join(path, '..'))).toEqual([]);
  await (await acquireLock(path, options())).release();
});

test('waiting ends after its time, measured by the clock', async () => {
  const path = await lockPath();
  const lock = await acquireLock(path, options());
  const fake = createFakeClock({ autoAdvance: true });
  const waiting = acquireLock(path, options({ clock: fake, waitMs: 10_000 }));
  await expect(waiting).rejects.toMatchObject({ kind: 'locked' });
  expect(fake.monotonicMs()).toBe(10_000);
  await lock.release();
});

test.each([
  ['a dead process of this machine', {}, 0, true],
  ['a number that was given out again', { pid: process.pid, start: 'another boot:1' }, 0, true],
  ['a living process', { pid: process.ppid, start: undefined }, 60 * MINUTE_MS, false],
  ['another machine with a fresh heartbeat', { host: 'there' }, 2 * MINUTE_MS, false],
  ['another machine with an old heartbeat', { host: 'there' }, 4 * MINUTE_MS, true],
  ['another container or boot with a fresh heartbeat', { scope: 'other' }, 2 * MINUTE_MS, false],
  ['another container or boot with an old heartbeat', { scope: 'other' }, 4 * MINUTE_MS, true],
  ['a file of somebody else, fresh', { token: 7 }, 2 * MINUTE_MS, false],
  ['a file of somebody else, old', { token: 7 }, 4 * MINUTE_MS, true],
  ['a process number that is none', { pid: -1 }, 2 * MINUTE_MS, false],
])('%s', async (_name, fields, ageMs, isTakenOver) => {
  const path = await lockPath();
  await plant(path, fields, ageMs);
  const before = await readFile(path, 'utf8');
  const result = acquireLock(path, options());
  if (isTakenOver) return (await result).release();
  await expect(result).rejects.toMatchObject({ kind: 'locked' });
  expect(await readFile(path, 'utf8')).toBe(before);
});

test('a torn lock file is waited for, not read as free', async () => {
  const path = await lockPath();
  await writeFile(path, '{"pid":');
  const says = `an unknown process holds the lock file "${path}"`;
  await expect(acquireLock(path, options())).rejects.toThrow(says);
});

test('a lock that somebody else has taken over is known not to be held', async () => {
  const path = await lockPath();
  const lock = await acquireLock(path, options());
  expect(await lock.isHeld()).toBe(true);
  await plant(path, { token: 'fedcba9876543210' });
  expect(await lock.isHeld()).toBe(false);
  await unlink(path);
  expect(await lock.isHeld()).toBe(false);
  await lock.release();
});

test('the heartbeat shows on the file while the lock is held, and ends with it', async () => {
  const path = await lockPath();
  const fake = createFakeClock();
  const lock = await acquireLock(path, options({ clock: fake }));
  for (const minutes of [1, 2]) {
    await fake.advance(MINUTE_MS);
    await expect
      .poll(async () => (await stat(path)).mtimeMs, { message: `after ${minutes} min` })
      .toBe(fake.now());
  }
  await lock.release();
  expect(fake.pendingCount()).toBe(0);
});

test('processes that die with the lock in hand: never two at a time, and everyone has a turn', async () => {
  const folder = await tempFolder();
  const path = join(folder, 'a.lock');
  const script = join(folder, 'worker.mjs');
  const contents = `import { appendFileSync, openSync, rmSync } from 'node:fs';
     import { acquireLock } from './src/platform/lock.ts';
     import { createSystemClock } from './src/platform/clock.ts';
     const [, , path, log, inside] = process.argv;
     const options = { owner: { pid: process.pid, host: 'here' }, clock: createSystemClock(), waitMs: 60_000 };
     for (let turn = 0; turn < 8; turn += 1) {
       const lock = await acquireLock(path, options);
       if (!(await lock.isHeld())) { turn -= 1; await lock.release(); continue; }
       try { openSync(inside, 'wx'); } catch { appendFileSync(log, 'OVERLAP\\n'); }
       await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
       rmSync(inside, { force: true });
       appendFileSync(log, 'turn\\n');
       if (turn === 7) process.kill(process.pid, 'SIGKILL');
       await lock.release();
     }`;
  // A real second process: a script that Node runs.
  const resolveDir = fileURLToPath(new URL('../../..', import.meta.url));
  await build({
    stdin: { contents, resolveDir, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile: script,
    logLevel: 'silent',
  });
  const args = [script, path, join(folder, 'log'), join(folder, 'inside')];
  const children = Array.from({ length: 5 }, () =>
    spawn(process.execPath, args, { stdio: 'inherit', env: {} }),
  );
  onTestFinished(() => {
    for (const child of children) child.kill('SIGKILL');
  });
  await Promise.all(children.map((child) => once(child, 'exit')));
  const lines = (await readFile(join(folder, 'log'), 'utf8')).trim().split('\n');
  expect(lines.filter((line) => line === 'OVERLAP')).toEqual([]);
  expect(lines).toHaveLength(5 * 8);
});
