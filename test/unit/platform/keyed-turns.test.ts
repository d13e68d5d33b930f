import { expect, test } from 'vitest';
import { createKeyedTurns } from '../../../src/platform/lock.ts';
import { makeSignal } from '../../helpers/make-signal.ts';

test('work of one key waits for the earlier, that of another does not; a failure is that of its own', async () => {
  const inTurn = createKeyedTurns();
  const gate = makeSignal();
  const seen: string[] = [];
  const note = (word: string) => async () => {
    seen.push(word);
    return word;
  };
  const first = inTurn('a', async () => {
    await gate.seen;
    throw new Error('first');
  });
  const second = inTurn('a', note('second'));
  expect(await inTurn('b', note('other'))).toBe('other');
  expect(seen).toEqual(['other']);
  gate.fire();
  await expect(first).rejects.toThrow('first');
  expect(await second).toBe('second');
  expect(await inTurn('a', note('third'))).toBe('third');
});
