import * as z from 'zod/mini';
import { EvolinkError } from '../errors.ts';
import { readTextFile, type TextFile } from '../platform/read-file.ts';
import { describeKeyPath, type KeyPath } from '../request/body.ts';
import type { Problem } from '../request/models.ts';
import { describeValue, nearest } from '../request/problems.ts';
import { SETTING_ROWS, type SettingKey } from './keys.ts';
import { guardSecretFile } from './secret-file.ts';
import { MAX_YAML_BYTES, type Position, readYaml, type YamlDocument } from './yaml.ts';

export type ConfigLevel = 'project' | 'user';

/** The settings of one file, each valid on its own. */
export interface ConfigFile {
  readonly path: string;
  readonly level: ConfigLevel;
  /** As written, by the key as written. */
  readonly values: ReadonlyMap<string, unknown>;
  /** `/home/me/project/.evolinkrc:3`, for a key of `values`. */
  readonly sourceOf: (key: string) => string;
}

export interface ConfigText {
  readonly path: string;
  readonly level: ConfigLevel;
  readonly text: string;
}

export interface ConfigReading {
  readonly file: ConfigFile;
  readonly problems: readonly Problem[];
}

const START: Position = { line: 1, column: 1 };

function isAllowed(row: SettingKey<unknown>, level: ConfigLevel): boolean {
  return row.inFile === 'project and user' || (row.inFile === 'user' && level === 'user');
}

/** The one schema of a config file, from the table of settings. */
function configSchema(level: ConfigLevel) {
  const rows = SETTING_ROWS.filter((row) => isAllowed(row, level));
  return z.strictObject(Object.fromEntries(rows.map((row) => [row.key, z.optional(row.kind.schema())])));
}

/**
 * Reads the text of an `.evolinkrc` or a user config: strict YAML, only known keys, only allowed values. All problems at
 * once, each with file, line and column; a file with problems keeps its valid settings. Values of secrets are never
 * quoted. Pure, never throws.
 */
export function readConfig({ path, level, text }: ConfigText): ConfigReading {
  const { document, problems: syntax } = readYaml(text);
  const place = ({ line, column }: Position = START) => `${path}:${line}:${column}`;
  const sourceAt = (keyPath: KeyPath, position: Position | undefined) =>
    keyPath.length === 0
      ? place(position)
      : `${describeValue(describeKeyPath(keyPath))} (${place(position)})`;
  const problems: Problem[] = syntax.map(({ position, keyPath = [], message }) => ({
    source: sourceAt(keyPath, position),
    message,
  }));
  const object = document?.value;
  const values = new Map<string, unknown>();
  const sourceOf = (key: string) => `${path}:${(document?.keyAt([key]) ?? START).line}`;
  const reading = { file: { path, level, values, sourceOf }, problems };
  if (document === undefined || object === undefined) return reading;
  if (typeof object !== 'object' || object === null || Array.isArray(object)) {
    problems.push({ source: place(document.valueAt([])), message: 'must be lines of the form "key: value"' });
    return reading;
  }
  const wrong = new Set<unknown>();
  for (const issue of configSchema(level).safeParse(object).error?.issues ?? []) {
    const at = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
    const unknown = issue.code === 'unrecognized_keys' ? issue.keys : [];
    for (const name of unknown) {
      const keyPath = [...at, name];
      problems.push({ source: sourceAt(keyPath, document.keyAt(keyPath)), ...unknownKey(keyPath, level) });
    }
    // A setting that is wrong in several ways is said once.
    if (unknown.length === 0 && !wrong.has(at[0]))
      problems.push({ source: sourceAt(at, nearestPlace(document, at)), ...wrongValue(object, at) });
    for (const key of at.length > 0 ? at.slice(0, 1) : unknown) wrong.add(key);
  }
  for (const [key, value] of Object.entries(object)) if (!wrong.has(key)) values.set(key, value);
  return reading;
}

/** A place; of something that is missing, that of what is around it. */
function nearestPlace(document: YamlDocument, keyPath: KeyPath): Position | undefined {
  const found = document.valueAt(keyPath);
  return found !== undefined || keyPath.length === 0 ? found : nearestPlace(document, keyPath.slice(0, -1));
}

function wrongValue(object: object, keyPath: KeyPath): Omit<Problem, 'source'> {
  const raw = keyPath.reduce<unknown>((inner, key) => Reflect.get(Object(inner), key), object);
  if (raw === null) return { message: 'has no value; give one or remove the line' };
  if (raw === undefined) return { message: 'is missing' };
  const row = SETTING_ROWS.find(({ key }) => key === keyPath[0]);
  const message = `must be ${row?.kind.expected}`;
  if (row === undefined || row.isSecret === true) return { message };
  const suggestion = keyPath.length === 1 ? row.kind.suggest?.(raw) : undefined;
  return { value: describeValue(raw), message, ...(suggestion === undefined ? {} : { suggestion }) };
}

function unknownKey(keyPath: KeyPath, level: ConfigLevel): Omit<Problem, 'source'> {
  const name = String(keyPath[0]);
  const row = SETTING_ROWS.find(({ key }) => key === name);
  if (keyPath.length > 1) return { message: `is not a known key; ${name} must be ${row?.kind.expected}` };
  if (row?.inFile === 'none') return { message: `cannot be set in a file; set ${row.env}` };
  if (row?.inFile === 'user')
    return {
      message:
        'is not allowed in a project file, which may come from somebody else; put it into your user config',
    };
  const known = SETTING_ROWS.filter((other) => isAllowed(other, level)).map(({ key }) => key);
  const suggestion = nearest(
    name
      .replace(/([a-z])([A-Z])/g, '$1_$2')
      .replace(/[-\s]/g, '_')
      .toLowerCase(),
    known,
  );
  return suggestion === undefined
    ? { message: 'is not a known setting; `evolink config` lists them' }
    : { message: 'is not a known setting', suggestion };
}

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
    allowsShellPipe: level === 'user',
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
    hint: 'replace the link with a copy',
  });
}
