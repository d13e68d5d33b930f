import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quoteCommand } from '../../../src/platform/text.ts';

test.skipIf(process.platform === 'win32')('a shell reads the very words back', () => {
  const word = fc.string({
    unit: fc.constantFrom('a', ' ', "'", '"', '$', '`', '\\', '!', '~', '*', '\n', '한', '-', '='),
  });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (words) => {
      const output = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${quoteCommand(words)}`], {
        encoding: 'utf8',
      });
      expect(output.split('\0').slice(0, -1)).toEqual(words);
    }),
    { numRuns: 40 },
  );
});
