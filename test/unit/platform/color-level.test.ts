import { expect, test } from 'vitest';
import { colorLevel } from '../../../src/platform/io.ts';

interface Question {
  readonly flag?: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly isTty: boolean;
}

const cases: readonly [string, Question, number][] = [
  ['a pipe', { env: { TERM: 'xterm-256color' }, isTty: false }, 0],
  ['a plain terminal', { env: { TERM: 'xterm' }, isTty: true }, 1],
  ['a terminal of 256 colours', { env: { TERM: 'xterm-256color' }, isTty: true }, 2],
  ['a true-colour terminal', { env: { TERM: 'xterm-256color', COLORTERM: 'truecolor' }, isTty: true }, 3],
  ['a dumb terminal', { env: { TERM: 'dumb' }, isTty: true }, 0],
  ['Windows Terminal', { env: { WT_SESSION: 'x' }, isTty: true }, 3],
  ['NO_COLOR on a terminal', { env: { TERM: 'xterm', NO_COLOR: '1' }, isTty: true }, 0],
  ['NO_COLOR=0, which is not empty', { env: { TERM: 'xterm', NO_COLOR: '0' }, isTty: true }, 0],
  ['an empty NO_COLOR', { env: { TERM: 'xterm', NO_COLOR: '' }, isTty: true }, 1],
  ['NO_COLOR over FORCE_COLOR', { env: { NO_COLOR: '1', FORCE_COLOR: '3' }, isTty: true }, 0],
  ['FORCE_COLOR on a pipe', { env: { FORCE_COLOR: 'true' }, isTty: false }, 1],
  ['FORCE_COLOR with a level', { env: { FORCE_COLOR: '2' }, isTty: false }, 2],
  ['FORCE_COLOR=0 on a terminal', { env: { TERM: 'xterm', FORCE_COLOR: '0' }, isTty: true }, 0],
  ['FORCE_COLOR=false on a terminal', { env: { TERM: 'xterm', FORCE_COLOR: 'false' }, isTty: true }, 0],
  ['an empty FORCE_COLOR', { env: { FORCE_COLOR: '' }, isTty: false }, 0],
  ['CLICOLOR_FORCE on a pipe', { env: { CLICOLOR_FORCE: '1' }, isTty: false }, 1],
  ['CLICOLOR_FORCE=0', { env: { CLICOLOR_FORCE: '0' }, isTty: false }, 0],
  ['--color over NO_COLOR', { flag: true, env: { NO_COLOR: '1' }, isTty: false }, 1],
  ['--color over TERM=dumb', { flag: true, env: { TERM: 'dumb' }, isTty: true }, 1],
  ['--no-color over FORCE_COLOR', { flag: false, env: { FORCE_COLOR: '3' }, isTty: true }, 0],
];

test.each(cases)('%s', (_name, { env, isTty, flag }, level) => {
  expect(colorLevel(env, isTty, flag)).toBe(level);
});
