import { dirname, join, relative, resolve, sep } from 'node:path';
import { isInside } from '../platform/folders.ts';
import type { Setting, SettingLevel } from '../request/estimate.ts';
import type { RequestDraft } from '../request/fields.ts';
import type { Operation, Problem, Sourced } from '../request/models.ts';
import { describeValue, nearest } from '../request/problems.ts';
import type { ConfigFile } from './config-file.ts';
import { SETTING_KEYS, SETTING_ROWS, type SettingKey, type SettingName } from './keys.ts';
import { escapePattern } from './output.ts';

/** Our variables that are no settings, in the order in which they are looked at. */
export const OTHER_VARIABLES = [
  { name: 'EVOLINK_API_KEY_FILE', description: 'file that holds the API key and nothing else (mode 0600)' },
  { name: 'EVOLINK_CONFIG', description: 'user config to read instead of the usual one' },
  { name: 'EVOLINK_SANDBOX', description: '1: as --sandbox' },
  { name: 'EVOLINK_SANDBOX_FAULTS', description: 'faults of that sandbox: see `evolink help faults`' },
  {
    name: 'EVOLINK_INTERNAL_CLOCK_RATE',
    description: 'for tests: speeds up the internal clock by this factor',
  },
] as const;

/**
 * Makes the output of a project file absolute: it counts from the file's folder. One outside of that folder is left out
 * with a warning: a repository from somebody else must not decide where on the disk files are written.
 */
function placeProjectOutput(
  chain: readonly Setting<unknown>[],
  file: ConfigFile | undefined,
  warnings: string[],
): readonly Setting<unknown>[] {
  return chain.flatMap((setting) => {
    const { value } = setting;
    if (setting.level !== 'project' || file === undefined || typeof value !== 'string' || value === '-')
      return [setting];
    const folder = dirname(file.path);
    const path = resolve(folder, value);
    if (!isInside(folder, path)) {
      warnings.push(
        `output from ${setting.source} is ignored: it leads out of ${folder}, and a project file may only write below its own folder; use -o or EVOLINK_OUTPUT for another place`,
      );
      return [];
    }
    const inside = relative(folder, path);
    const isFolder = inside === '' || /[/\\]$/.test(value);
    return [{ ...setting, value: `${join(escapePattern(folder), inside)}${isFolder ? sep : ''}` }];
  });
}

export type Env = Readonly<Record<string, string | undefined>>;

/** Settings that are values. The API key is found by `resolveApiKey` and is never part of this. */
type ResolvedName = Exclude<SettingName, 'apiKey' | 'apiKeyCommand'>;

type ValueOf<K> = K extends SettingKey<infer T, infer B> ? T | B : never;

/** Every setting with its value and where it came from. */
export type ResolvedConfig = {
  readonly [Name in ResolvedName]: Setting<ValueOf<(typeof SETTING_KEYS)[Name]>>;
};

export interface ConfigSources {
  /** By the key as written in files, with the flag as typed; texts are read as in the environment. */
  readonly flags?: Readonly<Record<string, Sourced<unknown>>> | undefined;
  readonly env: Env;
  readonly projectFile?: ConfigFile | undefined;
  readonly userFile?: ConfigFile | undefined;
}

/** All values of the hosts, strongest first, the built-in one last: `trustHosts` chooses when the key is known. */
export interface HostCandidates {
  readonly baseUrl: readonly Setting<string>[];
  readonly filesUrl: readonly Setting<string>[];
}

export interface ConfigResolution {
  readonly settings: ResolvedConfig;
  readonly hosts: HostCandidates;
  readonly warnings: readonly string[];
  /** What a project file was not allowed to do: shown in every mode. */
  readonly trustWarnings: readonly string[];
  readonly problems: readonly Problem[];
}

interface Candidate {
  readonly raw: unknown;
  readonly level: SettingLevel;
  readonly source: string;
  /** What a problem names. */
  readonly at: string;
}

/**
 * Merges all sources: flag over environment over project file over user file over built-in, each value with where it came
 * from. Every value is checked, also one that a stronger source hides. Pure, never throws.
 */
export function resolveConfig(sources: ConfigSources): ConfigResolution {
  const trustWarnings: string[] = [];
  const problems: Problem[] = [];
  const chainOf = <T>(row: SettingKey<T>): readonly Setting<T>[] => {
    const chain = candidates(row, sources).flatMap((candidate): Setting<unknown>[] => {
      const { raw, level, source } = candidate;
      const result = row.kind.schema().safeParse(raw);
      if (result.success) return [{ value: result.data, level, source }];
      problems.push({ source: candidate.at, ...valueProblem(row, raw) });
      return [];
    });
    const placed =
      row.key === 'output' ? placeProjectOutput(chain, sources.projectFile, trustWarnings) : chain;
    // What a schema returns and what a row has built in are of the row's type; only the list between is not typed.
    const typed = [...placed, { value: row.builtIn, level: 'built-in', source: 'built-in' }] as Setting<T>[];
    return tightened(row, typed);
  };
  const hosts = {
    baseUrl: chainOf<string>(SETTING_KEYS.baseUrl),
    filesUrl: chainOf<string>(SETTING_KEYS.filesUrl),
  };
  const rows: readonly (readonly [string, SettingKey<unknown>])[] = Object.entries(SETTING_KEYS);
  const entries = rows.flatMap(([name, row]) => {
    const [first] = name in hosts ? hosts[name as keyof typeof hosts] : chainOf(row);
    // Checked with the others, and found by `resolveApiKey` alone.
    return row.isSecret === true ? [] : [[name, first]];
  });
  // The loop visits every name of the table, and each chain ends with the built-in value of its row.
  const settings = Object.fromEntries(entries) as ResolvedConfig;
  return { settings, hosts, warnings: unknownVariables(sources.env), trustWarnings, problems };
}

/** Lets a project file make a limit of the user's stricter, and never looser. */
function tightened<T>(row: SettingKey<T>, chain: readonly Setting<T>[]): readonly Setting<T>[] {
  const [project, own] = chain;
  if (row.tighten === undefined || project?.level !== 'project' || own?.value === undefined) return chain;
  const value = row.tighten(own.value, project.value);
  return [value === own.value ? own : { ...project, value }, ...chain.slice(1)];
}

function candidates<T>(
  { key, env: variable, kind }: SettingKey<T>,
  { flags, env, projectFile, userFile }: ConfigSources,
): readonly Candidate[] {
  const found: Candidate[] = [];
  const flag = flags?.[key];
  if (flag !== undefined) {
    const { value, source } = flag;
    const raw = typeof value === 'string' ? kind.fromText(value) : value;
    found.push({ raw, level: 'flag', source, at: source });
  }
  // An empty variable counts as not set, as the XDG and NO_COLOR conventions have it.
  const text = variable === undefined ? undefined : env[variable]?.trim();
  if (variable !== undefined && text)
    found.push({ raw: kind.fromText(text), level: 'environment', source: variable, at: variable });
  for (const file of [projectFile, userFile]) {
    if (file === undefined || !file.values.has(key)) continue;
    const { level, values, sourceOf, placeOf } = file;
    found.push({ raw: values.get(key), level, source: sourceOf(key), at: `${key} (${placeOf(key)})` });
  }
  return found;
}

/** What is wrong with a value that its kind refuses; one of a secret is not quoted. */
export function valueProblem({ kind, isSecret }: SettingKey<unknown>, raw: unknown): Omit<Problem, 'source'> {
  const message = `must be ${kind.expected}`;
  if (isSecret === true) return { message };
  const suggestion = kind.suggest?.(raw);
  return { value: describeValue(raw), message, ...(suggestion === undefined ? {} : { suggestion }) };
}

/** A misspelled variable would be ignored in silence, and with it a limit on spending. */
function unknownVariables(env: Env): string[] {
  const known = [
    ...SETTING_ROWS.flatMap(({ env: name }) => name ?? []),
    ...OTHER_VARIABLES.map(({ name }) => name),
  ];
  return Object.keys(env)
    .filter((name) => name.startsWith('EVOLINK_') && !known.includes(name))
    .flatMap((name) => {
      const meant = nearest(name, known);
      return meant === undefined
        ? []
        : [`the variable ${describeValue(name)} is not known; did you mean ${meant}?`];
    });
}

const STRENGTH: readonly SettingLevel[] = ['built-in', 'user', 'project', 'environment', 'flag', 'sandbox'];

/** The part of a draft that settings can fill. */
export type RequestSettings = Partial<
  Omit<RequestDraft, 'operation' | 'prompt' | 'images' | 'videos' | 'audios'>
>;

/**
 * What environment and files say about a request, for `mergeDrafts` below flags and job files. Built-in values are left
 * to the request's own defaults. `model` and `tier` are one choice: the one from the weaker source is left out.
 */
export function requestSettings(settings: ResolvedConfig): RequestSettings {
  const { model, tier } = settings;
  const difference = STRENGTH.indexOf(model.level) - STRENGTH.indexOf(tier.level);
  return {
    model: difference < 0 ? undefined : toSourced('model', model),
    tier: difference > 0 ? undefined : toSourced('tier', tier),
    durationSeconds: toSourced('duration', settings.durationSeconds),
    quality: toSourced('quality', settings.quality),
    aspectRatio: toSourced('aspect_ratio', settings.aspectRatio),
    generateAudio: toSourced('generate_audio', settings.generateAudio),
    contentFilter: toSourced('content_filter', settings.contentFilter),
    webSearch: toSourced('web_search', settings.webSearch),
    callbackUrl: toSourced('callback_url', settings.callbackUrl),
  };
}

/**
 * The settings as the draft of a request. They hold for all commands, so one that an operation has no field for is left
 * out rather than refused.
 */
export function draftFromSettings(operation: Operation, settings: ResolvedConfig): RequestDraft {
  const draft = { operation, ...requestSettings(settings) };
  return operation === 't2v' ? draft : { ...draft, webSearch: undefined };
}

function toSourced(key: string, { value, level, source }: Setting<unknown>): Sourced<unknown> | undefined {
  if (level === 'built-in') return undefined;
  const named = level === 'project' || level === 'user' ? `${key} (${source})` : source;
  const projectPlace = level === 'project' ? source : undefined;
  return { value, source: named, isSetting: level !== 'flag', projectPlace };
}
