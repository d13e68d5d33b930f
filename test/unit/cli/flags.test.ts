import { Option } from 'commander';
import { expect, it } from 'vitest';
import { FLAGS, flagsBy } from '../../../src/cli/flags.ts';

it('gets each flag under the name that the parser gives it', () => {
  const { noCheckUrls, ...rows } = FLAGS;
  for (const [name, { spelling }] of Object.entries(rows))
    expect(new Option(spelling).attributeName()).toBe(name);
});

it('overrides settings with what was typed alone', () => {
  expect(
    flagsBy('setting', { color: true, progress: false, sidecar: false, timeout: '5m', quality: '4k' }),
  ).toEqual({
    progress: { value: false, source: '--no-progress' },
    sidecar: { value: false, source: '--no-sidecar' },
    timeout: { value: '5m', source: '--timeout' },
  });
});
