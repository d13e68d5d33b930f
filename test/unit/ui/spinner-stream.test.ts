import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { createSpinnerStream } from '../../../src/ui/display.ts';
import { createMemoryIo } from '../../helpers/memory-io.ts';

test('a terminal without a size still has a width, so that no line count becomes infinite', () => {
  const { stderr } = createMemoryIo({ stderr: { isTty: true, columns: 0 } });
  expect(createSpinnerStream(stderr).columns).toBe(1);
});

test('what is written is there at once, in the order of other writes', () => {
  const raw = new PassThrough();
  const { stderr } = createMemoryIo({ stderr: { isTty: true, raw } });
  const stream = createSpinnerStream(stderr);
  stream.write('a');
  raw.write('b');
  stream.cursorTo(0);
  stream.write('c');
  expect(String(raw.read())).toBe('ab\u001b[1Gc');
});
