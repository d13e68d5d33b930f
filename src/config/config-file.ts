import * as z from 'zod/mini';
import { EvolinkError } from '../errors.ts';
import { readTextFile, type TextFile } from '../platform/read-file.ts';
import { describeKeyPath, type KeyPath } from '../request/body.ts';
import type { Problem } from '../request/models.ts';
import { describeValue, nearest } from '../request/problems.ts';
import { CREDITS_KIND, SETTING_ROWS, type SettingKey } from './keys.ts';
import { guardSecretFile } from './secret-file.ts';
import { MAX_YAML_BYTES, type Position, readYaml, type YamlDocument, type YamlProblem } from './yaml.ts';

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
const PRICE_KEYS = ['tier', 'quality', 'without_video', 'with_video'];

function isAllowed(row: SettingKey<unknown>, level: ConfigLevel): boolean {
  return row.inFile === 'project and user' || (row.inFile === 'user' && level === 'user');
}

function configSchema(level: ConfigLevel) {
  const rows = SETTING_ROWS.filter((row) => isAllowed(row, level));
  return z.strictObject(Object.fromEntries(rows.map((row) => [row.key, z.optional(row.kind.schema)])));
}

/**
 * Reads the text of an `.evolinkrc` or a user config: strict YAML, only known keys, only allowed values. All problems at
 * once, each with file, line and column; a file with problems keeps its valid settings. Values of secrets are never
 * quoted. Pure, never throws.
 */
export function readConfig({ path, level, text }: ConfigText): ConfigReading {
  const { document, problems: syntax } = readYaml(text);
  const problems = syntax.map((problem) => syntaxProblem(path, problem));
  const empty = { path, level, values: new Map(), sourceOf: () => path };
  if (document?.value === undefined) return { file: empty, problems };
  if (typeof document.value !== 'object' || document.value === null || Array.isArray(document.value)) {
    const source = formatPlace(path, document.valueAt([]));
    return {
      file: empty,
      problems: [...problems, { source, message: 'must be lines of the form "key: value"' }],
    };
  }
  const object = document.value;
  const wrong = new Set<string>();
  for (const issue of configSchema(level).safeParse(object).error?.issues ?? []) {
    for (const keyPath of issuePaths(issue)) {
      const key = String(keyPath[0]);
      if (wrong.has(describeKeyPath(keyPath))) continue;
      wrong.add(describeKeyPath(keyPath)).add(key);
      problems.push(settingProblem({ path, level, document }, keyPath, issue.code === 'unrecognized_keys'));
    }
  }
  const values = new Map(Object.entries(object).filter(([key]) => !wrong.has(key)));
  const sourceOf = (key: string) => `${path}:${(document.keyAt([key]) ?? START).line}`;
  return { file: { path, level, values, sourceOf }, problems };
}

function issuePaths(issue: z.core.$ZodIssue): readonly KeyPath[] {
  const keyPath = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
  return issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...keyPath, key]) : [keyPath];
}

interface ProblemContext {
  readonly path: string;
  readonly level: ConfigLevel;
  readonly document: YamlDocument;
}

function settingProblem(
  { path, level, document }: ProblemContext,
  keyPath: KeyPath,
  isUnknown: boolean,
): Problem {
  const place = nearestPlace(isUnknown ? document.keyAt : document.valueAt, keyPath);
  const source = `${describeValue(describeKeyPath(keyPath))} (${formatPlace(path, place)})`;
  const row = SETTING_ROWS.find(({ key }) => key === keyPath[0]);
  if (isUnknown) return { source, ...unknownKey(keyPath, row, level) };
  const raw = valueAt(document.value, keyPath);
  if (raw === null) return { source, message: 'has no value; give one or remove the line' };
  if (raw === undefined) return { source, message: 'is missing' };
  const message = `must be ${keyPath.length > 2 ? nestedExpected(keyPath) : (row?.kind.expected ?? 'something else')}`;
  if (row === undefined || row.isSecret) return { source, message };
  const suggestion = keyPath.length === 1 ? row.kind.suggest?.(raw) : undefined;
  return { source, value: describeValue(raw), message, ...(suggestion === undefined ? {} : { suggestion }) };
}

/** Only prices have keys inside. */
function nestedExpected(keyPath: KeyPath): string {
  return String(keyPath.at(-1)).endsWith('_video') ? CREDITS_KIND.expected : 'text';
}

function unknownKey(
  keyPath: KeyPath,
  row: SettingKey<unknown> | undefined,
  level: ConfigLevel,
): Omit<Problem, 'source'> {
  const name = String(keyPath.at(-1));
  if (keyPath.length > 1) return withSuggestion('is not a known key', nearest(name, PRICE_KEYS));
  if (row?.inFile === 'none')
    return { message: `cannot be set in a file; set ${row.env ?? 'the environment'}` };
  if (row?.inFile === 'user')
    return {
      message:
        'is not allowed in a project file, which may come from somebody else; put it into your user config',
    };
  const known = SETTING_ROWS.filter((other) => isAllowed(other, level)).map(({ key }) => key);
  const snake = name
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replace(/[-\s]/g, '_')
    .toLowerCase();
  return withSuggestion('is not a known setting; `evolink config` lists them', nearest(snake, known));
}

/** A place; of something that is missing, that of what is around it. */
function nearestPlace(placeOf: YamlDocument['keyAt'], keyPath: KeyPath): Position | undefined {
  const found = placeOf(keyPath);
  return found !== undefined || keyPath.length === 0 ? found : nearestPlace(placeOf, keyPath.slice(0, -1));
}

function withSuggestion(message: string, suggestion: string | undefined): Omit<Problem, 'source'> {
  return suggestion === undefined ? { message } : { message, suggestion };
}

function valueAt(value: unknown, keyPath: KeyPath): unknown {
  return keyPath.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  );
}

function syntaxProblem(path: string, { position, keyPath, message }: YamlProblem): Problem {
  const place = formatPlace(path, position);
  return {
    source:
      keyPath === undefined || keyPath.length === 0
        ? place
        : `${describeValue(describeKeyPath(keyPath))} (${place})`,
    message,
  };
}

function formatPlace(path: string, position: Position = START): string {
  return `${path}:${position.line}:${position.column}`;
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
    hint:
      level === 'project'
        ? 'replace the link with a copy'
        : 'replace the link with a copy, or move the key to EVOLINK_API_KEY or api_key_command',
    charged: 'no',
  });
}
