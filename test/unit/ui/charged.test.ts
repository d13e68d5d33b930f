import { expect, test } from 'vitest';
import { type ErrorFacts, type ErrorKind, EvolinkError } from '../../../src/errors.ts';
import { describeCharged, resolveCharged } from '../../../src/ui/errors.ts';

const TASK: ErrorFacts = { taskId: 'task-1' };
const LOCAL: ErrorFacts = { localId: '01J' };

test.each<[ErrorKind, ErrorFacts, string]>([
  ['usage', {}, 'no'],
  ['credits', LOCAL, 'no'],
  ['network', {}, 'no'],
  ['network', LOCAL, 'unknown'],
  ['network', { ...LOCAL, charged: 'no' }, 'no'],
  ['network', TASK, 'yes'],
  ['pending', TASK, 'yes'],
  ['unknown', LOCAL, 'unknown'],
  ['task-failed', TASK, 'unknown'],
  ['task-failed', LOCAL, 'no'],
  ['task-failed', { ...TASK, charged: 'yes' }, 'yes'],
  ['local-io', {}, 'no'],
  ['local-io', TASK, 'yes'],
  ['internal', LOCAL, 'unknown'],
])('%s with %o counts as %s', (kind, facts, charged) => {
  expect(resolveCharged({ kind, ...facts })).toBe(charged);
});

test('a mistake in a flag does not speak of money, a refusal for want of credits does', () => {
  expect(describeCharged(new EvolinkError('usage', 'x'))).toBeUndefined();
  expect(describeCharged(new EvolinkError('credits', 'x'))).toBe('nothing was charged');
  expect(describeCharged(new EvolinkError('usage', 'x', { charged: 'no' }))).toBeUndefined();
});
