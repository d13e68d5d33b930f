import { describe, expect, it } from 'vitest';
import type { SubmitOutcome } from '../../../src/api/answers.ts';
import { decideRead, decideSubmit } from '../../../src/api/retry.ts';
import { EvolinkError } from '../../../src/errors.ts';

const error = new EvolinkError('network', 'x');
const unsent = (isTransient: boolean): SubmitOutcome => ({ kind: 'not-sent', error, isTransient });
const throttled = (retryAfterMs?: number): SubmitOutcome => ({ kind: 'throttled', error, retryAfterMs });
const decide = (outcome: SubmitOutcome, attempt: number, elapsedMs = 0) =>
  decideSubmit({ attempt, outcome, elapsedMs, patienceMs: 120_000, random: 0.5 });

describe('the paid POST', () => {
  it.each<[string, SubmitOutcome, number, number | undefined]>([
    ['not sent, first', unsent(true), 1, 500],
    ['not sent, second', unsent(true), 2, 1_000],
    ['not sent, third', unsent(true), 3, undefined],
    ['not sent for good', unsent(false), 1, undefined],
    ['throttled', throttled(), 1, 500],
    ['throttled with a wish', throttled(1_000), 1, 1_500],
    ['throttled beyond patience', throttled(86_400_000), 1, undefined],
    ['throttled for the sixth time', throttled(1_000), 6, undefined],
    ['rejected', { kind: 'rejected', error }, 1, undefined],
    ['unknown', { kind: 'unknown', reason: 'x' }, 1, undefined],
  ])('%s', (_name, outcome, attempt, delayMs) => {
    expect(decide(outcome, attempt)).toEqual(
      delayMs === undefined ? { kind: 'stop' } : { kind: 'retry', delayMs },
    );
  });

  it('counts the time already spent', () => {
    expect(decide(throttled(60_000), 2, 59_000)).toEqual({ kind: 'retry', delayMs: 61_000 });
    expect(decide(throttled(60_000), 2, 59_001)).toEqual({ kind: 'stop' });
  });
});

describe('a read', () => {
  it('always waits where no bounds are given', () => {
    expect(decideRead({ attempt: 99, random: 0.5 })).toEqual({ kind: 'retry', delayMs: 15_000 });
    expect(decideRead({ attempt: 1, random: 0, retryAfterMs: 7_000 })).toEqual({
      kind: 'retry',
      delayMs: 7_000,
    });
  });

  const bounded = { attempt: 1, random: 0.5, isTransient: true, nowMs: 1_000, deadlineMs: 10_000 };
  it.each([
    [{}, { kind: 'retry', delayMs: 500 }],
    [{ isTransient: false }, { kind: 'stop' }],
    [{ retryAfterMs: 8_500 }, { kind: 'retry', delayMs: 9_000 }],
    [{ retryAfterMs: 8_501 }, { kind: 'stop' }],
    [{ attempt: 5, maxAttempts: 5 }, { kind: 'stop' }],
  ])('%j', (change, expected) => {
    expect(decideRead({ ...bounded, ...change })).toEqual(expected);
  });
});
