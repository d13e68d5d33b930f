import { spawnSync } from 'node:child_process';
import type { CliOptions } from './spawn-cli.ts';

/** `script` of util-linux gives a command a terminal; that of other systems takes other flags. */
export const hasTerminal =
  process.platform === 'linux' && spawnSync('script', ['--version'], { encoding: 'utf8' }).status === 0;

/** Runs the program on a terminal of its own: both of its streams come as stdout, and `stdin` is what is typed. */
export function onTerminal(typed = '', columns?: number): CliOptions {
  const size = columns === undefined ? '' : `stty cols ${columns}; `;
  return {
    // `@Q` quotes each word for the shell that `script` starts.
    wrapper: ['bash', '--norc', '-c', `exec script -qec "${size}\${*@Q}" /dev/null`, 'bash'],
    stdin: typed,
    env: { TERM: 'xterm', SHELL: '/bin/sh' },
  };
}
