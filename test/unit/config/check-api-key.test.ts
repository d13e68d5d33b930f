import { describe, expect, it } from 'vitest';
import { checkApiKey, maskSecret } from '../../../src/config/api-key.ts';

describe('checkApiKey', () => {
  it.each([
    ['sk-canary\nsk-canary', 'line break'],
    ['sk-canary\r\n\r\nx', 'line break'],
    ['sk canary', 'white space'],
    ['sk\tcanary', 'white space'],
    ['sk-canary\u00e9', 'printable ASCII'],
    ['sk-canary\u200b', 'printable ASCII'],
    ['sk-canary\u0000', 'printable ASCII'],
    ['Bearer sk-canary', 'give the key alone'],
    ['"sk-canary"', 'in quotes'],
    ['', 'is empty'],
    [' \n', 'is empty'],
    [`sk-canary${'x'.repeat(1000)}`, 'longer than 1000'],
  ])('refuses %j and does not show it', (text, reason) => {
    const message = expect.stringMatching(new RegExp(`^(?!.*canary).*${reason}`));
    const refusal = {
      kind: 'auth',
      exit: 3,
      message,
      facts: { hint: expect.not.stringContaining('canary') },
    };
    expect(() => checkApiKey(text, 'EVOLINK_API_KEY')).toThrow(expect.objectContaining(refusal));
  });

  it.each([
    ['sk-abc_123.x', []],
    ['sk-abc_123.x\n', []],
    ['sk-abc_123.x\r\n', []],
    ['\uFEFFsk-abc_123.x', []],
    ['  sk-abc_123.x ', ['ignored white space around the API key from EVOLINK_API_KEY']],
    ['sk-abc_123.x\n\n', [expect.stringContaining('white space')]],
  ])('takes %j', (text, warnings) => {
    expect(checkApiKey(text, 'EVOLINK_API_KEY')).toEqual({ key: 'sk-abc_123.x', warnings });
  });
});

it.each([
  ['', '***'],
  ['123456789012345', '***'],
  ['1234567890123456', '…3456'],
])('maskSecret: %j is shown as %s', (secret, masked) => {
  expect(maskSecret(secret)).toBe(masked);
});
