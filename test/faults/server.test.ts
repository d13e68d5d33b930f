import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorOf, GENERATION, hasWholeClip } from '../helpers/rig.ts';
import { expectSafe, useRig } from '../helpers/use-rig.ts';

const AS_TEXT = GENERATION.filter((arg) => arg !== '--json');
const DAY_MS = 24 * 3_600_000;

describe('the service refuses', () => {
  it('a bad key at the submission: nothing charged, and how to set a good one (F17)', async () => {
    const rig = await useRig({ sandbox: { apiKeys: ['another-key-entirely'] } });
    const result = await rig.generate();
    expect([result.code, rig.charges()]).toEqual([3, 0]);
    expect(errorOf(result)).toMatchObject({
      code: 'auth',
      charged: 'no',
      retryable: false,
      http_status: 401,
    });
    expect(String(errorOf(result).hint)).toContain('EVOLINK_API_KEY');
    expect(rig.records()).toMatchObject([{ state: 'rejected', place: 'closed' }]);
    expectSafe(rig);
  });

  it('the key in the middle of the wait: stops at once, keeps the record, continues with a good key (F17)', async () => {
    const rig = await useRig({ sandbox: { faults: 'task:slow@10; poll:401(KEY_DISABLED)' } });
    const result = await rig.generate();
    const [charge] = rig.sandbox.ledger.charges();
    expect(result.code).toBe(3);
    expect(errorOf(result)).toMatchObject({
      code: 'auth',
      charged: 'yes',
      task_id: charge?.taskId,
      resume: ['evolink', 'resume', charge?.taskId],
    });
    expect(rig.sandbox.ledger.count('GET', '/v1/tasks/')).toBe(1);
    expect(rig.records()).toMatchObject([{ state: 'accepted', place: 'open' }]);
    const again = await rig.run(['resume', charge?.taskId ?? '', '--json']);
    expect([again.code, rig.posts()]).toEqual([0, 1]);
    expect(hasWholeClip(rig)).toBe(true);
    expectSafe(rig);
  });

  it('the balance: nothing charged, and where to top up (F18)', async () => {
    const rig = await useRig({ sandbox: { startingCredits: 10 } });
    const result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([4, 1, 0]);
    expect(errorOf(result)).toMatchObject({ code: 'credits', charged: 'no', http_status: 402 });
    expect(String(errorOf(result).hint)).toContain('https://evolink.ai/dashboard/credits');
    expect(rig.records()).toMatchObject([{ state: 'rejected', place: 'closed' }]);
    expectSafe(rig);
  });

  it.each([400, 422])('a value of the request, with %i: its reason is passed on (F19)', async (status) => {
    const message = 'duration must be 4 to 15\u001b[31m';
    const rig = await useRig({
      sandbox: {
        faults: [{ point: 'submit', kind: String(status), options: { code: 'invalid_parameter', message } }],
      },
    });
    const result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([2, 1, 0]);
    expect(errorOf(result)).toMatchObject({ code: 'usage', charged: 'no', http_status: status });
    expect(String(errorOf(result).message)).toContain('duration must be 4 to 15');
    expect(result.stderr).not.toContain('\u001b');
    expectSafe(rig);
  });

  it('the content, after the task was made: its code and text, and that the same would fail again (F20)', async () => {
    const rig = await useRig({
      sandbox: { faults: 'task:fail(content_policy_violation,message=not this one)' },
    });
    const result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([5, 1, 1]);
    expect(errorOf(result)).toMatchObject({
      code: 'task-failed',
      retryable: false,
      service_code: 'content_policy_violation',
      resume: null,
    });
    expect(String(errorOf(result).message)).toContain('not this one');
    expect(rig.records()).toMatchObject([{ state: 'failed', place: 'closed' }]);
    expect(existsSync(rig.clipPath())).toBe(false);
    expectSafe(rig);
  });
});

describe('the service says odd things of a task', () => {
  it('a state that nobody has documented is waited for, with one warning, up to the deadline (F21)', async () => {
    const rig = await useRig({ rate: 50, sandbox: { faults: 'task:word(archiving)' } });
    const result = await rig.run([...AS_TEXT, '--timeout', '60s']);
    expect([result.code, rig.posts()]).toEqual([7, 1]);
    expect(rig.sandbox.ledger.count('GET', '/v1/tasks/')).toBeGreaterThan(2);
    expect(result.stderr.match(/unknown state "archiving"/g)?.length).toBe(1);
    expect(result.stderr).toContain(`evolink resume ${rig.sandbox.ledger.charges()[0]?.taskId}`);
  });

  it('a task that is not known yet, for some seconds after it was made (F22)', async () => {
    const rig = await useRig({ sandbox: { faults: 'poll:404*3' } });
    const result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
    expect(hasWholeClip(rig)).toBe(true);
    expectSafe(rig);
  });

  it('a task that is never known ends the wait, but nothing is bought instead of it', async () => {
    const rig = await useRig({ rate: 50, sandbox: { faults: 'poll:404*' } });
    const result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([5, 1, 1]);
    expect(rig.records()).toMatchObject([{ state: 'accepted', place: 'open' }]);
    expect(errorOf(result).resume).not.toBeNull();
    expectSafe(rig);
  });

  it('a completed task whose links come later (F23)', async () => {
    const rig = await useRig({ sandbox: { faults: 'poll:empty-results*3' } });
    const result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
    expect(hasWholeClip(rig)).toBe(true);
    expectSafe(rig);
  });

  it.each(['0', '2s'])(
    'a completed task without a link, waited for %s: is not said to run',
    async (timeout) => {
      const rig = await useRig({ sandbox: { faults: 'task:instant; poll:empty-results*60' } });
      const result = await rig.run([...GENERATION, '--timeout', timeout]);
      expect(result.code).toBe(9);
      const { taskId = '' } = rig.records()[0] ?? {};
      expect(errorOf(result)).toMatchObject({
        code: 'download',
        message: expect.stringContaining('is completed'),
        resume: ['evolink', 'download', taskId],
      });
      expectSafe(rig);
    },
  );

  it('a completed task whose links never come is kept for later', async () => {
    const rig = await useRig({ rate: 50, sandbox: { faults: 'poll:empty-results*60' } });
    const result = await rig.generate();
    expect(result.code).toBe(9);
    expect(errorOf(result)).toMatchObject({ code: 'download', charged: 'yes', retryable: true });
    expect(rig.records()).toMatchObject([{ state: 'accepted', place: 'open' }]);
    expectSafe(rig);
  });

  it('three links of which one is dead: two files and one error (F24)', async () => {
    const rig = await useRig({ rate: 50, sandbox: { faults: 'task:links@3; link:404*(index=2)' } });
    const result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([14, 1, 1]);
    expect(errorOf(result)).toMatchObject({ code: 'partial', charged: 'yes' });
    const names = readdirSync(rig.home.work).filter((name) => !name.startsWith('.'));
    expect(names.sort()).toEqual(['clip-3.mp4', 'clip.mp4']);
    expect(rig.records()).toMatchObject([{ place: 'open' }]);
    expectSafe(rig);
  });

  it('the dead one of three comes back: only it is fetched (F24)', async () => {
    const rig = await useRig({ rate: 50, sandbox: { faults: 'task:links@3; link:403*9(index=2)' } });
    let result = await rig.generate();
    for (let run = 0; run < 8 && result.code === 14; run += 1) result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
    const names = readdirSync(rig.home.work).filter((name) => !name.startsWith('.'));
    expect(names.sort()).toEqual(['clip-2.mp4', 'clip-3.mp4', 'clip.mp4']);
    const opened = rig.sandbox.ledger
      .requests()
      .filter(({ server, status }) => server === 'link' && status === 200);
    expect(opened.length).toBe(3);
    expectSafe(rig);
  });
});

describe('answers without measure', () => {
  it.each([
    ['a reading of 50 MB', 'poll:huge@50*', 6],
    ['a reading that nests 10,000 deep', 'poll:deep@10000*', 6],
    ['an answer of 50 MB to the submission, the id in front', 'submit:huge@50', 0],
    ['an answer that nests 10,000 deep to the submission, the id in front', 'submit:deep@10000', 0],
  ])('%s: bounded in memory, a clear end, nothing sent twice (F25)', async (_what, faults, exit) => {
    const rig = await useRig({ rate: 50, sandbox: { faults } });
    const result = await rig.run([...GENERATION, '--timeout', '60s'], { faults: { at: 0 } });
    expect([result.code, rig.posts(), rig.charges()]).toEqual([exit, 1, 1]);
    const [note] = rig.notes();
    expect((note?.maxRssKilobytes ?? Number.POSITIVE_INFINITY) / 1024).toBeLessThan(200);
    expectSafe(rig);
  });
});

describe('clocks that differ', () => {
  it.each([7200, -7200])('by %i s: no link counts as expired before its time (F26)', async (seconds) => {
    const rig = await useRig({ sandbox: { faults: `server:date-skew@${seconds}` } });
    const beforeMs = Date.now();
    const result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
    expect(hasWholeClip(rig)).toBe(true);
    const [record] = rig.records();
    const lifeMs = (record?.linkExpiresAtMs ?? 0) - beforeMs;
    expect(Math.abs(lifeMs - DAY_MS)).toBeLessThan(120_000);
    expectSafe(rig);
  });

  it.each([7200, -7200])('by %i s: a lost task is found all the same (F26)', async (seconds) => {
    const rig = await useRig({
      rate: 5,
      sandbox: { faults: `server:date-skew@${seconds}; submit:reset(after)` },
    });
    const result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
    expect(hasWholeClip(rig)).toBe(true);
    expectSafe(rig);
  });

  it('by 2 h: what could not be fetched at once is fetched in the 22nd hour (F26)', async () => {
    const rig = await useRig({ sandbox: { faults: 'server:date-skew@7200; link:500*5' } });
    expect((await rig.generate()).code).toBe(9);
    expect(rig.records()).toMatchObject([{ state: 'completed', place: 'open' }]);
    rig.sandbox.advanceClock(22 * 3_600_000);
    const result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
    expect(hasWholeClip(rig)).toBe(true);
    expectSafe(rig);
  });
});
