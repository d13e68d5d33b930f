import { describe, expect, it } from 'vitest';
import { checkBudget, createBudget, limitReach, sumCosts } from '../../../src/run/budget.ts';
import { Job } from '../../../src/run/job.ts';
import { initialLimit, nextLimit, type SubmitSignal } from '../../../src/run/pace.ts';

describe('createBudget', () => {
  it('promises only what is left, and counts the larger of estimate, reservation and charge', () => {
    const budget = createBudget(10);
    expect(budget.promise('a', 6)).toBe(true);
    expect(budget.promise('b', 6)).toBe(false);
    const a = budget.send('a', 6);
    a?.reserved(3.5);
    expect(budget.promise('b', 4.5)).toBe(false);
    expect(budget.promise('b', 4)).toBe(true);
    budget.release('b');
    a?.charged(7);
    expect(budget.promise('c', 4)).toBe(false);
    expect(budget.promise('c', 3)).toBe(true);
  });

  it('holds what has no answer against the worst ratio seen', () => {
    const budget = createBudget(20);
    budget.send('a', 2)?.reserved(6);
    expect(budget.promise('b', 5)).toBe(false);
    expect(budget.promise('b', 4)).toBe(true);
    expect(budget.send('b', 4)).toBeDefined();
    // Its answer is lost: it counts for good.
    expect(budget.send('c', 1)).toBeUndefined();
  });

  it('learns no ratio from a free request, nor from an answer that names no credits', () => {
    const budget = createBudget(20);
    budget.send('a', 0)?.reserved(6);
    budget.send('b', 4)?.reserved(undefined);
    expect(budget.promise('c', 10)).toBe(true);
    budget.release('c');
    expect(budget.promise('c', 11)).toBe(false);
  });

  it('forgets what was rejected, counts zero as the estimate, and promises nothing of unknown price', () => {
    const budget = createBudget(10);
    budget.send('a', 8)?.rejected();
    const b = budget.send('b', 8);
    b?.reserved(0);
    expect(b).toBeDefined();
    expect(budget.promise('c', 3)).toBe(false);
    expect(budget.promise('c', 2)).toBe(true);
    expect(budget.promise('c', undefined)).toBe(false);
    expect(createBudget(undefined).promise('c', undefined)).toBe(true);
  });

  it('counts tasks of earlier runs, and is not fooled by floating-point sums', () => {
    const budget = createBudget(0.4);
    budget.attach(0.1);
    expect(['a', 'b', 'c', 'd'].map((name) => budget.promise(name, 0.1))).toEqual([true, true, true, false]);
  });
});

describe('checkBudget', () => {
  const plan = { ...sumCosts([]), toSend: 4, mostCredits: 20 };
  const unknown = { ...plan, unknownCount: 1, unknownReason: 'no list' };
  const attached = { ...plan, attachedCredits: 5 };
  interface Question {
    costs?: typeof plan;
    maxCredits?: number;
    balance?: number;
    allowsPartial?: boolean;
    isSingle?: boolean;
  }
  const ask = ({ costs = plan, maxCredits, balance, allowsPartial = false, isSingle }: Question) => {
    try {
      return checkBudget(costs, maxCredits, isSingle ? undefined : { balance, allowsPartial });
    } catch (error) {
      return error;
    }
  };
  const refused = (message: RegExp, hint = /./) =>
    expect.objectContaining({
      kind: 'credits',
      message: expect.stringMatching(message),
      facts: expect.objectContaining({ charged: 'no', hint: expect.stringMatching(hint) }),
    });

  // biome-ignore format: one row a question
  it.each<[Question, unknown]>([
    [{}, undefined],
    [{ maxCredits: 20 }, 20],
    [{ maxCredits: 19 }, refused(/^the plan costs about 20 credits, which is above the limit of 19/, /--max-credits 20, or go as far as it reaches with/)],
    [{ maxCredits: 19, isSingle: true }, refused(/^the plan costs about 20 credits, which/, /^raise the limit with --max-credits 20$/)],
    [{ balance: 19, maxCredits: 50 }, refused(/balance of 19/, /^top up .*, or go as far as it reaches with --allow-partial$/)],
    [{ balance: 12, maxCredits: 15, allowsPartial: true }, 12],
    [{ maxCredits: 24, costs: attached }, refused(/5 credits are reserved/)],
    [{ balance: 20, maxCredits: 25, costs: attached }, 25],
    [{ balance: 4, costs: attached }, refused(/^the plan costs about 20 credits, which is above/)],
    [{ balance: -1, costs: { ...plan, toSend: 0 } }, undefined],
    // No price that is not known is held below a limit, unless it may go as far as that reaches.
    [{ maxCredits: 100, costs: unknown }, refused(/^the price of 1 of 4 jobs is not known \(no list\).*nothing was sent$/, /--allow-partial/)],
    [{ maxCredits: 100, costs: unknown, isSingle: true }, refused(/^the price is not known/, /^(?!.*--allow-partial)/)],
    [{ maxCredits: 100, costs: unknown, allowsPartial: true }, 100],
    [{ balance: 100, costs: unknown }, undefined],
  ])('%j', (question, expected) => {
    expect(ask(question)).toEqual(expected);
  });
});

describe('the costs of a plan', () => {
  const job = (action: Job['action'], credits?: number, more: object = {}) =>
    Object.assign(
      new Job({
        entry: { name: `${action} ${credits}` },
        estimate: { credits, billedSeconds: 4, listDate: '2026-10-10', notes: [] },
        media: { reviews: [], local: [] },
      } as never),
      { action, ...more },
    );
  const record = (state: string, more: object = {}) => ({ record: { state, ...more } as never });

  it('counts what has to be sent: new, changed, forced, and a record that never was', () => {
    const jobs = [
      job('new', 1),
      job('changed', 2),
      job('forced', 4),
      job('resume', 8, record('intent')),
      job('resume', 16, record('accepted')),
      job('resume', 32),
      job('up_to_date', 64),
      job('restore', 128),
    ];
    expect(sumCosts(jobs)).toMatchObject({
      toSend: 4,
      mostCredits: 15,
      billedSeconds: 16,
      unknownCount: 0,
      attachedCredits: 48,
      priceListDate: '2026-10-10',
    });
  });

  it('counts an upper bound as the cost, and says why a price is not known', () => {
    const reason = 'no list';
    const jobs = [
      job('new', 1),
      job('new', undefined, { estimate: { atMost: 9, listDate: 'd', notes: [] } }),
      job('new', undefined, { estimate: { reason, listDate: 'd', notes: [] } }),
    ];
    expect(sumCosts(jobs)).toMatchObject({
      toSend: 3,
      mostCredits: 10,
      unknownCount: 1,
      unknownReason: reason,
    });
    expect(sumCosts([])).toMatchObject({ toSend: 0, mostCredits: 0, unknownReason: undefined });
  });

  it('counts a file once that several jobs upload', () => {
    const media = (...names: string[]) => ({ local: names.map((sha256) => ({ sha256 })) }) as never;
    const jobs = [
      job('new', 1, { media: media('a', 'b') }),
      job('new', 1, { media: media('a') }),
      job('up_to_date', 1, { media: media('c') }),
    ];
    expect(sumCosts(jobs).uploads).toBe(2);
  });

  it.each([
    [7, { reservedCredits: 7, estimatedCredits: 5 }],
    [7, { reservedCredits: 5, estimatedCredits: 7 }],
    [3, {}],
    [4, { estimatedCredits: 4 }],
  ])('a pending task holds %d of %j, at least its estimate', (credits, known) => {
    expect(job('resume', 3, record('accepted', known)).attachedCredits).toBe(credits);
  });

  it('a request that was never sent, and one that is not continued, hold nothing', () => {
    expect(job('resume', 3, record('intent')).attachedCredits).toBeUndefined();
    expect(job('new', 3).attachedCredits).toBeUndefined();
    expect(job('resume').attachedCredits).toBe(0);
  });

  it('a limit reaches to the first job that would pass it', () => {
    const jobs = [job('resume', 5, record('accepted')), job('new', 3), job('changed', 2), job('new', 1)];
    expect(limitReach(jobs, 10)).toEqual({ reached: 2, toSend: 3 });
    expect(limitReach(jobs, 11)).toEqual({ reached: 3, toSend: 3 });
    expect(limitReach(jobs, 7)).toEqual({ reached: 0, toSend: 3 });
  });
});

describe('nextLimit', () => {
  const limitAfter = (signals: readonly SubmitSignal[], max = 8) =>
    signals.reduce((state, signal) => nextLimit(state, signal, max), initialLimit(max)).limit;

  it('halves at a refusal, once a burst', () => {
    expect(limitAfter(['throttled'])).toBe(4);
    expect(limitAfter(['throttled', 'throttled', 'throttled'])).toBe(4);
    expect(limitAfter(['throttled', 'accepted', 'throttled'])).toBe(2);
  });

  it('grows by one for as many accepted tasks as run, up to the limit', () => {
    expect(Math.floor(limitAfter(['throttled', ...Array<SubmitSignal>(5).fill('accepted')]))).toBe(5);
    expect(limitAfter(Array<SubmitSignal>(50).fill('accepted'))).toBe(8);
  });

  it('never falls below one', () => {
    expect(
      limitAfter(['throttled', 'accepted', 'throttled', 'accepted', 'throttled', 'accepted', 'throttled']),
    ).toBeGreaterThanOrEqual(1);
  });
});
