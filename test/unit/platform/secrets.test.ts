import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSecrets } from '../../../src/platform/text.ts';

const KEY = 'sk-a/b+c"d e\\xy-0123456789';

function masked(text: string): string {
  const secrets = createSecrets();
  secrets.add(KEY);
  return secrets.mask(text);
}

const forms: readonly [string, string][] = [
  ['as it is', KEY],
  ['URL-encoded', encodeURIComponent(KEY)],
  ['URL-encoded in lower case', encodeURIComponent(KEY).replace(/%../g, (code) => code.toLowerCase())],
  ['form-encoded', encodeURIComponent(KEY).replaceAll('%20', '+')],
  ['in JSON', JSON.stringify(KEY).slice(1, -1)],
  ['Base64', Buffer.from(KEY).toString('base64')],
  ['Base64url', Buffer.from(KEY).toString('base64url')],
];

test.each(forms)('masks a secret %s', (_name, form) => {
  expect(masked(`before ${form} after ${form}`)).toBe('before *** after ***');
});

test.each(['u:', 'us:', 'usr:'])('masks a secret inside Base64 of "%sKEY:x"', (prefix) => {
  const encoded = Buffer.from(`${prefix}${KEY}:x`).toString('base64');
  const result = masked(encoded);
  expect(result).toContain('***');
  expect(result.length).toBeLessThan(14);
});

test('no secret survives, whatever stands around it', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string({ minLength: 8 }), (before, after, secret) => {
      const secrets = createSecrets();
      const text = secret.trim();
      fc.pre(text.length >= 8 && !'***'.includes(text));
      secrets.add(secret);
      expect(secrets.mask(before + text + after)).not.toContain(text);
    }),
  );
});

test('a secret that holds another one is masked as a whole', () => {
  const secrets = createSecrets();
  secrets.add('0123456789');
  secrets.add('abc-0123456789-def');
  expect(secrets.mask('x abc-0123456789-def y')).toBe('x *** y');
});
