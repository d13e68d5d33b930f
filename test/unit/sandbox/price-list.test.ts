import { describe, expect, it } from 'vitest';
import { reservedCredits } from '../../../src/sandbox/service.ts';

const BASE = { tier: 'standard', quality: '720p', durationSeconds: 5, inputSeconds: [], contentFilter: true };

describe('reservedCredits', () => {
  it.each([
    ['5 s in 720p', BASE, 67.5],
    ['10 s with a 5 s video', { ...BASE, durationSeconds: 10, inputSeconds: [5] }, 164.43],
    ['15 s in 4k', { ...BASE, quality: '4k', durationSeconds: 15 }, 1032.75],
    ['more input than output', { ...BASE, inputSeconds: [4, 8.05] }, 140.5877],
    ['unfiltered', { ...BASE, contentFilter: false }, 74.25],
    ['mini', { ...BASE, tier: 'mini', quality: '480p', durationSeconds: 4 }, 5.022],
  ])('%s', (_, question, credits) => {
    expect(reservedCredits(question)).toBe(credits);
  });

  it('knows no price of what does not exist', () => {
    expect(() => reservedCredits({ ...BASE, tier: 'mini', quality: '4k' })).toThrow(RangeError);
  });
});
