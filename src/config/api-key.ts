import { dirname, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import type { RunCommand } from '../platform/process.ts';
import { guardSecretFile, readTextFile } from '../platform/read-file.ts';
import type { SettingLevel } from '../request/estimate.ts';
import type { LoadedConfigFile } from './config-file.ts';
import { ARGUMENTS_KIND } from './keys.ts';
import type { Env } from './resolve.ts';

/** Shorter secrets would be given away by their last characters. */
const MIN_CHARACTERS = 16;

/** A secret as it may be shown: `…` and its last 4 characters, `***` for one shorter than 16. */
export function maskSecret(secret: string): string {
  return secret.length >= MIN_CHARACTERS ? `…${secret.slice(-4)}` : '***';
}

/** Beside the user config, which may be shared or linked as a whole. */
export const KEY_FILE_NAME = 'api-key';

export const KEYS_PAGE = 'https://evolink.ai/dashboard/keys';

/** What keeps a text from being a key; the first that fits is said. */
const KEY_PROBLEMS: readonly (readonly [RegExp, string])[] = [
  [/^$/, 'is empty'],
  [/[\r\n]/, 'holds a line break; a key is one line'],
  [/^bearer\s/i, 'starts with "Bearer"; give the key alone'],
  [/\s/, 'holds white space'],
  [/[^\x21-\x7e]/, 'holds a character that no key has (only printable ASCII is allowed)'],
  [/^(["'`]).*\1$/, 'is in quotes; remove them'],
  [/^.{1001}/, 'is longer than 1000 characters'],
];

/**
 * Checks that a text can be an API key, before any request: one word of printable ASCII (it becomes an HTTP header).
 * White space around it is left out, with a note unless it is the line end that files and commands put there.
 * @throws EvolinkError `auth`; the message names the source and what is wrong, never the text
 */
export function checkApiKey(
  text: string,
  source: string,
): { readonly key: string; readonly notes: readonly string[] } {
  const line = text.replace(/^\uFEFF/, '').replace(/\r?\n$/, '');
  const key = line.trim();
  const [, problem] = KEY_PROBLEMS.find(([pattern]) => pattern.test(key)) ?? [];
  if (problem !== undefined) {
    throw new EvolinkError('auth', `the API key from ${source} ${problem}`, {
      hint: `copy the key again from ${KEYS_PAGE}`,
    });
  }
  return {
    key,
    notes: key === line ? [] : [`ignored white space around the API key from ${source}`],
  };
}

/** The key, kept in a closure: printing, inspecting or serialising this object shows no secret. */
export interface ApiKey {
  readonly level: SettingLevel;
  /** `EVOLINK_API_KEY`, `/home/me/.config/evolink/config.yaml:3`. */
  readonly source: string;
  reveal(): string;
}

interface KeySources {
  readonly env: Env;
  readonly cwd: string;
  readonly userFile?: LoadedConfigFile | undefined;
  readonly projectFile?: LoadedConfigFile | undefined;
  readonly locations: {
    /** Where the user config is or would be. */
    readonly userConfigPath: string;
    /** The key file beside it, where there is one. */
    readonly keyPath?: string | undefined;
  };
}

interface ApiKeyOptions extends KeySources {
  readonly userId: number | undefined;
  readonly run: RunCommand;
}

interface KeyText {
  readonly text: string;
  readonly warnings: readonly string[];
}

/** Where the key will be taken from. Nothing is read and no command is run before `read`. */
export interface ApiKeyPlace {
  readonly level: SettingLevel;
  readonly source: string;
  readonly isCommand?: boolean;
  read(options: Pick<ApiKeyOptions, 'userId' | 'run'>): Promise<KeyText>;
}

const KEY_FILE_LIMITS = {
  label: 'key file',
  maxBytes: 16_384,
  refusesLinks: true,
  allowsShellPipe: true,
  errorKind: 'auth',
} as const;
const COMMAND_TIMEOUT_MS = 10_000;

/** The first place that has a key, in the order of `noKeyError`. Undefined: there is no key. */
export function locateApiKey({
  env,
  cwd,
  userFile,
  projectFile,
  locations,
}: KeySources): ApiKeyPlace | undefined {
  const { EVOLINK_API_KEY: key, EVOLINK_API_KEY_FILE: keyFile } = env;
  const readFile =
    (path: string): ApiKeyPlace['read'] =>
    async ({ userId }) => {
      const { text, owner } = await readTextFile(path, KEY_FILE_LIMITS);
      return { text, warnings: await guardSecretFile({ path, label: 'key file', owner, userId }) };
    };
  const level = 'environment';
  if (key !== undefined)
    return { level, source: 'EVOLINK_API_KEY', read: async () => ({ text: key, warnings: [] }) };
  if (keyFile) return { level, source: 'EVOLINK_API_KEY_FILE', read: readFile(resolve(cwd, keyFile)) };
  if (userFile?.file.values.has('api_key_command')) {
    const source = userFile.file.sourceOf('api_key_command');
    return { level: 'user', source, isCommand: true, read: ({ run }) => runKeyCommand(userFile, run) };
  }
  const { keyPath } = locations;
  if (keyPath !== undefined && userFile?.file.values.has('api_key') !== true)
    return { level: 'user', source: keyPath, read: readFile(keyPath) };
  const loaded = [userFile, projectFile].find((each) => each?.file.values.has('api_key'));
  if (loaded === undefined) return undefined;
  const { file, owner } = loaded;
  // Of the user's own file the mode is repaired when it is read.
  const isRisky = file.level === 'project' && owner !== undefined && (owner.mode & 0o044) !== 0;
  const warnings = isRisky
    ? [`other users can read the API key in ${file.path}; run: chmod 600 "${file.path}"`]
    : [];
  return {
    level: file.level,
    source: file.sourceOf('api_key'),
    read: async () => ({ text: String(file.values.get('api_key')), warnings }),
  };
}

/**
 * Finds, reads and checks the API key. An unusable one is an error; the next place is not tried.
 * @throws EvolinkError `auth`: no key, an unusable key or key file, a command that fails. No message holds the key.
 */
export async function resolveApiKey(
  options: ApiKeyOptions,
): Promise<{ readonly apiKey: ApiKey; readonly warnings: readonly string[] }> {
  const place = locateApiKey(options);
  if (place === undefined) throw noKeyError(options.locations.userConfigPath);
  const { text, warnings } = await place.read(options);
  const { key, notes } = checkApiKey(text, place.source);
  const { level, source } = place;
  return { apiKey: { level, source, reveal: () => key }, warnings: [...warnings, ...notes] };
}

async function runKeyCommand({ file }: LoadedConfigFile, run: RunCommand): Promise<KeyText> {
  const argv = ARGUMENTS_KIND.schema().parse(file.values.get('api_key_command'));
  // In the folder of the config: a relative program is the user's own, never one of a repository that is worked in.
  const { exitCode, stdout } = await run(argv, { timeoutMs: COMMAND_TIMEOUT_MS, cwd: dirname(file.path) });
  if (exitCode === 0) return { text: stdout, warnings: [] };
  const reasons: Readonly<Record<number, string>> = {
    124: `did not end within ${COMMAND_TIMEOUT_MS / 1000} s`,
    127: 'was not found',
  };
  const source = file.sourceOf('api_key_command');
  const reason = reasons[exitCode] ?? `failed with exit code ${exitCode}`;
  // The program alone: its arguments may hold a secret of their own.
  throw new EvolinkError('auth', `the api_key_command (${source}) "${argv[0]}" ${reason}`, {
    hint: 'run the command yourself to see why; it must print the key and nothing else',
  });
}

function noKeyError(userConfigPath: string): EvolinkError {
  return new EvolinkError('auth', 'no API key was found in these places, strongest first', {
    details: [
      'the variable EVOLINK_API_KEY',
      'the file that the variable EVOLINK_API_KEY_FILE names',
      `api_key_command in ${userConfigPath}`,
      `api_key in ${userConfigPath}, or the file ${KEY_FILE_NAME} beside it`,
      'api_key in the .evolinkrc of the project',
    ],
    hint: `create a key at ${KEYS_PAGE}, then: evolink config init --user (or add --sandbox to try without one)`,
  });
}
