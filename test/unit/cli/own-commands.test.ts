import { expect, it } from 'vitest';
import { createOwnCommands } from '../../../src/cli/session.ts';

const sandbox = createOwnCommands(true);

it.each([
  ['evolink download task-1', 'evolink download --sandbox task-1'],
  ['list them: evolink status; then run it', 'list them: evolink status --sandbox; then run it'],
  ['`evolink credits` shows it', '`evolink credits --sandbox` shows it'],
  ['evolink resume --resubmit 2026-a', 'evolink resume --sandbox --resubmit 2026-a'],
  [
    'evolink upload --list, then evolink upload --delete X',
    'evolink upload --sandbox --list, then evolink upload --sandbox --delete X',
  ],
  // What looks at nothing of the sandbox, or is no command.
  ['evolink config shows where', 'evolink config shows where'],
  ['another evolink works on it', 'another evolink works on it'],
  ['evolink downloads are kept', 'evolink downloads are kept'],
])('commands that the program names, in the sandbox: %s', (text, expected) => {
  expect(sandbox.inText(text)).toBe(expected);
  expect(sandbox.inText(expected)).toBe(expected);
  expect(createOwnCommands(false).inText(text)).toBe(text);
});
