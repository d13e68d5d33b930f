import { readFileSync, readlinkSync } from 'node:fs';

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
