import { expect, test } from 'vitest';
import { type ErrorFacts, type ErrorKind, EvolinkError, StoppedError } from '../../../src/errors.ts';
import { formatError, formatStopped, resolveCharged, type StopFacts } from '../../../src/ui/errors.ts';
import { wrapToWidth } from '../../../src/ui/table.ts';
import { createTheme } from '../../../src/ui/theme.ts';

const theme = createTheme({ isUnicode: true });
const TASK: ErrorFacts = { taskId: 'task-1' };
const LOCAL: ErrorFacts = { localId: '01J' };
const textOf = (kind: ErrorKind, message: string, facts: ErrorFacts): readonly string[] =>
  formatError(new EvolinkError(kind, message, facts), theme)
    .trimEnd()
    .split('\n');

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
  expect(resolveCharged(facts, kind)).toBe(charged);
});

const resume = ['evolink', 'resume', '-o', "it's here.mp4"];
test.each<[ErrorKind, string, ErrorFacts, string]>([
  [
    'usage',
    '--duration must be from 4 to 15, got "3"',
    { details: ['"1080" is not a quality'], hint: 'evolink t2v --help', charged: 'no' },
    `error: --duration must be from 4 to 15, got "3"
  - "1080" is not a quality
hint: evolink t2v --help`,
  ],
  [
    'pending',
    'the task is still running',
    { ...TASK, ...LOCAL, requestId: 'req-9', resume },
    `error: the task is still running
  task: task-1
  answer: request id req-9
continue with: evolink resume -o 'it'\\''s here.mp4'`,
  ],
  [
    'unknown',
    'the connection was lost',
    { ...LOCAL, httpStatus: 502, resume: ['evolink', 'resume'] },
    `error: the connection was lost
  request: 01J
  answer: HTTP 502
  credits: can't tell whether this was charged
continue with: evolink resume`,
  ],
  [
    'task-failed',
    'task task-1 ended as failed (content_policy_violation): no\nsee the rules',
    { ...TASK, serviceCode: 'content_policy_violation' },
    'error: task task-1 ended as failed (content_policy_violation): no\n  | see the rules',
  ],
  ['credits', 'too little', {}, 'error: too little'],
])('%s: %s', (kind, message, facts, text) => {
  expect(textOf(kind, message, facts).join('\n')).toBe(text);
});

test('text of the service can neither draw nor command a CI runner', () => {
  const lines = textOf('network', 'bad\n::set-output name=x::y\n\u001b[2Jgone\u202e', {
    details: ['::error::boo', '##[add-mask]x', 'one\n::stop-commands::two'],
    serviceCode: '\u001b]52;c;evil\u0007code',
    requestId: '\r\n::warning::x',
    hint: '::debug::hint',
  });
  for (const line of lines) {
    expect(line).not.toMatch(/\p{C}|##\[/u);
    // The runner trims a line before it looks.
    expect(line.trimStart()).not.toMatch(/^::/);
  }
});

test.each<[StopFacts, string]>([
  [{ ...TASK }, 'stopped waiting; the task keeps running and will be billed'],
  [
    { ...TASK, isFinished: true },
    'stopped downloading; the task is finished and paid for, and resuming is free',
  ],
  [{ ...LOCAL }, 'the request may have been submitted; if so, it keeps running and will be billed'],
  [{}, 'nothing was submitted'],
])('a stop with %o', (facts, text) => {
  const lines = formatStopped(new StoppedError('SIGINT'), facts, { theme }).split('\n');
  expect(lines.slice(0, 2)).toEqual(['stopped: SIGINT received', `  ${text}`]);
});

test('on a screen only prose is broken, never the command', () => {
  const resume = ['evolink', 'resume', '--timeout', '30m', '-o', 'clips/frog.mp4'];
  const error = new EvolinkError('pending', 'the task is still running after thirty minutes', {
    ...TASK,
    details: ['the answer got lost on its way', 'if it ran: evolink resume ID --task TASK_ID'],
    resume,
  });
  const lines = formatError(error, theme, (line) => wrapToWidth(line, 30)).split('\n');
  expect(lines.slice(0, 2)).toEqual(['error: the task is still', '  running after thirty minutes']);
  expect(lines.slice(2, 6)).toEqual([
    '  - the answer got lost on its',
    '    way',
    '  - if it ran:',
    'evolink resume ID --task TASK_ID',
  ]);
  expect(lines).toContain('continue with: evolink resume --timeout 30m -o clips/frog.mp4');
});
