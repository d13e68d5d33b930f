import { expect, test } from 'vitest';
import { EvolinkError, StoppedError } from '../../../src/errors.ts';
import { formatError, formatStopped } from '../../../src/ui/errors.ts';
import { wrapToWidth } from '../../../src/ui/table.ts';
import { createTheme } from '../../../src/ui/theme.ts';

const theme = createTheme({ isUnicode: true });
const TASK = 'task-unified-1757169743-7cvnl5zw';

test('a usage error: message, details, hint, nothing about money', () => {
  const error = new EvolinkError('usage', '--duration must be a whole number from 4 to 15, got "3"', {
    details: ['--quality: "1080" is not a quality; did you mean "1080p"?'],
    hint: 'run `evolink t2v --help`',
  });
  expect(formatError(error, theme)).toMatchInlineSnapshot(`
    "error: --duration must be a whole number from 4 to 15, got "3"
      - --quality: "1080" is not a quality; did you mean "1080p"?
    hint: run \`evolink t2v --help\`
    "
  `);
});

test('a pending task names its id, what it costs and the command that continues', () => {
  const error = new EvolinkError('pending', 'the task still runs after 30m', {
    taskId: TASK,
    localId: '01JCXYZ',
    requestId: 'req-9',
    resume: ['evolink', 'resume', '-o', "it's here/clip.mp4"],
  });
  expect(formatError(error, theme)).toMatchInlineSnapshot(`
    "error: the task still runs after 30m
      task: task-unified-1757169743-7cvnl5zw
      answer: request id req-9
      credits: already paid for; resuming is free
    continue with: evolink resume -o 'it'\\''s here/clip.mp4'
    "
  `);
});

test('an unknown outcome names the local id and says that the charge is not known', () => {
  const error = new EvolinkError('unknown', 'the connection broke after the request was sent', {
    localId: '01JCXYZ',
    httpStatus: 502,
    resume: ['evolink', 'resume'],
  });
  expect(formatError(error, theme)).toMatchInlineSnapshot(`
    "error: the connection broke after the request was sent
      request: 01JCXYZ
      answer: HTTP 502
      credits: can't tell whether this was charged
    continue with: evolink resume
    "
  `);
});

test('a failed task: the service decides on the money', () => {
  const error = new EvolinkError(
    'task-failed',
    'the service ended the task as failed: no content\nsee the rules',
    {
      taskId: TASK,
      serviceCode: 'content_policy_violation',
      hint: 'change the prompt',
    },
  );
  expect(formatError(error, theme)).toMatchInlineSnapshot(`
    "error: the service ended the task as failed: no content
      | see the rules
      task: task-unified-1757169743-7cvnl5zw
      answer: code content_policy_violation
    hint: change the prompt
    "
  `);
});

test('text of the service can neither draw nor command a CI runner', () => {
  const error = new EvolinkError('network', 'bad\n::set-output name=x::y\n\u001b[2Jgone\u202e', {
    details: ['::error::boo', '##[add-mask]x', 'one\n::stop-commands::two'],
    serviceCode: '\u001b]52;c;evil\u0007code',
    requestId: '\r\n::warning::x',
    hint: '::debug::hint',
  });
  const text = formatError(error, theme);
  expect(text).not.toMatch(/[^\P{C}\n]/u);
  // The runner trims a line before it looks, and finds the old mark anywhere.
  for (const line of text.split('\n')) expect(line.trimStart()).not.toMatch(/^::/);
  expect(text).not.toContain('##[');
});

test('a stop with a task says that generation and billing go on', () => {
  const text = formatStopped(
    new StoppedError('SIGINT'),
    { taskId: TASK, resume: ['evolink', 'resume'] },
    { theme },
  );
  expect(text).toMatchInlineSnapshot(`
    "stopped: interrupted (SIGINT)
      stopped waiting; the task keeps running and will be billed
      task: task-unified-1757169743-7cvnl5zw
    continue with: evolink resume
    "
  `);
});

test('a stop before anything was sent says so', () => {
  expect(formatStopped(new StoppedError('SIGTERM'), {}, { theme })).toMatchInlineSnapshot(`
    "stopped: terminated (SIGTERM)
      nothing was submitted
    "
  `);
});

test('on a screen only prose is broken, never the command', () => {
  const error = new EvolinkError('pending', 'the task is still running after thirty minutes', {
    taskId: TASK,
    resume: ['evolink', 'resume', '--timeout', '30m', '-o', 'clips/frog.mp4'],
  });
  const lines = formatError(error, theme, (line) => wrapToWidth(line, 30)).split('\n');
  expect(lines.slice(0, 2)).toEqual(['error: the task is still', '  running after thirty minutes']);
  expect(lines).toContain('continue with: evolink resume --timeout 30m -o clips/frog.mp4');
});
