import { pathToFileURL } from 'node:url';
import type { Context } from '../platform/context.ts';
import type { OutputStream } from '../platform/io.ts';
import { runCommand } from '../platform/process.ts';
import { sanitizeServerText } from '../platform/text.ts';

type Env = Context['env'];

const isProgram = (name: string) => (env: Env) => env.TERM_PROGRAM === name;
/** Since 0.50.1, `5001`. */
const FIRST_VTE_WITH_LINKS = 5001;

/** What terminals are known to show besides text, by what they say of themselves: a progress in the taskbar (OSC 9;4), links (OSC 8), notifications (OSC 9). */
const TERMINALS: readonly (readonly [
  isIt: (env: Env) => boolean,
  ...abilities: ('progress' | 'links' | 'notifications')[],
])[] = [
  [(env) => Boolean(env.WT_SESSION), 'progress', 'links'],
  [(env) => env.ConEmuANSI === 'ON', 'progress'],
  [isProgram('WezTerm'), 'progress', 'links', 'notifications'],
  [isProgram('ghostty'), 'progress', 'links', 'notifications'],
  [isProgram('iTerm.app'), 'links', 'notifications'],
  [isProgram('vscode'), 'links'],
  [(env) => env.TERM === 'xterm-kitty', 'links', 'notifications'],
  [(env) => Number(env.VTE_VERSION ?? 0) >= FIRST_VTE_WITH_LINKS, 'links'],
];

const MAX_TITLE = 60;
const BELL = '\u0007';
const osc = (text: string): string => `\u001B]${text}${BELL}`;

/** What has ended, as fixed texts: a notification may go through a program of the system. */
const NOTICES = { done: 'evolink is done', failed: 'evolink has failed' } as const;

/** How each system shows a notification; never through a shell. */
const NOTIFIERS: Partial<Record<NodeJS.Platform, (text: string) => readonly string[]>> = {
  darwin: (text) => ['osascript', '-e', `display notification "${text}" with title "evolink"`],
  linux: (text) => ['notify-send', '--app-name=evolink', text],
};

/**
 * What a terminal shows outside of its text: title, progress, links, notifications. All of it is cleaned of control
 * characters; nothing is written where the stream is no terminal.
 */
export function createTerminal(
  stream: Pick<OutputStream, 'isTty' | 'write'>,
  { env, host, platform }: Pick<Context, 'env' | 'host' | 'platform'>,
) {
  // What stands between, tmux or screen, passes little on, and hides which terminal it is.
  const isBare = stream.isTty && !env.TMUX && !env.STY;
  const known = isBare ? TERMINALS.filter(([isIt]) => isIt(env)) : [];
  const can = (ability: 'progress' | 'links' | 'notifications') =>
    known.some(([, ...abilities]) => abilities.includes(ability));
  const hasTitle =
    stream.isTty && (Boolean(env.WT_SESSION) || /^(?!linux|dumb|vt\d|eterm)./.test(env.TERM ?? ''));
  let shown = '';
  return {
    /**
     * What must be written to show it; empty where it is shown already. The first time it keeps the title that was there.
     * @param percent absent while it is not known
     */
    show(status: string, percent?: number): string {
      const title = sanitizeServerText(`evolink: ${status}`, { maxLength: MAX_TITLE });
      const share = percent === undefined ? '3;0' : `1;${Math.round(Math.min(100, Math.max(0, percent)))}`;
      const wanted = (hasTitle ? osc(`2;${title}`) : '') + (can('progress') ? osc(`9;4;${share}`) : '');
      if (wanted === shown) return '';
      const keep = shown === '' && hasTitle ? '\u001B[22;2t' : '';
      shown = wanted;
      return keep + wanted;
    },
    /** Brings the first title back; where the terminal has kept none, there is none. */
    restore(): string {
      if (shown === '') return '';
      shown = '';
      return (hasTitle ? `${osc('2;')}\u001B[23;2t` : '') + (can('progress') ? osc('9;4;0;0') : '');
    },
    /** The text, which opens the file where the terminal knows links. The host tells it whether the file is on its machine. */
    link(path: string, text: string): string {
      if (!can('links')) return text;
      return `${osc(`8;;file://${host.replace(/[^\w.-]/g, '')}${pathToFileURL(path).pathname}`)}${text}${osc('8;;')}`;
    },
    /** A bell, and a notification of the terminal, or else of the system of this machine. Never throws. */
    async notify(what: keyof typeof NOTICES): Promise<void> {
      const text = NOTICES[what];
      if (stream.isTty) void stream.write(BELL + (can('notifications') ? osc(`9;${text}`) : ''));
      const isRemote = Boolean(env.SSH_CONNECTION);
      const hasDesktop = platform !== 'linux' || Boolean(env.DISPLAY || env.WAYLAND_DISPLAY);
      const notifier = NOTIFIERS[platform];
      if (!can('notifications') && !isRemote && hasDesktop && notifier !== undefined)
        await runCommand(notifier(text), { timeoutMs: 5_000 });
    },
  };
}

export type Terminal = ReturnType<typeof createTerminal>;
