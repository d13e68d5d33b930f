import { realpath, unlink } from 'node:fs/promises';
import { devNull } from 'node:os';
import { dirname, join } from 'node:path';
import { isMap, isScalar, parseDocument } from 'yaml';
import { EvolinkError } from '../errors.ts';
import { lstatIfThere, replaceDurably } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { guardSecretFile, readTextFile } from '../platform/read-file.ts';
import { describeKeyPath, isJobObject } from '../request/draft.ts';
import type { Problem } from '../request/models.ts';
import { describeValue, formatProblem, nearest } from '../request/problems.ts';
import { type Given, KEY_FILE_NAME, SETTING_ROWS, type SettingRow, valueProblem } from './keys.ts';
import { MAX_YAML_BYTES, type Position, readYaml } from './yaml.ts';

type FileLevel = 'project' | 'user';

export type ConfigFile = Awaited<ReturnType<typeof loadConfigFile>>;

const START: Position = { line: 1, column: 1 };

/**
 * Reads the text of an `.evolinkrc` or a user config: strict YAML, only known keys. All problems at once, each with file,
 * line and column; a file with problems keeps its other settings, which are checked where they are merged. Pure, never
 * throws.
 */
export function readConfig(path: string, level: FileLevel, text: string) {
  const { document, problems: syntax } = readYaml(text);
  const place = ({ line, column }: Position = START) => `${path}:${line}:${column}`;
  const named = (key: string, position: Position | undefined) => `${describeValue(key)} (${place(position)})`;
  const problems: Problem[] = syntax.map(({ position, keyPath, message }) => ({
    source: keyPath === undefined ? place(position) : named(describeKeyPath(keyPath), position),
    message,
  }));
  const given = new Map<string, Given>();
  const object = document?.value ?? {};
  if (!isJobObject(object)) {
    const source = place(document?.valueAt([]));
    problems.push({ source, message: 'must be lines of the form "key: value"' });
    return { path, level, given, problems };
  }
  for (const [key, value] of Object.entries(object)) {
    const [keyAt = START, valueAt] = [document?.keyAt([key]), document?.valueAt([key])];
    const refusal = refuseKey(key, level);
    if (refusal !== undefined) problems.push({ source: named(key, keyAt), ...refusal });
    else if (value !== null)
      given.set(key, { value, level, source: `${path}:${keyAt.line}`, at: named(key, valueAt) });
    else problems.push({ source: named(key, valueAt), message: 'has no value; give one or remove the line' });
  }
  return { path, level, given, problems };
}

/** Why a key may not stand in such a file; undefined where it may. */
function refuseKey(key: string, level: FileLevel): Omit<Problem, 'source'> | undefined {
  const row = SETTING_ROWS.find((each) => each.key === key);
  if (row?.inFile === 'none') return { message: `cannot be set in a file; set ${row.env}` };
  if (row?.inFile === 'user' && level === 'project')
    return {
      message:
        'is not allowed in a project file, which may come from somebody else; put it into your user config',
    };
  if (row !== undefined) return undefined;
  const spelled = key.replace(/([a-z])([A-Z])/g, '$1_$2').replace(/[-\s]/g, '_');
  const known = SETTING_ROWS.filter(({ inFile }) => inFile !== 'none').map((each) => each.key);
  const suggestion = nearest(spelled, known);
  const list = suggestion === undefined ? '; `evolink config` lists them' : '';
  return { message: `is not a known setting${list}`, suggestion };
}

/**
 * Reads one config file from disk. A user config that says where the key is must be ours, and one that holds the key must
 * be a plain file with mode 0600 (repaired, with a warning). A project file must be a plain file: a link in a cloned
 * repository could lead anywhere.
 * @throws EvolinkError `usage` (unreadable, too large, not UTF-8), `auth` (a link, another owner)
 */
export async function loadConfigFile(path: string, level: FileLevel, userId: number | undefined) {
  const { text, isSymbolicLink, owner } = await readTextFile(path, {
    label: 'config file',
    maxBytes: MAX_YAML_BYTES,
    allowsShellPipe: level === 'user',
  });
  const file = readConfig(path, level, text);
  const hasKey = file.given.has('api_key');
  if (isSymbolicLink && owner !== undefined && (level === 'project' || hasKey))
    throw linkError(path, level === 'project' ? 'a project file' : 'a file that holds an API key');
  const isGuarded = level === 'user' && (hasKey || file.given.has('api_key_command'));
  const warnings = isGuarded ? await guardSecretFile(path, 'user config', owner, userId) : [];
  return { ...file, owner, warnings };
}

function linkError(path: string, what: string): EvolinkError {
  const problem = `the config file "${path}" is a symbolic link; ${what} must be a plain file`;
  return new EvolinkError('auth', problem, { hint: 'replace the link with a copy' });
}

// ---- Changes to the user's own

/** The row of a setting that the user's config may hold. @throws EvolinkError `usage` */
export function requireSetting(key: string): SettingRow {
  const row = SETTING_ROWS.find((each) => each.key === key);
  if (row === undefined || row.inFile === 'none') throw unknownSetting(key);
  return row;
}

export function unknownSetting(key: string): EvolinkError {
  const { message, suggestion } = refuseKey(key, 'user') ?? { message: 'is not a known setting' };
  const hint = suggestion === undefined ? undefined : `did you mean ${suggestion}?`;
  return new EvolinkError('usage', `"${describeValue(key)}" ${message}`, { hint });
}

/**
 * What a person typed, as YAML would give it: text as in the environment, or YAML where the setting is a list.
 * @throws EvolinkError `usage`
 */
export function parseSetting(row: SettingRow, text: string): unknown {
  const readings = [row.fromText(text), readYaml(text).document?.value];
  const fitting = readings.find((raw) => row.read(raw) !== undefined);
  if (fitting !== undefined) return fitting;
  throw new EvolinkError('usage', formatProblem({ source: row.key, ...valueProblem(row, text) }));
}

/** A config text with one setting changed, or removed where there is no value. Comments and the order of lines stay. */
function editConfig(text: string, key: string, value: unknown): string {
  const document = parseDocument(text);
  const { contents } = document;
  if (value !== undefined) document.set(key, value);
  else if (!isMap(contents)) return text;
  else if (contents.flow === true) document.delete(key);
  else {
    const gone = contents.items.find((item) => isScalar(item.key) && item.key.value === key);
    // Its lines alone: a comment above may be about more than this setting.
    return gone === undefined
      ? text
      : text.slice(0, gone.key.range[0]) + text.slice((gone.value ?? gone.key).range[2]);
  }
  return document.toString({ lineWidth: 0 });
}

/** Changes one setting in the user's config, which is made where it is missing, with mode 0600. @throws EvolinkError */
export async function writeSetting(path: string, key: string, value: unknown): Promise<void> {
  if (path === devNull)
    throw new EvolinkError('usage', `EVOLINK_CONFIG is ${devNull}, so there is no config to write`, {
      hint: 'unset EVOLINK_CONFIG',
    });
  const stats = await lstatIfThere(path);
  if (value === undefined && stats === undefined) return;
  if (key === 'api_key' && value !== undefined && stats?.isSymbolicLink() === true)
    throw linkError(path, 'a file that holds an API key');
  const limits = { label: 'config file', maxBytes: MAX_YAML_BYTES };
  const { text } = stats === undefined ? { text: '' } : await readTextFile(path, limits);
  const [problem] = readYaml(text).problems;
  if (problem !== undefined) {
    const { position, message } = problem;
    throw new EvolinkError('usage', `${path}:${position.line}:${position.column}: ${message}`);
  }
  // A link from a folder of dotfiles stays one.
  const target = stats === undefined ? path : await realpath(path);
  await ensureFolder(dirname(target));
  await replaceDurably(target, editConfig(text, key, value));
}

/**
 * Writes the key into its own file beside the user's config, or removes that. There is one key: one in the config goes.
 * @returns the path of the key file
 */
export async function writeKeyFile(userConfigPath: string, key: string | undefined): Promise<string> {
  const path = join(dirname(userConfigPath), KEY_FILE_NAME);
  if (key === undefined) await unlink(path).catch(() => undefined);
  else {
    await ensureFolder(dirname(path));
    await replaceDurably(path, `${key}\n`);
    await writeSetting(userConfigPath, 'api_key', undefined);
  }
  return path;
}
