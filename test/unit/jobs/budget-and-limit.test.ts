import { describe, expect, it } from 'vitest';
import { checkBudget, createBudget } from '../../../src/run/budget.ts';
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

  it('forgets what was rejected, counts zero as the estimate, and promises nothing of unknown price', () => {
    const budget = createBudget(10);
    budget.send('a', 8)?.rejected();
    budget.send('b', 8)?.reserved(0);
    expect(budget.promise('c', 3)).toBe(false);
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
  const costs = {
    toSend: 4,
    mostCredits: 20,
    unknownCount: 0,
    unknownReason: undefined,
    attachedCredits: 0,
  };
  const ask = (question: Partial<Parameters<typeof checkBudget>[0]>) =>
    checkBudget({ costs, maxCredits: undefined, balance: undefined, allowsPartial: false, ...question });

  it('compares with the smaller of limit and balance', () => {
    expect(ask({})).toBeUndefined();
    expect(ask({ maxCredits: 20 })).toBe(20);
    expect(() => ask({ maxCredits: 19 })).toThrow(/limit of 19/);
    expect(() => ask({ balance: 19, maxCredits: 50 })).toThrow(/balance of 19/);
    expect(ask({ balance: 12, maxCredits: 15, allowsPartial: true })).toBe(12);
    expect(() => ask({ maxCredits: 24, costs: { ...costs, attachedCredits: 5 } })).toThrow(
      /5 credits are reserved/,
    );
    expect(ask({ balance: 20, maxCredits: 25, costs: { ...costs, attachedCredits: 5 } })).toBe(25);
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
