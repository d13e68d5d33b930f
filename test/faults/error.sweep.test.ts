import { describe, expect, it } from 'vitest';
import { EXIT_CODES } from '../../src/errors.ts';
import { errorOf, hasWholeClip, type Rig } from '../helpers/rig.ts';
import type { CliResult, FaultPreload } from '../helpers/spawn-cli.ts';
import { runAgain, type Scenario, sweep } from './helpers/sweep.ts';

const DOCUMENTED: readonly number[] = Object.values(EXIT_CODES)
  .map(({ exit }) => exit)
  .filter((exit) => exit > 1);

/** The last words of a failed run: a documented exit, and the name of what was paid for. */
function checkLastWords(rig: Rig, { code, stderr, stdout }: CliResult): void {
  if (code === null || !DOCUMENTED.includes(code)) throw new Error(`undocumented exit ${code}: ${stderr}`);
  const error = errorOf({ stdout });
  if (error.exit !== code) throw new Error(`exit ${code}, but the document says ${error.exit}`);
  if (rig.charges() === 0) return;
  if (error.charged === 'no') throw new Error(`says that nothing was charged: ${stderr}`);
  const isNamed = error.task_id === rig.taskId() || error.local_id !== null;
  if (!isNamed || error.resume === null) throw new Error(`does not name what was paid for: ${stderr}`);
}

const failAt = (fault: FaultPreload): Scenario => ({
  fault: { mode: 'error', ...fault },
  recover: async (rig, first) => {
    if (first.code === 0) {
      if (!hasWholeClip(rig)) throw new Error('exit 0 without a whole clip');
      return 'got over it';
    }
    checkLastWords(rig, first);
    return `exit ${first.code}, then ${await runAgain(rig)}`;
  },
});

const MAKING = ['open', 'write', 'mkdir', 'link', 'fsync'];
const FOLDERS = ['open', 'mkdir', 'link', 'rename', 'unlink'];
/** What each call can answer on a disk that fails; the broken device is tried at all of them, so that the others need not be. */
const FAULTS: readonly (readonly [string, number, FaultPreload])[] = [
  ['a broken device (EIO)', 1, { code: 'EIO' }],
  ['a full disk (ENOSPC), where something is written', 3, { code: 'ENOSPC', only: [...MAKING, 'rename'] }],
  ['a refusal (EACCES), where a folder is changed', 3, { code: 'EACCES', only: FOLDERS }],
  ['half of a write, without an error', 1, { mode: 'short', only: ['write'] }],
  ['a disk that stays full from there on', 3, { code: 'ENOSPC', sticky: true, only: MAKING }],
];

describe('a file system that fails once, at any call, costs nothing twice and loses nothing', () => {
  it.each(FAULTS)('%s, at each %d of the calls (F45, F46, F47, F48)', async (what, every, fault) => {
    const { problems, reached } = await sweep(what, failAt(fault), every);
    expect(problems).toEqual([]);
    expect(reached).toBeGreaterThan(fault.mode === 'short' ? 6 : 29);
  });
});
