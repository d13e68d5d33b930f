import type { OutputStream } from './io.ts';

export type ColorLevel = OutputStream['colorLevel'];
type Env = Readonly<Record<string, string | undefined>>;

export interface ColorQuestion {
  /** `--color` or `--no-color`; absent when neither was given. */
  readonly flag?: boolean | undefined;
  readonly env: Env;
  readonly isTty: boolean;
}

/**
 * How much colour a stream gets. Strongest first: the flag; `NO_COLOR` if not empty (no-color.org); `FORCE_COLOR` and
 * `CLICOLOR_FORCE` if not empty (`0` and `false` in `FORCE_COLOR` mean none, `1` to `3` a level); then a terminal
 * whose `TERM` is not `dumb`.
 */
export function colorLevel({ flag, env, isTty }: ColorQuestion): ColorLevel {
  if (flag !== undefined) return flag ? atLeastBasic(env) : 0;
  if (env.NO_COLOR) return 0;
  if (env.FORCE_COLOR) return forcedLevel(env.FORCE_COLOR, env);
  if (env.CLICOLOR_FORCE && env.CLICOLOR_FORCE !== '0') return atLeastBasic(env);
  return isTty ? terminalLevel(env) : 0;
}

function forcedLevel(value: string, env: Env): ColorLevel {
  if (value === '0' || value === 'false') return 0;
  if (value === '1') return 1;
  if (value === '2') return 2;
  if (value === '3') return 3;
  return atLeastBasic(env);
}

function atLeastBasic(env: Env): ColorLevel {
  return terminalLevel(env) || 1;
}

function terminalLevel(env: Env): ColorLevel {
  if (env.TERM === 'dumb') return 0;
  if (env.COLORTERM === 'truecolor' || env.COLORTERM === '24bit' || env.WT_SESSION) return 3;
  return /-256(color)?$/.test(env.TERM ?? '') ? 2 : 1;
}
