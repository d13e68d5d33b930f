import { EvolinkError } from '../errors.ts';
import type { Problem } from '../request/types.ts';
import { guardSecretFile } from './guard-secret-file.ts';
import { type ConfigFile, type ConfigLevel, readConfig } from './read-config.ts';
import { readTextFile, type TextFile } from './read-text-file.ts';
import { MAX_YAML_BYTES } from './read-yaml.ts';

export interface LoadedConfigFile {
  readonly file: ConfigFile;
  readonly owner: TextFile['owner'];
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

export interface ConfigFileOptions {
  readonly path: string;
  readonly level: ConfigLevel;
  readonly userId: number | undefined;
}

/**
 * Reads one config file from disk. A user config that says where the key is must be ours, and one that holds the key must
 * be a plain file with mode 0600 (repaired, with a warning). A project file must be a plain file: a link in a cloned
 * repository could lead anywhere.
 * @throws EvolinkError `usage` (unreadable, too large, not UTF-8), `auth` (a link, another owner)
 */
export async function loadConfigFile({ path, level, userId }: ConfigFileOptions): Promise<LoadedConfigFile> {
  const { text, isSymbolicLink, owner } = await readTextFile(path, {
    label: 'config file',
    maxBytes: MAX_YAML_BYTES,
  });
  const { file, problems } = readConfig({ path, level, text });
  const hasKey = file.values.has('api_key');
  if (isSymbolicLink && owner !== undefined && (level === 'project' || hasKey)) throw linkError(path, level);
  const isGuarded = level === 'user' && (hasKey || file.values.has('api_key_command'));
  const warnings = isGuarded ? await guardSecretFile({ path, label: 'user config', owner, userId }) : [];
  return { file, owner, problems, warnings };
}

function linkError(path: string, level: ConfigLevel): EvolinkError {
  const reason =
    level === 'project'
      ? 'a project file is read only where it is a plain file'
      : 'a file that holds an API key must be a plain file';
  return new EvolinkError('auth', `the config file "${path}" is a symbolic link; ${reason}`, {
    hint:
      level === 'project'
        ? 'replace the link with a copy'
        : 'replace the link with a copy, or move the key to EVOLINK_API_KEY or api_key_command',
    charged: 'no',
  });
}
