import { closeSync, openSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { mkdir, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, posix, relative, sep, win32 } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { NEW_FILE, syncFolder, tempPathBeside } from './durable-file.ts';
import { fsErrorCode, localIoError } from './fs-error.ts';

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

/**
 * Where a folder really is, links followed. What is not there yet is made below the nearest folder that is, and stands where
 * that one really stands. Never throws.
 */
export async function realFolder(path: string): Promise<string> {
  const parent = dirname(path);
  try {
    return await realpath(path);
  } catch {
    if (parent === path) return path;
    return `${await realFolder(parent)}${path.slice(parent.length)}`;
  }
}

/** As `realFolder`, asking the disk once for each folder: thousands of clips share a few. */
export function createRealFolders(): (path: string) => Promise<string> {
  const known = new Map<string, Promise<string>>();
  return (path) => {
    const found = known.get(path) ?? realFolder(path);
    known.set(path, found);
    return found;
  };
}

/** As `createRealFolders`, for the paths of files: what a name itself links to is not followed. */
export function createRealPaths(): (path: string) => Promise<string> {
  const folderOf = createRealFolders();
  return async (path) => join(await folderOf(dirname(path)), basename(path));
}

/** Says whether a path lies in a folder, or is the folder itself; by the words of the paths alone, links are not followed. */
export function isInside(folder: string, path: string): boolean {
  const rest = relative(folder, path);
  return rest !== '..' && !rest.startsWith(`..${sep}`) && !isAbsolute(rest);
}

/** What a path is, links followed; undefined for whatever can't be looked at. */
function statIfThere(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Says whether a path is a folder, or a link to one. */
export async function isFolder(path: string): Promise<boolean> {
  return statIfThere(path)?.isDirectory() === true;
}

/** Says whether a path is a file, or a link to one. */
export function isFile(path: string): boolean {
  return statIfThere(path)?.isFile() === true;
}

/**
 * Makes a folder with all its parents. Node's own `recursive` asks for ever where a file system says ENOENT below a folder
 * that exists (/proc and the like do).
 * @returns the topmost folder that was made; undefined where the path was a folder already
 * @throws the system's error
 */
export async function makeFolder(path: string, mode = 0o777): Promise<string | undefined> {
  try {
    await mkdir(path, mode);
    return path;
  } catch (error) {
    const code = fsErrorCode(error);
    if (code === 'ENOENT' && dirname(path) !== path)
      return makeBelow(await makeFolder(dirname(path), mode), path, mode);
    // Windows and read-only disks refuse before they look whether it is there.
    if (await isFolder(path)) return undefined;
    throw error;
  }
}

async function makeBelow(
  firstMade: string | undefined,
  path: string,
  mode: number,
): Promise<string | undefined> {
  try {
    await mkdir(path, mode);
    return firstMade ?? path;
  } catch (error) {
    // Another process was quicker.
    if (fsErrorCode(error) === 'EEXIST' && (await isFolder(path))) return firstMade;
    throw error;
  }
}

/**
 * Makes a folder with all its parents, private (0700), its names on the disk. An existing one is left as it is.
 * @throws EvolinkError `local-io`
 */
export async function ensureFolder(path: string): Promise<void> {
  try {
    const firstMade = await makeFolder(path, 0o700);
    if (firstMade === undefined) return;
    const top = dirname(firstMade);
    for (let folder = dirname(path); folder.length >= top.length; folder = dirname(folder)) {
      await syncFolder(folder);
      if (folder === dirname(folder)) return;
    }
  } catch (error) {
    throw localIoError(error, 'make the folder', path);
  }
}

export interface FolderNeed {
  /** What is to be written, as in `the output`. */
  readonly what: string;
  readonly hint: string;
}

/**
 * The nearest folder that exists: this one or one above. What is missing below it can be made, as it can be written to.
 * Leaves all as it was.
 * @throws EvolinkError `local-io`; nothing was charged then
 */
export async function findWritableFolder(folder: string, need: FolderNeed): Promise<string> {
  const { what, hint } = need;
  const refuse = (error: unknown): EvolinkError =>
    localIoError(error, `write to the folder of ${what}`, folder).with({ charged: 'no', hint });
  let isThere: boolean | undefined;
  try {
    isThere = statSync(folder, { throwIfNoEntry: false })?.isDirectory();
    if (isThere === true) tryFolder(folder);
  } catch (error) {
    if (isThere === true || fsErrorCode(error) !== 'ENOTDIR') throw refuse(error);
  }
  if (isThere === undefined) return findWritableFolder(dirname(folder), need);
  if (isThere) return folder;
  throw new EvolinkError('local-io', `"${folder}" is a file, so it can't hold ${what}`, {
    hint,
    charged: 'no',
  });
}

/** Only a file that was made there proves it: access(2) knows nothing of Windows' access lists, nor of what root can't do. */
function tryFolder(folder: string): void {
  const path = tempPathBeside(join(folder, 'any'));
  closeSync(openSync(path, NEW_FILE, 0o600));
  unlinkSync(path);
}
