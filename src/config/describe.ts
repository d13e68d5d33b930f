import type { Setting, SettingLevel } from '../request/estimate.ts';
import { type ApiKey, type ApiKeyPlace, maskSecret } from './api-key.ts';
import { SETTING_KEYS, SETTING_ROWS, type SettingKey } from './keys.ts';
import type { ResolvedConfig } from './resolve.ts';

export interface ConfigRow {
  /** As written in files. */
  readonly key: string;
  /** For people; a secret is masked. Empty where nothing is set. */
  readonly text: string;
  /** For programs: the plain value, `null` where nothing is set; a secret is masked. */
  readonly value: unknown;
  readonly level: SettingLevel | 'none';
  readonly source: string;
}

export interface DescribedKey {
  /** The place alone, where the key was not read (a command was not run). */
  readonly place?: Pick<ApiKeyPlace, 'level' | 'source' | 'isCommand'> | undefined;
  /** The key itself, for its last characters. */
  readonly apiKey?: ApiKey | undefined;
}

/** One row a setting, in the order of the table, the API key first. Secrets are masked. Pure. */
export function describeConfig(settings: ResolvedConfig, key: DescribedKey = {}): readonly ConfigRow[] {
  const values: Readonly<Record<string, Setting<unknown>>> = settings;
  const rows = Object.entries(SETTING_KEYS).flatMap(([name, row]) => {
    const setting = values[name];
    return setting === undefined ? [] : [settingRow(row, setting)];
  });
  return [keyRow(key), ...rows];
}

/** The document of `evolink config --json`: times in ms, sizes in bytes. */
export function configDocument(
  rows: readonly ConfigRow[],
  files: { readonly project?: string | undefined; readonly user?: string | undefined },
) {
  return {
    kind: 'evolink.config',
    files: { project: files.project ?? null, user: files.user ?? null },
    settings: Object.fromEntries(
      rows.map(({ key, value, level, source }) => [key, { value, level, source }]),
    ),
  } as const;
}

function settingRow(row: SettingKey<unknown>, { value, level, source }: Setting<unknown>): ConfigRow {
  if (value === undefined) return { key: row.key, text: '', value: null, level: 'none', source: 'not set' };
  return { key: row.key, text: row.kind.format(value), value, level, source };
}

function keyRow({ place, apiKey }: DescribedKey): ConfigRow {
  const { key } = SETTING_KEYS.apiKey;
  const origin = apiKey ?? place;
  if (origin === undefined) return { key, text: '', value: null, level: 'none', source: 'not set' };
  const masked = apiKey === undefined ? '***' : maskSecret(apiKey.reveal());
  const source = place?.isCommand === true ? `${origin.source} (api_key_command)` : origin.source;
  return { key, text: masked, value: masked, level: origin.level, source };
}

const HEADER = [
  '# Settings of evolink. Copy this file to .evolinkrc in your project (found from the working directory upward), or to',
  '# config.yaml in your user config folder (Linux: ~/.config/evolink/config.yaml). `evolink config` shows what holds.',
  '#',
  '# Strongest first: flag, environment variable, project file, user config, built-in value.',
  '# YAML, strict: an unknown key is an error. Remove the # before a setting to use it.',
];

/**
 * The text of `evolink config init` and of `.evolinkrc.example`: every key of the table, explained and commented out.
 * @param flagsOf the flags that say something of a setting
 */
export function configTemplate(flagsOf: (key: string) => readonly string[]): string {
  const rows = SETTING_ROWS.filter(({ inFile }) => inFile !== 'none');
  const lines = rows.flatMap(({ key, group, description, env, example }) => {
    const ways = [...flagsOf(key), ...(env === undefined ? [] : [env])];
    return [
      ...(group === undefined ? [] : ['', `# --- ${group} ---`]),
      '',
      // Prose starts with `# `, a setting with `#` alone.
      `# ${description}`,
      ...(ways.length === 0 ? [] : [`# Also: ${ways.join(', ')}`]),
      `#${key}: ${example}`,
    ];
  });
  return `${[...HEADER, ...lines].join('\n')}\n`;
}
