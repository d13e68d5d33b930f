import { EvolinkError } from '../errors.ts';
import { guardSecretFile, readTextFile, type TextFile } from '../platform/read-file.ts';
import { describeKeyPath } from '../request/draft.ts';
import type { Problem } from '../request/models.ts';
import { describeValue, nearest } from '../request/problems.ts';
import { SETTING_ROWS } from './keys.ts';
import { MAX_YAML_BYTES, type Position, readYaml } from './yaml.ts';

export type ConfigLevel = 'project' | 'user';

/** The settings of one file; their values are checked where they are merged. */
export interface ConfigFile {
  readonly path: string;
  readonly level: ConfigLevel;
  /** As written, by the key as written; keys that are unknown or not allowed here are left out. */
  readonly values: ReadonlyMap<string, unknown>;
  /** `/home/me/project/.evolinkrc:3`, for a key of `values`. */
  readonly sourceOf: (key: string) => string;
  /** The same with the column of the value, for messages. */
  readonly placeOf: (key: string) => string;
}

export interface ConfigReading {
  readonly file: ConfigFile;
  readonly problems: readonly Problem[];
}

/**
 * Reads the text of an `.evolinkrc` or a user config: strict YAML, only known keys. All problems at once, each with file,
 * line and column; a file with problems keeps its other settings. Pure, never throws.
 */
export function readConfig({
  path,
  level,
  text,
}: {
  readonly path: string;
  readonly level: ConfigLevel;
  readonly text: string;
}): ConfigReading {
  const { document, problems: syntax } = readYaml(text);
  const place = ({ line, column }: Position = { line: 1, column: 1 }) => `${path}:${line}:${column}`;
  const named = (key: string, position: Position | undefined) => `${describeValue(key)} (${place(position)})`;
  const problems: Problem[] = syntax.map(({ position, keyPath, message }) => ({
    source: keyPath === undefined ? place(position) : named(describeKeyPath(keyPath), position),
    message,
  }));
  const values = new Map<string, unknown>();
  const file: ConfigFile = {
    path,
    level,
    values,
    sourceOf: (key) => `${path}:${document?.keyAt([key])?.line ?? 1}`,
    placeOf: (key) => place(document?.valueAt([key])),
  };
  const object = document?.value ?? {};
  if (typeof object !== 'object' || Array.isArray(object)) {
    problems.push({
      source: place(document?.valueAt([])),
      message: 'must be lines of the form "key: value"',
    });
    return { file, problems };
  }
  for (const [key, value] of Object.entries(object)) {
    const refusal = refuseKey(key, level);
    if (refusal !== undefined) problems.push({ source: named(key, document?.keyAt([key])), ...refusal });
    else if (value !== null) values.set(key, value);
    else {
      const message = 'has no value; give one or remove the line';
      problems.push({ source: named(key, document?.valueAt([key])), message });
    }
  }
  return { file, problems };
}

/** Why a key may not stand in such a file; undefined where it may. */
export function refuseKey(key: string, level: ConfigLevel): Omit<Problem, 'source'> | undefined {
  const row = SETTING_ROWS.find((each) => each.key === key);
  if (row?.inFile === 'none') return { message: `cannot be set in a file; set ${row.env}` };
  if (row?.inFile === 'user' && level === 'project')
    return {
      message:
        'is not allowed in a project file, which may come from somebody else; put it into your user config',
    };
  if (row !== undefined) return undefined;
  const spelled = key
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replace(/[-\s]/g, '_')
    .toLowerCase();
  const known = SETTING_ROWS.filter(({ inFile }) => inFile !== 'none').map((each) => each.key);
  const suggestion = nearest(spelled, known);
  return suggestion === undefined
    ? { message: 'is not a known setting; `evolink config` lists them' }
    : { message: 'is not a known setting', suggestion };
}

export interface LoadedConfigFile extends ConfigReading {
  readonly owner: TextFile['owner'];
  readonly warnings: readonly string[];
}

/**
 * Reads one config file from disk. A user config that says where the key is must be ours, and one that holds the key must
 * be a plain file with mode 0600 (repaired, with a warning). A project file must be a plain file: a link in a cloned
 * repository could lead anywhere.
 * @throws EvolinkError `usage` (unreadable, too large, not UTF-8), `auth` (a link, another owner)
 */
export async function loadConfigFile({
  path,
  level,
  userId,
}: {
  readonly path: string;
  readonly level: ConfigLevel;
  readonly userId: number | undefined;
}): Promise<LoadedConfigFile> {
  const { text, isSymbolicLink, owner } = await readTextFile(path, {
    label: 'config file',
    maxBytes: MAX_YAML_BYTES,
    allowsShellPipe: level === 'user',
  });
  const reading = readConfig({ path, level, text });
  const hasKey = reading.file.values.has('api_key');
  if (isSymbolicLink && owner !== undefined && (level === 'project' || hasKey)) {
    const what = level === 'project' ? 'a project file' : 'a file that holds an API key';
    throw new EvolinkError(
      'auth',
      `the config file "${path}" is a symbolic link; ${what} must be a plain file`,
      {
        hint: 'replace the link with a copy',
      },
    );
  }
  const isGuarded = level === 'user' && (hasKey || reading.file.values.has('api_key_command'));
  const warnings = isGuarded ? await guardSecretFile({ path, label: 'user config', owner, userId }) : [];
  return { ...reading, owner, warnings };
}
