import { expect, test } from 'vitest';
import { EvolinkError } from '../../../src/errors.ts';
import { checkTransition, RECORD_STATES, type RecordState } from '../../../src/task/record.ts';

const allowed: readonly [RecordState, readonly RecordState[]][] = [
  ['intent', ['sent', 'rejected', 'failed']],
  ['sent', ['accepted', 'rejected', 'failed', 'unknown', 'intent', 'dismissed']],
  ['unknown', ['accepted', 'rejected', 'failed', 'sent', 'intent', 'dismissed']],
  ['accepted', ['completed', 'failed', 'expired', 'dismissed']],
  ['completed', ['saved', 'expired', 'failed', 'dismissed']],
  ['saved', ['expired']],
  ['rejected', []],
  ['failed', ['accepted', 'completed']],
  ['expired', ['accepted', 'completed', 'saved']],
  ['dismissed', ['accepted']],
];

const cases = allowed.flatMap(([from, targets]) =>
  RECORD_STATES.map((to) => [from, to, (from === to && to !== 'sent') || targets.includes(to)] as const),
);

test.each(cases)('%s to %s: %s', (from, to, isAllowed) => {
  const check = () => checkTransition('20261121-091502-k3f9q2', from, to);
  if (isAllowed) expect(check).not.toThrow();
  else expect(check).toThrow(EvolinkError);
});

test('a forbidden change is a bug and says which', () => {
  expect(() => checkTransition('20261121-091502-k3f9q2', 'saved', 'sent')).toThrow(
    expect.objectContaining({
      kind: 'internal',
      message: 'record 20261121-091502-k3f9q2 cannot go from state "saved" to "sent"',
    }),
  );
});

test('a paid task never becomes one that may be sent', () => {
  const unpaid: readonly RecordState[] = ['intent', 'sent', 'unknown'];
  for (const state of RECORD_STATES.filter((each) => !unpaid.includes(each)))
    for (const target of unpaid) expect(() => checkTransition('x', state, target)).toThrow(EvolinkError);
});
