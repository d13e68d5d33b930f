import { expect, test } from 'vitest';
import { colorLevel } from '../../../src/platform/io.ts';

type Env = Parameters<typeof colorLevel>[0];

/** Expected level, whether it is a terminal, its environment, the flag. */
test.each<[number, boolean, Env, boolean?]>([
  [0, false, { TERM: 'xterm-256color' }],
  [1, true, { TERM: 'xterm' }],
  [2, true, { TERM: 'xterm-256color' }],
  [3, true, { TERM: 'xterm-256color', COLORTERM: 'truecolor' }],
  [3, true, { WT_SESSION: 'x' }],
  [0, true, { TERM: 'xterm', NO_COLOR: '1' }],
  [0, true, { TERM: 'xterm', NO_COLOR: '0' }],
  [1, true, { TERM: 'xterm', NO_COLOR: '' }],
  [0, true, { NO_COLOR: '1', FORCE_COLOR: '3' }],
  [1, false, { FORCE_COLOR: 'true' }],
  [2, false, { FORCE_COLOR: '2' }],
  [0, true, { TERM: 'xterm', FORCE_COLOR: '0' }],
  [1, false, { CLICOLOR_FORCE: '1' }],
  [0, false, { CLICOLOR_FORCE: '0' }],
  [1, false, { NO_COLOR: '1' }, true],
  [1, true, { TERM: 'dumb' }, true],
  [0, true, { FORCE_COLOR: '3' }, false],
])('%d: terminal %s, %j, flag %s', (level, isTty, env, flag) => {
  expect(colorLevel(env, isTty, flag)).toBe(level);
});
