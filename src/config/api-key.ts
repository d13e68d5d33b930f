import { dirname, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import type { RunCommand } from '../platform/process.ts';
import { guardSecretFile, readTextFile } from '../platform/read-file.ts';
import type { SettingLevel } from '../request/estimate.ts';
import { KEY_FILE_NAME, SETTINGS } from './keys.ts';
import type { Env, LoadedConfig } from './load.ts';

/** A secret as it may be shown: `…` and its last 4 characters; `***` for one that these would give away. */
export function maskSecret(secret: string): string {
  return secret.length >= 16 ? `…${secret.slice(-4)}` : '***';
}

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
 * White space around it is left out, with a warning unless it is the line end that files and commands put there.
 * @throws EvolinkError `auth`; the message names the source and what is wrong, never the text
 */
export function checkApiKey(text: string, source: string) {
  const line = text.replace(/^\uFEFF/, '').replace(/\r?\n$/, '');
  const key = line.trim();
  const [, problem] = KEY_PROBLEMS.find(([pattern]) => pattern.test(key)) ?? [];
  if (problem !== undefined)
    throw new EvolinkError('auth', `the API key from ${source} ${problem}`, {
      hint: `copy the key again from ${KEYS_PAGE}`,
    });
  return { key, warnings: key === line ? [] : [`ignored white space around the API key from ${source}`] };
}

interface KeyReader {
  readonly userId: number | undefined;
  readonly run: RunCommand;
}

/** Where the key will be taken from. Nothing is read and no command is run before `read`. */
export interface KeyPlace {
  readonly level: SettingLevel;
  /** `EVOLINK_API_KEY`, `/home/me/.config/evolink/config.yaml:3`. */
  readonly source: string;
  readonly isCommand?: boolean;
  read(reader: KeyReader): Promise<{ readonly text: string; readonly warnings: readonly string[] }>;
}

const COMMAND_TIMEOUT_MS = 10_000;

/** The first place that has a key, in the order of `noKeyError`. Undefined: there is no key. */
export function locateApiKey(
  { locations: { keyPath }, files }: Pick<LoadedConfig, 'locations' | 'files'>,
  { env, cwd }: { readonly env: Env; readonly cwd: string },
): KeyPlace | undefined {
  const { EVOLINK_API_KEY: key, EVOLINK_API_KEY_FILE: keyFile } = env;
  const given = (text: string, warnings: readonly string[] = []) => ({
    read: async () => ({ text, warnings }),
  });
  const inFile = (path: string) => ({ read: (reader: KeyReader) => readKeyFile(path, reader) });
  if (key !== undefined) return { level: 'environment', source: 'EVOLINK_API_KEY', ...given(key) };
  if (keyFile)
    return { level: 'environment', source: 'EVOLINK_API_KEY_FILE', ...inFile(resolve(cwd, keyFile)) };
  const user = files.find(({ level }) => level === 'user');
  const command = user?.given.get('api_key_command');
  if (user !== undefined && command !== undefined) {
    const { level, source, value } = command;
    const argv = SETTINGS.apiKeyCommand.read(value) ?? [];
    return {
      level,
      source,
      isCommand: true,
      // In the folder of the config: a relative program is the user's own, never one of a repository that is worked in.
      read: ({ run }) => runKeyCommand(argv, { source, run, folder: dirname(user.path) }),
    };
  }
  if (keyPath !== undefined && user?.given.has('api_key') !== true)
    return { level: 'user', source: keyPath, ...inFile(keyPath) };
  const holder = files.findLast((file) => file.given.has('api_key'));
  const own = holder?.given.get('api_key');
  if (holder === undefined || own === undefined) return undefined;
  // Of the user's own file the mode is repaired when it is read.
  const isRisky = holder.level === 'project' && ((holder.owner?.mode ?? 0) & 0o044) !== 0;
  const warning = `other users can read the API key in ${holder.path}; run: chmod 600 "${holder.path}"`;
  return { level: own.level, source: own.source, ...given(String(own.value), isRisky ? [warning] : []) };
}

/**
 * Reads and checks the API key. An unusable one is an error; the next place is not tried.
 * @throws EvolinkError `auth`: no key, an unusable key or key file, a command that fails. No message holds the key.
 */
export async function readApiKey(place: KeyPlace | undefined, userConfigPath: string, reader: KeyReader) {
  if (place === undefined) throw noKeyError(userConfigPath);
  const { text, warnings } = await place.read(reader);
  const { key, warnings: more } = checkApiKey(text, place.source);
  return { key, warnings: [...warnings, ...more] };
}

async function readKeyFile(path: string, { userId }: KeyReader) {
  const { text, owner } = await readTextFile(path, {
    label: 'key file',
    maxBytes: 16_384,
    refusesLinks: true,
    allowsShellPipe: true,
    errorKind: 'auth',
  });
  return { text, warnings: await guardSecretFile(path, 'key file', owner, userId) };
}

interface KeyCommand {
  readonly source: string;
  readonly run: RunCommand;
  readonly folder: string;
}

async function runKeyCommand(argv: readonly string[], { source, run, folder }: KeyCommand) {
  const { exitCode, stdout } = await run(argv, { timeoutMs: COMMAND_TIMEOUT_MS, cwd: folder });
  if (exitCode === 0) return { text: stdout, warnings: [] };
  const reasons: Readonly<Record<number, string>> = {
    124: `did not end within ${COMMAND_TIMEOUT_MS / 1000} s`,
    127: 'was not found',
  };
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
