import { describe, expect, it } from 'vitest';
import { checkRunBudget, createBudget } from '../../../src/run/budget.ts';
import { initialLimit, nextLimit, type SubmitSignal } from '../../../src/run/pace.ts';

describe('createBudget', () => {
  it('promises only what is left, and counts what was answered', () => {
    const budget = createBudget(10);
    expect(budget.tryReserve('a', 6)).toBe(true);
    expect(budget.tryReserve('b', 6)).toBe(false);
    budget.settle('a', 3.5);
    expect(budget.committed()).toBe(3.5);
    expect(budget.tryReserve('b', 6)).toBe(true);
    budget.release('b');
    expect(budget.tryReserve('c', 6.5)).toBe(true);
    expect(budget.tryReserve('d', 0.1)).toBe(false);
  });

  it('takes the promise where the service does not say, and promises nothing of unknown price', () => {
    const budget = createBudget(10);
    budget.tryReserve('a', 6);
    budget.settle('a', undefined);
    expect(budget.committed()).toBe(6);
    expect(budget.tryReserve('b', undefined)).toBe(false);
    expect(createBudget(undefined).tryReserve('b', undefined)).toBe(true);
  });

  it('is not fooled by floating-point sums', () => {
    const budget = createBudget(0.3);
    expect(['a', 'b', 'c'].map((name) => budget.tryReserve(name, 0.1))).toEqual([true, true, true]);
  });
});

describe('checkRunBudget', () => {
  const costs = { toSend: 4, billedSeconds: 16, credits: 20, mostCredits: 20, unknownCount: 0, uploads: 0 };
  const ask = (question: Partial<Parameters<typeof checkRunBudget>[0]>) =>
    checkRunBudget({ costs, maxCredits: undefined, balance: undefined, allowsPartial: false, ...question });

  it('compares with the smaller of limit and balance', () => {
    expect(ask({})).toBeUndefined();
    expect(ask({ maxCredits: 20 })).toBe(20);
    expect(() => ask({ maxCredits: 19 })).toThrow(/limit of 19/);
    expect(() => ask({ balance: 19, maxCredits: 50 })).toThrow(/balance of 19/);
    expect(ask({ balance: 12, maxCredits: 15, allowsPartial: true })).toBe(12);
    expect(ask({ balance: -1, costs: { ...costs, toSend: 0 } })).toBeUndefined();
  });

  it('holds no unknown price below a limit', () => {
    expect(() => ask({ maxCredits: 100, costs: { ...costs, unknownCount: 1 } })).toThrow(/not known/);
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
