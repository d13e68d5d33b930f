import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { SandboxOptions } from '../../src/sandbox/context.ts';
import { AS_TEXT, errorOf, expectEnd, GENERATION, useRig } from '../helpers/rig.ts';

const DAY_MS = 24 * 3_600_000;
const said = (text: string) => expect.stringContaining(text);

interface Case {
  readonly what: string;
  readonly sandbox: Partial<SandboxOptions>;
  /** Exit code, paid requests, charges. */
  readonly ends: readonly [number, number, number];
  readonly error: Readonly<Record<string, unknown>>;
  readonly record: Readonly<Record<string, unknown>>;
  /** Added to the command. */
  readonly flags?: readonly string[];
  readonly rate?: number;
}
const REFUSED = { state: 'rejected', place: 'closed' };
const OPEN = { state: 'accepted', place: 'open' };
const DOWNLOAD = ['evolink', 'download', expect.any(String)];
const POLICY = { service_code: 'content_policy_violation' };
const RED = 'duration must be 4 to 15\u001b[31m';

const CASES: readonly Case[] = [
  {
    what: 'a bad key at the submission: how to set a good one (F17)',
    sandbox: { apiKeys: ['another-key-entirely'] },
    ends: [3, 1, 0],
    error: { code: 'auth', charged: 'no', retryable: false, http_status: 401, hint: said('dashboard/keys') },
    record: REFUSED,
  },
  {
    what: 'the balance: where to top up (F18)',
    sandbox: { startingCredits: 10 },
    ends: [4, 1, 0],
    error: { code: 'credits', charged: 'no', http_status: 402, hint: said('evolink.ai/dashboard/credits') },
    record: REFUSED,
  },
  ...[400, 422].map(
    (status): Case => ({
      what: `a value of the request, with ${status}: its reason is passed on (F19)`,
      sandbox: { faults: `submit:${status}(invalid_parameter,message=${RED})` },
      ends: [2, 1, 0],
      error: { code: 'usage', charged: 'no', http_status: status, message: said('duration must be 4 to 15') },
      record: REFUSED,
    }),
  ),
  {
    what: 'the content, after the task was made: its code and text (F20)',
    sandbox: { faults: 'task:fail(content_policy_violation,message=not this one)' },
    ends: [5, 1, 1],
    error: { code: 'task-failed', retryable: false, ...POLICY, resume: null, message: said('not this one') },
    record: { state: 'failed', place: 'closed' },
  },
  {
    what: 'to know the task: nothing is bought instead of it',
    sandbox: { faults: 'poll:404*' },
    ends: [5, 1, 1],
    error: { resume: expect.arrayContaining(['evolink']) },
    record: OPEN,
    rate: 50,
  },
  {
    what: 'to give the links of a completed task: it is kept for later',
    sandbox: { faults: 'poll:empty-results*60' },
    ends: [9, 1, 1],
    error: { code: 'download', charged: 'yes', retryable: true },
    record: OPEN,
    rate: 50,
  },
  ...['0', '2s'].map(
    (timeout): Case => ({
      what: `to give the links of a completed task, waited for ${timeout}: it is not said to run`,
      sandbox: { faults: 'task:instant; poll:empty-results*60' },
      ends: [9, 1, 1],
      error: { code: 'download', message: said('is completed'), resume: DOWNLOAD },
      record: OPEN,
      flags: ['--timeout', timeout],
    }),
  ),
];

describe('the service refuses', () => {
  it.each(CASES)('$what', async ({ sandbox, ends, error, record, flags = [], rate = 20 }) => {
    const rig = await useRig({ rate, sandbox });
    const result = await rig.run([...GENERATION, ...flags]);
    expect([result.code, rig.posts(), rig.charges()]).toEqual(ends);
    expect(errorOf(result)).toMatchObject(error);
    expect(result.stderr).not.toContain('\u001b');
    expect(rig.records()).toMatchObject([record]);
    expect(existsSync(rig.at('clip.mp4'))).toBe(false);
  });

  it('the key in the middle of the wait: stops at once, keeps the record, continues with a good key (F17)', async () => {
    const rig = await useRig({ sandbox: { faults: 'task:slow@10; poll:401(KEY_DISABLED)' } });
    const result = await rig.generate();
    const task_id = rig.taskId();
    const error = { code: 'auth', charged: 'yes', task_id, resume: ['evolink', 'resume', task_id] };
    expect([result.code, rig.polls(), errorOf(result)]).toMatchObject([3, 1, error]);
    expect(rig.records()).toMatchObject([OPEN]);
    expectEnd(rig, await rig.run(`resume ${task_id} --json`), 0, 1, 1);
  });
});

describe('the service says odd things of a task', () => {
  it('a state that nobody has documented is waited for, with one warning, up to the deadline (F21)', async () => {
    const rig = await useRig({ rate: 50, sandbox: { faults: 'task:word(archiving)' } });
    const result = await rig.run([...AS_TEXT, '--timeout', '60s']);
    expect([result.code, rig.posts()]).toEqual([7, 1]);
    expect(rig.polls()).toBeGreaterThan(2);
    expect(result.stderr.match(/unknown state "archiving"/g)?.length).toBe(1);
    expect(result.stderr).toContain(`evolink resume ${rig.taskId()}`);
  });

  it.each([
    ['a task that is not known yet, for some seconds after it was made (F22)', 'poll:404*3'],
    ['a completed task whose links come later (F23)', 'poll:empty-results*3'],
    ['an answer of 50 MB to the submission, the id in front (F25)', 'submit:huge@50'],
    ['an answer that nests 10,000 deep to the submission, the id in front (F25)', 'submit:deep@10000'],
    ...['7200', '-7200'].map((skew) => [
      `a clock that is off by ${skew} s, and a lost task is found (F26)`,
      `server:date-skew@${skew}; submit:reset(after)`,
    ]),
  ])('%s: one charge, the whole clip', async (_what, faults = '') => {
    const rig = await useRig({ rate: faults.includes('skew') ? 5 : 20, sandbox: { faults } });
    expectEnd(rig, await rig.generate(), 0, 1, 1);
  });

  it('three links of which one is dead: two files and one error; once it is back, only it is fetched (F24)', async () => {
    const rig = await useRig({ rate: 50, sandbox: { faults: 'task:links@3; link:403*9(index=2)' } });
    let result = await rig.generate();
    expectEnd(rig, result, 14, 1, 1);
    expect(errorOf(result)).toMatchObject({ code: 'partial', charged: 'yes' });
    const visible = readdirSync(rig.work).filter((name) => !name.startsWith('.'));
    expect(visible.sort()).toEqual(['clip-3.mp4', 'clip.mp4']);
    expect(rig.records()).toMatchObject([{ place: 'open' }]);
    for (let run = 0; run < 8 && result.code === 14; run += 1) result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
    expect(readdirSync(rig.work).sort()).toEqual(['clip-2.mp4', 'clip-3.mp4', 'clip.mp4']);
    const requests = rig.sandbox.ledger.requests();
    expect(requests.filter(({ server, status }) => server === 'link' && status === 200)).toHaveLength(3);
  });

  it.each([
    ['a reading of 50 MB', 'poll:huge@50*', 6],
    ['a reading that nests 10,000 deep', 'poll:deep@10000*', 6],
    ['an answer of 50 MB to the submission', 'submit:huge@50', 0],
  ])('%s: bounded in memory, a clear end, nothing sent twice (F25)', async (_what, faults, exit) => {
    const rig = await useRig({ rate: 50, sandbox: { faults } });
    const result = await rig.run([...GENERATION, '--timeout', '60s'], { faults: { at: 0 } });
    expect([result.code, rig.posts(), rig.charges()]).toEqual([exit, 1, 1]);
    const [note] = rig.notes();
    expect((note?.maxRssKilobytes ?? Number.POSITIVE_INFINITY) / 1024).toBeLessThan(200);
  });
});

describe('clocks that differ (F26)', () => {
  it.each([7200, -7200])('by %i s: no link counts as expired before its time', async (seconds) => {
    const rig = await useRig({ sandbox: { faults: `server:date-skew@${seconds}` } });
    const beforeMs = Date.now();
    expectEnd(rig, await rig.generate(), 0, 1, 1);
    const lifeMs = (rig.records()[0]?.linkExpiresAtMs ?? 0) - beforeMs;
    expect(Math.abs(lifeMs - DAY_MS)).toBeLessThan(120_000);
  });

  it('by 2 h: what could not be fetched at once is fetched in the 22nd hour', async () => {
    const rig = await useRig({ sandbox: { faults: 'server:date-skew@7200; link:500*5' } });
    expect((await rig.generate()).code).toBe(9);
    expect(rig.records()).toMatchObject([{ state: 'completed', place: 'open' }]);
    rig.sandbox.advanceClock(22 * 3_600_000);
    expectEnd(rig, await rig.generate(), 0, 1, 1);
  });
});
