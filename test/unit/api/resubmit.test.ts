import { describe, expect, it } from 'vitest';
import type { SubmitOutcome } from '../../../src/api/answers.ts';
import { resubmitDelayMs } from '../../../src/api/submit-outcome.ts';
import { EvolinkError } from '../../../src/errors.ts';

const error = new EvolinkError('network', 'x');
const unsent = (isTransient: boolean): SubmitOutcome => ({ kind: 'not-sent', error, isTransient });
const throttled = (retryAfterMs?: number): SubmitOutcome => ({ kind: 'throttled', error, retryAfterMs });

describe('the paid POST is repeated', () => {
  it.each<[string, SubmitOutcome, number, number, number | undefined]>([
    ['not sent, first', unsent(true), 1, 0, 500],
    ['not sent, second', unsent(true), 2, 0, 1_000],
    ['not sent, third', unsent(true), 3, 0, undefined],
    ['not sent for good', unsent(false), 1, 0, undefined],
    ['throttled', throttled(), 1, 0, 500],
    ['throttled with a wish', throttled(1_000), 1, 0, 1_500],
    ['throttled beyond patience', throttled(86_400_000), 1, 0, undefined],
    ['throttled for the sixth time', throttled(1_000), 6, 0, undefined],
    ['throttled at the last moment', throttled(60_000), 2, 59_000, 61_000],
    ['throttled after it', throttled(60_000), 2, 59_001, undefined],
    ['rejected', { kind: 'rejected', error }, 1, 0, undefined],
    ['unknown', { kind: 'unknown', reason: 'x' }, 1, 0, undefined],
  ])('%s', (_name, outcome, attempt, elapsedMs, delayMs) => {
    const submit = { attempt, outcome, elapsedMs, patienceMs: 120_000, random: 0.5 };
    expect(resubmitDelayMs(submit)).toBe(delayMs);
  });
});
