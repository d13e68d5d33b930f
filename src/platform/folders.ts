import { mkdirSync, realpathSync, type Stats, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, posix, relative, sep, win32 } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { syncFolder, tempPathBeside } from './durable-file.ts';
import { fsErrorCode, localIoError } from './fs-error.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Variable of the XDG base directory specification 0.8, which is honoured on macOS too, and where it is absent. */
const PLACES = {
  state: { xdg: 'XDG_STATE_HOME', linux: '.local/state', variable: 'LOCALAPPDATA', windows: 'AppData/Local' },
  config: { xdg: 'XDG_CONFIG_HOME', linux: '.config', variable: 'APPDATA', windows: 'AppData/Roaming' },
} as const;

/**
 * Where records and locks live: `EVOLINK_STATE_DIR` if set (a relative value counts from the working directory), else
 * the platform's place for state: XDG on Linux, `Library/Application Support` on macOS, `LOCALAPPDATA` on Windows.
 */
export function stateFolder(env: Env, platform: NodeJS.Platform, home: string): string {
  if (env.EVOLINK_STATE_DIR) return (platform === 'win32' ? win32 : posix).resolve(env.EVOLINK_STATE_DIR);
  const folder = placeOf(PLACES.state, env, platform, home);
  return platform === 'win32' ? win32.join(folder, 'state') : folder;
}

/** Where the user's own configuration lives. */
export function configFolder(env: Env, platform: NodeJS.Platform, home: string): string {
  return placeOf(PLACES.config, env, platform, home);
}

type Place = (typeof PLACES)[keyof typeof PLACES];

function placeOf(place: Place, env: Env, platform: NodeJS.Platform, home: string): string {
  const isWindows = platform === 'win32';
  const { isAbsolute: isFull, join: joined } = isWindows ? win32 : posix;
  const named = env[isWindows ? place.variable : place.xdg] ?? '';
  const usual = platform === 'darwin' ? 'Library/Application Support' : place.linux;
  // "All paths set in these environment variables must be absolute; a relative one is invalid and ignored" (XDG 0.8).
  return joined(isFull(named) ? named : joined(home, isWindows ? place.windows : usual), 'evolink');
}

/**
 * Where a folder really is, links followed. What is not there yet is made below the nearest folder that is, and stands where
 * that one really stands. Never throws.
 */
export function realFolder(path: string): string {
  const parent = dirname(path);
  try {
    return realpathSync.native(path);
  } catch {
    if (parent === path) return path;
    return `${realFolder(parent)}${path.slice(parent.length)}`;
  }
}

/** As `realFolder`, asking the disk once for each folder: thousands of clips share a few. */
export function createRealFolders(): (path: string) => string {
  const known = new Map<string, string>();
  return (path) => {
    const found = known.get(path) ?? realFolder(path);
    known.set(path, found);
    return found;
  };
}

/** As `createRealFolders`, for the paths of files: what a name itself links to is not followed. */
export function createRealPaths(): (path: string) => string {
  const folderOf = createRealFolders();
  return (path) => join(folderOf(dirname(path)), basename(path));
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
export function isFolder(path: string): boolean {
  return statIfThere(path)?.isDirectory() === true;
}

/** Says whether a path is a file, or a link to one. */
export function isFile(path: string): boolean {
  return statIfThere(path)?.isFile() === true;
}

/**
 * Makes a folder with all its parents. Node's own `recursive` asks for ever where a file system says ENOENT below a folder
 * that exists (/proc and the like do).
 * @returns the topmost folder that was not there; undefined where the path was a folder already
 * @throws the system's error
 */
export async function makeFolder(path: string, mode = 0o777): Promise<string | undefined> {
  const missing: string[] = [];
  for (let folder = path; !isFolder(folder); folder = dirname(folder)) missing.unshift(folder);
  for (const folder of missing) {
    try {
      mkdirSync(folder, mode);
    } catch (error) {
      // Another process was quicker; or a file is in the way, which the next step says better.
      if (!isFolder(folder) && (fsErrorCode(error) !== 'EEXIST' || folder === path)) throw error;
    }
  }
  return missing[0];
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
    for (let folder = path; folder !== top; folder = dirname(folder)) await syncFolder(dirname(folder));
  } catch (error) {
    throw localIoError(error, 'make the folder', path);
  }
}

/**
 * The nearest folder that exists: this one or one above. What is missing below it can be made, as it can be written to.
 * Leaves all as it was.
 * @param need what is to be written, as in `the output`
 * @throws EvolinkError `local-io`; nothing was charged then
 */
export async function findWritableFolder(
  folder: string,
  need: { readonly what: string; readonly hint: string },
): Promise<string> {
  const facts = { hint: need.hint, charged: 'no' } as const;
  let isThere: boolean | undefined;
  try {
    isThere = statSync(folder, { throwIfNoEntry: false })?.isDirectory();
    if (isThere === true) {
      // Only a file that was made there proves it: access(2) knows nothing of Windows' access lists, nor of what root can't do.
      const path = tempPathBeside(join(folder, 'any'));
      writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
      unlinkSync(path);
    }
  } catch (error) {
    if (isThere === true || fsErrorCode(error) !== 'ENOTDIR')
      throw localIoError(error, `write to the folder of ${need.what}`, folder).with(facts);
  }
  if (isThere === undefined) return findWritableFolder(dirname(folder), need);
  if (isThere) return folder;
  throw new EvolinkError('local-io', `"${folder}" is a file, so it can't hold ${need.what}`, facts);
}

/** A path as seen from a folder, with `/` on every platform; null where only an absolute path leads there (another drive). */
export function relativePath(folder: string, path: string): string | null {
  const found = relative(folder, path);
  return isAbsolute(found) ? null : found.split(sep).join('/');
}
