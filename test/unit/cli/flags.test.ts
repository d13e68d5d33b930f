import { expect, it } from 'vitest';
import { SETTING_FLAGS, typedOf } from '../../../src/cli/flags.ts';

it('overrides settings with what was typed alone', () => {
  expect(
    typedOf(SETTING_FLAGS, { color: true, progress: false, sidecar: false, timeout: '5m', quality: '4k' }),
  ).toEqual({
    progress: { value: false, source: '--no-progress' },
    sidecar: { value: false, source: '--no-sidecar' },
    timeout: { value: '5m', source: '--timeout' },
  });
});
