import { lstatSync, statSync } from 'node:fs';
import { devNull } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import type { Problem } from '../request/models.ts';
import { formatProblem, listError } from '../request/problems.ts';
import { KEY_FILE_NAME } from './api-key.ts';
import type { LoadedConfigFile } from './config-file.ts';
import { type ConfigResolution, type ConfigSources, type Env, resolveConfig } from './resolve.ts';

export const PROJECT_FILE_NAME = '.evolinkrc';
const USER_FILE_NAME = 'config.yaml';

interface LocateOptions {
  readonly cwd: string;
  readonly home: string;
  readonly env: Env;
  /** The platform's folder for our configuration, from `configFolder`. */
  readonly configFolder: string;
  readonly userId: number | undefined;
}

interface ConfigLocations {
  /** The nearest `.evolinkrc`. */
  readonly projectPath?: string | undefined;
  /** Absent where the user has no config. */
  readonly userPath?: string | undefined;
  /** Where the user config is or would be. */
  readonly userConfigPath: string;
  /** The key file beside it, where there is one. */
  readonly keyPath?: string | undefined;
  readonly warnings: readonly string[];
}

/** Where the user's config is or would be. */
export function findUserConfig({ cwd, env, configFolder }: Omit<LocateOptions, 'home' | 'userId'>): string {
  return env.EVOLINK_CONFIG ? resolve(cwd, env.EVOLINK_CONFIG) : join(configFolder, USER_FILE_NAME);
}

/**
 * Finds the config files: the nearest `.evolinkrc` from the working directory upward (the home folder or the root is the
 * last that is looked at), and the user config, which `EVOLINK_CONFIG` may name.
 * @throws EvolinkError `usage` when `EVOLINK_CONFIG` names no file
 */
function locateConfig(options: LocateOptions): ConfigLocations {
  const { cwd, env, userId } = options;
  const named = env.EVOLINK_CONFIG ? resolve(cwd, env.EVOLINK_CONFIG) : undefined;
  const userConfigPath = findUserConfig(options);
  // The usual way to say "no file"; every other device is refused when it is read.
  const isNone = named === devNull;
  const userPath = isNone || lookAt(userConfigPath) === undefined ? undefined : userConfigPath;
  if (named !== undefined && !isNone && userPath === undefined) {
    throw new EvolinkError('usage', `EVOLINK_CONFIG names "${named}", but there is no such file`, {
      hint: 'correct the path, or unset EVOLINK_CONFIG',
    });
  }
  const beside = join(dirname(userConfigPath), KEY_FILE_NAME);
  const keyPath = isNone || lookAt(beside) === undefined ? undefined : beside;
  const user = { userPath, userConfigPath, keyPath };
  const project = findProjectFile(options);
  if (project === undefined || project.path === userPath) return { ...user, warnings: [] };
  // Somebody else's file above a shared folder (/tmp) is no project of this user's. Root, who works in folders of
  // others (a mounted checkout in a container), takes the files of the folder's owner.
  const trusted = [0, userId, ...(userId === 0 ? [ownerOf(cwd)] : [])];
  if (userId !== undefined && !trusted.includes(project.ownerId)) {
    const warning = `${project.path} is ignored: it belongs to another user (uid ${project.ownerId}); to use it, set EVOLINK_CONFIG to it`;
    return { ...user, warnings: [warning] };
  }
  return { ...user, projectPath: project.path, warnings: [] };
}

interface ProjectFile {
  readonly path: string;
  readonly ownerId: number;
}

function findProjectFile({ cwd, home }: LocateOptions): ProjectFile | undefined {
  const last = resolve(home);
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const path = join(folder, PROJECT_FILE_NAME);
    const ownerId = lookAt(path);
    if (ownerId !== undefined) return { path, ownerId };
    if (folder === last || folder === dirname(folder)) return undefined;
  }
}

function ownerOf(folder: string): number | undefined {
  try {
    return statSync(folder).uid;
  } catch {
    return undefined;
  }
}

/** The owner of what is there, be it a file, a link or a pipe; undefined for nothing and for a folder. */
function lookAt(path: string): number | undefined {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats?.isDirectory() === true ? undefined : stats?.uid;
  } catch {
    return undefined;
  }
}

export interface LoadConfigOptions extends LocateOptions {
  /** Flags that are settings, by the key as written in files. */
  readonly flags?: ConfigSources['flags'];
}

export interface LoadedConfig extends Pick<ConfigResolution, 'settings' | 'hosts'> {
  readonly locations: ConfigLocations;
  readonly projectFile?: LoadedConfigFile | undefined;
  readonly userFile?: LoadedConfigFile | undefined;
  readonly warnings: readonly string[];
  /** About files that other people could have written or can read: shown in every mode. */
  readonly trustWarnings: readonly string[];
}

/**
 * Finds, reads and merges the configuration. The key is not touched: `resolveApiKey`, then `trustHosts`, take the result.
 * @throws EvolinkError `usage` with every problem of files, environment and flags; `auth` for an unsafe file
 */
export async function loadConfig(options: LoadConfigOptions): Promise<LoadedConfig> {
  const { env, flags, userId } = options;
  const locations = locateConfig(options);
  const load = async (path: string | undefined, level: 'project' | 'user') => {
    if (path === undefined) return undefined;
    // Most runs have no file, and then need no YAML.
    const { loadConfigFile } = await import('./config-file.ts');
    return loadConfigFile({ path, level, userId });
  };
  const projectFile = await load(locations.projectPath, 'project');
  const userFile = await load(locations.userPath, 'user');
  const merged = resolveConfig({ flags, env, projectFile: projectFile?.file, userFile: userFile?.file });
  const problems = [...merged.problems, ...(projectFile?.problems ?? []), ...(userFile?.problems ?? [])];
  if (problems.length > 0) throw configError(problems);
  const { settings, hosts, warnings } = merged;
  const ofFiles = [locations, projectFile, userFile].flatMap((part) => part?.warnings ?? []);
  const trustWarnings = [...ofFiles, ...merged.trustWarnings];
  return { settings, hosts, locations, projectFile, userFile, warnings, trustWarnings };
}

/** All problems of a configuration as one error. */
function configError(problems: readonly Problem[]): EvolinkError {
  const isOfFlags = problems.every(({ source }) => source.startsWith('--'));
  return listError(problems.map(formatProblem), {
    summary: `the configuration has ${problems.length} problems`,
    hint: isOfFlags ? undefined : '`evolink config` shows every setting and where it came from',
  });
}
