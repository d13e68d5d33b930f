import { describe, expect, it } from 'vitest';
import { hasWholeClip, type Rig } from '../helpers/rig.ts';
import type { CliResult } from '../helpers/spawn-cli.ts';
import { runAgain, runPoint, type Scenario, sweep, tell } from './helpers/sweep.ts';

/** Waits short, clocks of two processes in a row close enough for the look through the task list. */
const RIG = { rate: 5 } as const;

function killAt(when: 'before' | 'after'): Scenario {
  return {
    rig: RIG,
    fault: { mode: 'kill', when, signal: 'SIGKILL' },
    recover: async (rig, { signal }) => {
      if (signal !== 'SIGKILL') throw new Error(`ended by ${signal} instead of SIGKILL`);
      return runAgain(rig);
    },
  };
}

/** `resume` finishes what was paid for; what was never sent is bought by the command itself. */
async function resumeThenRun(rig: Rig): Promise<string> {
  const before = rig
    .records()
    .map(({ state }) => state)
    .join();
  const resumed = await rig.run(['resume', '--json']);
  if (resumed.code === 0 && rig.charges() === 1) return `${before}: resume 0`;
  if (resumed.code !== 0)
    throw new Error(`resume ended with ${resumed.code} from "${before}": ${resumed.stderr}`);
  const again = await rig.generate();
  if (again.code !== 0) throw new Error(`again ended with ${again.code} from "${before}": ${again.stderr}`);
  return `${before || 'no record'}: nothing to resume, again 0`;
}

function stopAt(signal: 'SIGINT' | 'SIGTERM'): Scenario {
  return {
    rig: RIG,
    fault: { mode: 'kill', when: 'before', signal },
    recover: async (rig, first: CliResult) => {
      // Heard when all was done and said: there is nothing left to stop.
      if (first.code === 0 && hasWholeClip(rig)) return 'saved: too late to stop';
      if (first.signal !== signal)
        throw new Error(`ended by ${first.signal ?? first.code} instead of ${signal}`);
      return resumeThenRun(rig);
    },
  };
}

describe('a process that ends at any of its steps loses nothing and buys nothing twice', () => {
  // After a call is, but for what other work does in between, before the next.
  it.each([
    ['before', 1],
    ['after', 4],
  ] as const)('killed %s calls that change a file, each %d (F52)', async (when, every) => {
    const report = await sweep((at) => runPoint(killAt(when), at), { every });
    tell(`kill -9 ${when}: ${report.reached} points`, report);
    expect(report.problems).toEqual([]);
    expect(report.reached).toBeGreaterThan(50);
  });

  // One handler has both signals.
  it.each([
    ['SIGINT', 4],
    ['SIGTERM', 5],
  ] as const)('stopped by %s at calls that change a file, each %d (F53, F54)', async (signal, every) => {
    const report = await sweep((at) => runPoint(stopAt(signal), at), { every });
    tell(`${signal}: ${report.reached} points`, report);
    expect(report.problems).toEqual([]);
    expect(report.reached).toBeGreaterThan(50);
  });
});
