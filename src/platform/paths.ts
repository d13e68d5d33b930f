import { posix, win32 } from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

interface Place {
  /** Variable of the XDG base directory specification 0.8; honoured on macOS too when set. */
  readonly xdg: string;
  readonly linux: readonly string[];
  readonly mac: readonly string[];
  readonly windows: {
    readonly variable: string;
    readonly fallback: readonly string[];
    readonly below: readonly string[];
  };
}

const STATE: Place = {
  xdg: 'XDG_STATE_HOME',
  linux: ['.local', 'state'],
  mac: ['Library', 'Application Support'],
  windows: { variable: 'LOCALAPPDATA', fallback: ['AppData', 'Local'], below: ['state'] },
};
const CONFIG: Place = {
  xdg: 'XDG_CONFIG_HOME',
  linux: ['.config'],
  mac: ['Library', 'Application Support'],
  windows: { variable: 'APPDATA', fallback: ['AppData', 'Roaming'], below: [] },
};

/**
 * Where records and locks live: `EVOLINK_STATE_DIR` if set (a relative value counts from the working directory), else
 * the platform's place for state: XDG on Linux, `Library/Application Support` on macOS, `LOCALAPPDATA` on Windows.
 */
export function stateFolder(env: Env, platform: NodeJS.Platform, home: string): string {
  const own = env.EVOLINK_STATE_DIR;
  if (own) return (platform === 'win32' ? win32 : posix).resolve(own);
  return place(STATE, env, { platform, home });
}

/** Where the user's own configuration lives. */
export function configFolder(env: Env, platform: NodeJS.Platform, home: string): string {
  return place(CONFIG, env, { platform, home });
}

function place(
  kind: Place,
  env: Env,
  { platform, home }: { platform: NodeJS.Platform; home: string },
): string {
  if (platform === 'win32') {
    const { variable, fallback, below } = kind.windows;
    const base = env[variable];
    return win32.join(
      base && win32.isAbsolute(base) ? base : win32.join(home, ...fallback),
      'evolink',
      ...below,
    );
  }
  const base = env[kind.xdg];
  // "All paths set in these environment variables must be absolute; a relative one is invalid and ignored" (XDG 0.8).
  if (base && posix.isAbsolute(base)) return posix.join(base, 'evolink');
  return posix.join(home, ...(platform === 'darwin' ? kind.mac : kind.linux), 'evolink');
}
