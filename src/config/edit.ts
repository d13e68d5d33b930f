import { realpath, unlink } from 'node:fs/promises';
import { devNull } from 'node:os';
import { dirname, join } from 'node:path';
import { isMap, isScalar, parseDocument } from 'yaml';
import { EvolinkError } from '../errors.ts';
import { lstatIfThere, replaceDurably } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { readTextFile } from '../platform/read-file.ts';
import { describeValue, formatProblem } from '../request/problems.ts';
import { KEY_FILE_NAME } from './api-key.ts';
import { refuseKey } from './config-file.ts';
import { SETTING_ROWS, type SettingKey } from './keys.ts';
import { valueProblem } from './resolve.ts';
import { MAX_YAML_BYTES, readYaml } from './yaml.ts';

/** The row of a setting that the user's config may hold. @throws EvolinkError `usage` */
export function requireSetting(key: string): SettingKey<unknown> {
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
export function parseSetting(row: SettingKey<unknown>, text: string): unknown {
  const readings = [row.kind.fromText(text), readYaml(text).document?.value];
  const fitting = readings.find((raw) => row.kind.schema().safeParse(raw).success);
  if (fitting !== undefined) return fitting;
  throw new EvolinkError('usage', formatProblem({ source: row.key, ...valueProblem(row, text) }));
}

/** A config text with one setting changed, or removed where there is no value. Comments and the order of lines stay. */
export function editConfig(text: string, key: string, value: unknown): string {
  const document = parseDocument(text);
  if (value !== undefined) document.set(key, value);
  const { contents: map } = document;
  if (value === undefined && isMap(map)) {
    const at = map.items.findIndex((item) => isScalar(item.key) && item.key.value === key);
    const [gone] = at < 0 ? [] : map.items.splice(at, 1);
    const next = map.items[at]?.key;
    const above = isScalar(gone?.key) ? gone.key.commentBefore : undefined;
    // The lines above may be about more than this setting.
    if (isScalar(next)) next.commentBefore = joinLines(above, next.commentBefore);
    else document.comment = joinLines(above, document.comment);
    if (map.items.length === 0) {
      document.commentBefore = joinLines(document.commentBefore, map.commentBefore);
      document.contents = null;
    }
  }
  return document.contents === null
    ? (joinLines(document.commentBefore, document.comment)
        ?.replace(/^(?!$)/gm, '#')
        .concat('\n') ?? '')
    : document.toString({ lineWidth: 0 });
}

function joinLines(...texts: readonly (string | null | undefined)[]): string | null {
  const lines = texts.filter((text) => text !== null && text !== undefined);
  return lines.length === 0 ? null : lines.join('\n');
}

/** Changes one setting in the user's config, which is made where it is missing, with mode 0600. @throws EvolinkError */
export async function writeSetting(path: string, key: string, value: unknown): Promise<void> {
  if (path === devNull)
    throw new EvolinkError('usage', `EVOLINK_CONFIG is ${devNull}, so there is no config to write`, {
      hint: 'unset EVOLINK_CONFIG',
    });
  const stats = await lstatIfThere(path);
  if (key === 'api_key' && value !== undefined && stats?.isSymbolicLink() === true)
    throw new EvolinkError(
      'auth',
      `"${path}" is a symbolic link; a file that holds an API key must be a plain file`,
      {
        hint: 'evolink config init --user',
      },
    );
  if (value === undefined && stats === undefined) return;
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

/** Where the key lies that `evolink config init --user` has written. */
export function keyFileBeside(userConfigPath: string): string {
  return join(dirname(userConfigPath), KEY_FILE_NAME);
}

/** Writes the key into its own file beside the user's config, or removes that. There is one key: one in the config goes. */
export async function writeKeyFile(userConfigPath: string, key: string | undefined): Promise<void> {
  const path = keyFileBeside(userConfigPath);
  if (key === undefined) return unlink(path).catch(() => undefined);
  await ensureFolder(dirname(path));
  await replaceDurably(path, `${key}\n`);
  await writeSetting(userConfigPath, 'api_key', undefined);
}
