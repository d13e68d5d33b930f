import type { EvolinkError } from '../errors.ts';
import { formatProblem } from '../request/format-problem.ts';
import { listError } from '../request/list-error.ts';
import type { Problem } from '../request/types.ts';
import type { LoadedConfigFile } from './load-config-file.ts';
import { type ConfigLocations, type LocateOptions, locateConfig } from './locate.ts';
import { type ConfigResolution, resolveConfig } from './resolve-config.ts';

export interface LoadConfigOptions extends LocateOptions {
  /** Flags that are settings, by the key as written in files. */
  readonly flags?: Readonly<Record<string, unknown>> | undefined;
}

export interface LoadedConfig extends Pick<ConfigResolution, 'settings' | 'hosts'> {
  readonly locations: ConfigLocations;
  readonly projectFile?: LoadedConfigFile | undefined;
  readonly userFile?: LoadedConfigFile | undefined;
  readonly warnings: readonly string[];
}

/**
 * Finds, reads and merges the configuration. The key is not touched: `resolveApiKey`, then `trustHosts`, take the result.
 * @throws EvolinkError `usage` with every problem of files, environment and flags; `auth` for an unsafe file
 */
export async function loadConfig(options: LoadConfigOptions): Promise<LoadedConfig> {
  const { env, flags, userId } = options;
  const locations = await locateConfig(options);
  const load = async (path: string | undefined, level: 'project' | 'user') => {
    if (path === undefined) return undefined;
    // Most runs have no file, and then need no YAML.
    const { loadConfigFile } = await import('./load-config-file.ts');
    return loadConfigFile({ path, level, userId });
  };
  const projectFile = await load(locations.projectPath, 'project');
  const userFile = await load(locations.userPath, 'user');
  const merged = resolveConfig({ flags, env, projectFile: projectFile?.file, userFile: userFile?.file });
  const problems = [...merged.problems, ...(projectFile?.problems ?? []), ...(userFile?.problems ?? [])];
  if (problems.length > 0) throw configError(problems);
  const warnings = [locations, projectFile, userFile, merged].flatMap((part) => part?.warnings ?? []);
  return { settings: merged.settings, hosts: merged.hosts, locations, projectFile, userFile, warnings };
}

/** All problems of a configuration as one error. */
export function configError(problems: readonly Problem[]): EvolinkError {
  const isOfFlags = problems.every(({ source }) => source.startsWith('--'));
  return listError(problems.map(formatProblem), {
    summary: `the configuration has ${problems.length} problems`,
    hint: isOfFlags ? undefined : '`evolink config` shows every setting and where it came from',
  });
}
