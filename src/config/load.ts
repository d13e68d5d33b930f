import { lstatSync, statSync } from 'node:fs';
import { devNull } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { configFolder, isInside } from '../platform/folders.ts';
import type { Setting, SettingLevel } from '../request/estimate.ts';
import { REQUEST_DEFAULTS, type WireBody } from '../request/fields.ts';
import { findModel, type Origin, type Problem, QUALITIES } from '../request/models.ts';
import { type Asked, describeValue, formatProblem, listError, nearest } from '../request/problems.ts';
import type { ConfigFile } from './config-file.ts';
import {
  type Given,
  KEY_FILE_NAME,
  OTHER_VARIABLES,
  REQUEST_SETTINGS,
  SETTING_ROWS,
  SETTINGS,
  type SettingRow,
  valueProblem,
} from './keys.ts';
import { escapePattern } from './output.ts';

export const PROJECT_FILE_NAME = '.evolinkrc';

type Place = Pick<Context, 'cwd' | 'home' | 'env' | 'platform' | 'userId'>;
/** Flags that are settings, by the key as written in files; texts are read as in the environment. */
type Flags = Readonly<Record<string, Origin & { readonly value: unknown }>>;

// ---- Which files

/** Where the user's config is or would be. */
export function findUserConfig({ cwd, env, platform, home }: Omit<Place, 'userId'>): string {
  if (env.EVOLINK_CONFIG) return resolve(cwd, env.EVOLINK_CONFIG);
  return join(configFolder(env, platform, home), 'config.yaml');
}

/**
 * Finds the config files: the nearest `.evolinkrc` from the working directory upward (the home folder or the root is the
 * last that is looked at), the user config, which `EVOLINK_CONFIG` may name, and the key file beside it.
 * @throws EvolinkError `usage` when `EVOLINK_CONFIG` names no file
 */
function locateConfig(place: Place) {
  const { cwd, home, env, userId } = place;
  const userConfigPath = findUserConfig(place);
  // The usual way to say "no file"; every other device is refused when it is read.
  const isNone = userConfigPath === devNull;
  const ifThere = (path: string) => (isNone || ownerOf(path) === undefined ? undefined : path);
  const userPath = ifThere(userConfigPath);
  if (env.EVOLINK_CONFIG && !isNone && userPath === undefined)
    throw new EvolinkError('usage', `EVOLINK_CONFIG names "${userConfigPath}", but there is no such file`, {
      hint: 'correct the path, or unset EVOLINK_CONFIG',
    });
  const keyPath = ifThere(join(dirname(userConfigPath), KEY_FILE_NAME));
  const found = findProjectFile(cwd, resolve(home));
  const path = found === userPath ? undefined : found;
  // Somebody else's file above a shared folder (/tmp) is no project of this user's. Root, who works in folders of
  // others (a mounted checkout in a container), takes the files of the folder's owner.
  const trusted = [0, userId, userId === 0 ? statSync(cwd, { throwIfNoEntry: false })?.uid : 0];
  const ownerId = path === undefined ? undefined : ownerOf(path);
  const isOurs = userId === undefined || ownerId === undefined || trusted.includes(ownerId);
  const warning = `${path} is ignored: it belongs to another user (uid ${ownerId}); to use it, set EVOLINK_CONFIG to it`;
  const projectPath = isOurs ? path : undefined;
  return { userConfigPath, userPath, keyPath, projectPath, warnings: isOurs ? [] : [warning] };
}

function findProjectFile(cwd: string, last: string): string | undefined {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const path = join(folder, PROJECT_FILE_NAME);
    if (ownerOf(path) !== undefined) return path;
    if (folder === last || folder === dirname(folder)) return undefined;
  }
}

/** The owner of what is there, be it a file, a link or a pipe; undefined for nothing and for a folder. */
function ownerOf(path: string): number | undefined {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats?.isDirectory() === true ? undefined : stats?.uid;
  } catch {
    return undefined;
  }
}

// ---- Which values

type ValueOf<Row> = Row extends SettingRow<infer T, infer B> ? T | Extract<B, undefined> : never;

/** A value beside what was written for it: `1800000`, `30m`. */
export type Held<T = unknown> = Setting<T> & { readonly raw?: unknown };

/** Every setting with its value and where it came from. The API key is found by `locateApiKey` and is never part of this. */
export type Settings = {
  readonly [Name in Exclude<keyof typeof SETTINGS, 'apiKey' | 'apiKeyCommand'>]: Held<
    ValueOf<(typeof SETTINGS)[Name]>
  >;
};

/** All values of the hosts, strongest first, the built-in one last: `trustHosts` chooses when the key is known. */
export type HostCandidates = Readonly<Record<'baseUrl' | 'filesUrl', readonly Setting<string>[]>>;

/**
 * Merges all sources: flag over environment over project file over user file over built-in, each value with where it came
 * from. Every value is checked, also one that a stronger source hides. Pure, never throws.
 * @param files the stronger first
 */
export function mergeSettings({
  flags = {},
  env,
  files,
}: {
  readonly flags?: Flags;
  readonly env: Place['env'];
  readonly files: readonly Pick<ConfigFile, 'path' | 'level' | 'given'>[];
}) {
  /** What a project file was not allowed to do: shown in every mode. */
  const trustWarnings: string[] = [];
  const problems: Problem[] = [];
  const projectFolder = dirname(files.find(({ level }) => level === 'project')?.path ?? '');
  const chainOf = (row: SettingRow): readonly Held[] => {
    const flag = flags[row.key];
    // An empty variable counts as not set, as the XDG and NO_COLOR conventions have it.
    const variable = row.env && env[row.env]?.trim();
    const given: readonly (Given | undefined | '')[] = [
      flag && { ...flag, level: 'flag', at: flag.source },
      variable && { value: variable, level: 'environment', source: `${row.env}`, at: `${row.env}` },
      ...files.map((file) => file.given.get(row.key)),
    ];
    const chain = given.flatMap((each): Held[] => {
      if (!each) return [];
      const { value: written, level, source, at } = each;
      const isText = level === 'flag' || level === 'environment';
      const raw = isText && typeof written === 'string' ? row.fromText(written) : written;
      const value = row.read(raw);
      if (value === undefined) problems.push({ source: at, ...valueProblem(row, raw) });
      const isPlaced = row.key === 'output' && level === 'project';
      const held = isPlaced ? placeOutput(value, source, projectFolder, trustWarnings) : value;
      return held === undefined ? [] : [{ value: held, level, source, raw }];
    });
    const { builtIn: raw } = row;
    const value = raw === undefined ? undefined : row.read(raw);
    return tightened(row, [...chain, { value, level: 'built-in', source: 'built-in', raw }]);
  };
  const chains = Object.fromEntries(Object.entries(SETTINGS).map(([name, row]) => [name, chainOf(row)]));
  const { apiKey: _key, apiKeyCommand: _command, ...shown } = chains;
  // What a row reads is of its type; only the list between is not typed.
  const settings = Object.fromEntries(
    Object.entries(shown).map(([name, [first]]) => [name, first]),
  ) as unknown as Settings;
  const { baseUrl, filesUrl } = chains as unknown as HostCandidates;
  return { settings, hosts: { baseUrl, filesUrl }, warnings: unknownVariables(env), trustWarnings, problems };
}

/**
 * Makes the output of a project file absolute: it counts from the file's folder. One outside of that folder is left out
 * with a warning: a repository from somebody else must not decide where on the disk files are written.
 */
function placeOutput(output: unknown, source: string, folder: string, warnings: string[]): unknown {
  if (typeof output !== 'string' || output === '-') return output;
  const path = resolve(folder, output);
  if (!isInside(folder, path)) {
    warnings.push(
      `output from ${source} is ignored: it leads out of ${folder}, and a project file may only write below its own folder; use -o or EVOLINK_OUTPUT for another place`,
    );
    return undefined;
  }
  const inside = relative(folder, path);
  const isFolder = inside === '' || /[/\\]$/.test(output);
  return `${join(escapePattern(folder), inside)}${isFolder ? sep : ''}`;
}

/** Lets a project file make a limit of the user's stricter, and never looser. */
function tightened(row: SettingRow, chain: readonly Held[]): readonly Held[] {
  const [project, own] = chain;
  if (row.tighten === undefined || project?.level !== 'project' || own?.value === undefined) return chain;
  const value = row.tighten(own.value, project.value);
  return [value === own.value ? own : { ...project, value }, ...chain.slice(1)];
}

/** A misspelled variable would be ignored in silence, and with it a limit on spending. */
function unknownVariables(env: Place['env']): string[] {
  const known = [...SETTING_ROWS.map((row) => row.env ?? ''), ...OTHER_VARIABLES.map(({ name }) => name)];
  return Object.keys(env)
    .filter((name) => name.startsWith('EVOLINK_') && !known.includes(name))
    .flatMap((name) => {
      const meant = nearest(name, known);
      return meant ? [`the variable ${describeValue(name)} is not known; did you mean ${meant}?`] : [];
    });
}

/**
 * Finds, reads and merges the configuration. The key is not touched: `locateApiKey`, then `trustHosts`, take the result.
 * @throws EvolinkError `usage` with every problem of files, environment and flags; `auth` for an unsafe file
 */
export async function loadConfig(place: Place, flags: Flags = {}) {
  const locations = locateConfig(place);
  const { projectPath, userPath } = locations;
  const files: ConfigFile[] = [];
  for (const [path, level] of [[projectPath, 'project'] as const, [userPath, 'user'] as const]) {
    // Most runs have no file, and then need no YAML.
    if (path !== undefined)
      files.push(await (await import('./config-file.ts')).loadConfigFile(path, level, place.userId));
  }
  const { problems, trustWarnings, ...merged } = mergeSettings({ flags, env: place.env, files });
  const all = [...problems, ...files.flatMap((file) => file.problems)];
  if (all.length > 0)
    throw listError(all.map(formatProblem), {
      summary: `the configuration has ${all.length} problems`,
      hint: all.every(({ source }) => source.startsWith('--'))
        ? undefined
        : '`evolink config` shows every setting and where it came from',
    });
  const ofFiles = [locations, ...files].flatMap(({ warnings }) => warnings);
  return { ...merged, locations, files, trustWarnings: [...ofFiles, ...trustWarnings] };
}

export type LoadedConfig = Awaited<ReturnType<typeof loadConfig>>;

// ---- What they say of a request

const STRENGTH: readonly SettingLevel[] = ['built-in', 'user', 'project', 'environment', 'flag', 'sandbox'];

/**
 * What environment and files say of every request. Built-in values are left to the request's own defaults. `model` and
 * `tier` are one choice: the one from the weaker source is left out.
 */
export function askedBySettings(settings: Settings): Asked {
  const { model, tier } = settings;
  const difference = STRENGTH.indexOf(model.level) - STRENGTH.indexOf(tier.level);
  const weaker = difference < 0 ? 'model' : difference > 0 ? 'tier' : undefined;
  const asked = REQUEST_SETTINGS.filter((key) => settings[key].level !== 'built-in' && key !== weaker);
  return {
    value: Object.fromEntries(asked.map((key) => [key, settings[key].value])),
    locate: ([head]) => {
      const key = asked.find((each) => each === head);
      if (key === undefined) return { source: String(head) };
      const { level, source } = settings[key];
      const isOfFile = level === 'project' || level === 'user';
      return {
        source: isOfFile ? `${key} (${source})` : source,
        isSetting: true,
        projectPlace: level === 'project' ? source : undefined,
      };
    },
  };
}

const DEARER = 'it costs more than the built-in value';
const rank = (quality: unknown) => QUALITIES.indexOf(quality as (typeof QUALITIES)[number]);
/** Which values of a field do something to somebody, and what. */
const RAISES: Readonly<Record<string, readonly [raises: (value: unknown) => boolean, effect: string]>> = {
  model: [(value) => findModel(String(value)) === undefined, 'its price is not known'],
  quality: [(value) => rank(value) > rank(REQUEST_DEFAULTS.quality), DEARER],
  duration: [(value) => Number(value) < 0 || Number(value) > REQUEST_DEFAULTS.duration, DEARER],
  content_filter: [(value) => value !== REQUEST_DEFAULTS.content_filter, DEARER],
  model_params: [(value) => value !== false, DEARER],
  callback_url: [() => true, 'the service calls it when a task ends'],
};

/**
 * What a project file, which may come from somebody else, makes dearer in a request (`quality 4k`), or lets somebody know.
 * @param body what is sent: a setting that the model has no field for is not in it
 */
export function projectChoices({ value, locate }: Asked, body: WireBody) {
  return Object.entries(RAISES).flatMap(([field, [raises, effect]]) => {
    const key = field === 'model_params' ? 'web_search' : field;
    if (body[field] === undefined || value[key] === undefined || !raises(value[key])) return [];
    const { projectPlace } = locate([key]);
    if (projectPlace === undefined) return [];
    const text = `${key} ${describeValue(value[key])}`;
    return [{ text, warning: `${text} comes from a project file (${projectPlace}): ${effect}` }];
  });
}
