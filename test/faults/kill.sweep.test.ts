import { describe, expect, it } from 'vitest';
import { hasWholeClip, type Rig } from '../helpers/rig.ts';
import { runAgain, type Scenario, statesOf, sweep } from './helpers/sweep.ts';

const killAt = (when: 'before' | 'after'): Scenario => ({
  fault: { mode: 'kill', when, signal: 'SIGKILL' },
  recover: async (rig, { signal }) => {
    if (signal !== 'SIGKILL') throw new Error(`ended by ${signal} instead of SIGKILL`);
    return runAgain(rig);
  },
});

/** `resume` finishes what was paid for; what was never sent is bought by the command itself. */
async function resumeThenRun(rig: Rig): Promise<string> {
  const before = statesOf(rig);
  const resumed = await rig.run('resume --json');
  if (resumed.code === 0 && rig.charges() === 1) return `${before}: resume 0`;
  if (resumed.code !== 0)
    throw new Error(`resume ended with ${resumed.code} from "${before}": ${resumed.stderr}`);
  const again = await rig.generate();
  if (again.code !== 0) throw new Error(`again ended with ${again.code} from "${before}": ${again.stderr}`);
  return `${before || 'no record'}: nothing to resume, again 0`;
}

const stopAt = (signal: 'SIGINT' | 'SIGTERM'): Scenario => ({
  fault: { mode: 'kill', when: 'before', signal },
  recover: async (rig, first) => {
    // Heard when all was done and said: there is nothing left to stop.
    if (first.code === 0 && hasWholeClip(rig)) return 'saved: too late to stop';
    if (first.signal !== signal)
      throw new Error(`ended by ${first.signal ?? first.code} instead of ${signal}`);
    return resumeThenRun(rig);
  },
});

describe('a process that ends at any of its steps loses nothing and buys nothing twice', () => {
  it.each([
    ['killed before calls', killAt('before'), 1],
    // After a call is, but for what other work does in between, before the next.
    ['killed after calls', killAt('after'), 4],
    // One handler has both signals.
    ['stopped by SIGINT at calls', stopAt('SIGINT'), 4],
    ['stopped by SIGTERM at calls', stopAt('SIGTERM'), 5],
  ] as const)('%s that change a file (F52, F53, F54)', async (what, scenario, every) => {
    const { problems, reached } = await sweep(what, scenario, every);
    expect(problems).toEqual([]);
    expect(reached).toBeGreaterThan(50);
  });
});
