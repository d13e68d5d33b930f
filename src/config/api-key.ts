import { dirname, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import type { RunCommand } from '../platform/process.ts';
import { readTextFile } from '../platform/read-file.ts';
import type { SettingLevel } from '../request/estimate.ts';
import type { LoadedConfigFile } from './config-file.ts';
import { ARGUMENTS_KIND } from './keys.ts';
import type { Env } from './resolve.ts';
import { guardSecretFile } from './secret-file.ts';

/** Shorter secrets would be given away by their last characters. */
const MIN_CHARACTERS = 16;

/** A secret as it may be shown: `…` and its last 4 characters, `***` for one shorter than 16. */
export function maskSecret(secret: string): string {
  return secret.length >= MIN_CHARACTERS ? `…${secret.slice(-4)}` : '***';
}

const KEYS_PAGE = 'https://evolink.ai/dashboard/keys';
const MAX_KEY_CHARACTERS = 1000;

export interface CheckedApiKey {
  readonly key: string;
  readonly notes: readonly string[];
}

/**
 * Checks that a text can be an API key, before any request: one word of printable ASCII (it becomes an HTTP header).
 * White space around it is left out, with a note unless it is the line end that files and commands put there.
 * @throws EvolinkError `auth`; the message names the source and what is wrong, never the text
 */
export function checkApiKey(text: string, source: string): CheckedApiKey {
  const line = text.replace(/^\uFEFF/, '').replace(/\r?\n$/, '');
  const key = line.trim();
  const problem = keyProblem(key);
  if (problem !== undefined) {
    throw new EvolinkError('auth', `the API key from ${source} ${problem}`, {
      hint: `copy the key again from ${KEYS_PAGE}`,
      charged: 'no',
    });
  }
  return {
    key,
    notes: key === line ? [] : [`the API key from ${source} had white space around it, which was left out`],
  };
}

function keyProblem(key: string): string | undefined {
  if (key === '') return 'is empty';
  if (/[\r\n]/.test(key)) return 'holds a line break; a key is one line';
  if (/^bearer\s/i.test(key)) return 'starts with "Bearer"; give the key alone';
  if (/\s/.test(key)) return 'holds white space';
  if (!/^[\x21-\x7e]+$/.test(key))
    return 'holds a character that no key has (only printable ASCII is allowed)';
  if (/^(["'`]).*\1$/.test(key)) return 'is in quotes; leave the quotes out';
  return key.length > MAX_KEY_CHARACTERS ? `is longer than ${MAX_KEY_CHARACTERS} characters` : undefined;
}

/** What is risky about an `api_key` in a project file. */
function projectKeyWarnings({ file, owner }: LoadedConfigFile): readonly string[] {
  return owner !== undefined && (owner.mode & 0o044) !== 0
    ? [`other users can read the API key in ${file.path}; run: chmod 600 "${file.path}"`]
    : [];
}

/** The key, kept in a closure: printing, inspecting or serialising this object shows no secret. */
export interface ApiKey {
  readonly level: SettingLevel;
  /** `EVOLINK_API_KEY`, `/home/me/.config/evolink/config.yaml:3`. */
  readonly source: string;
  reveal(): string;
}

export interface FoundApiKey {
  readonly apiKey: ApiKey;
  readonly warnings: readonly string[];
}

export interface ApiKeyOptions {
  readonly env: Env;
  readonly cwd: string;
  readonly userFile?: LoadedConfigFile | undefined;
  readonly projectFile?: LoadedConfigFile | undefined;
  /** Where the user config is or would be, for the message that no key was found. */
  readonly userConfigPath: string;
  readonly userId: number | undefined;
  readonly run: RunCommand;
}

/** Where the key will be taken from: the first place, in this order, that has one. */
export type ApiKeyPlace =
  | { readonly kind: 'variable'; readonly level: 'environment'; readonly source: string }
  | {
      readonly kind: 'key-file';
      readonly level: 'environment';
      readonly source: string;
      readonly path: string;
    }
  | {
      readonly kind: 'command';
      readonly level: 'user';
      readonly source: string;
      readonly file: LoadedConfigFile;
    }
  | {
      readonly kind: 'config';
      readonly level: 'user' | 'project';
      readonly source: string;
      readonly file: LoadedConfigFile;
    };

const KEY_FILE_MAX_BYTES = 16_384;
const COMMAND_TIMEOUT_MS = 10_000;

/** Finds the place of the key without reading a key file or running a command. Undefined: there is no key. */
export function locateApiKey(
  options: Pick<ApiKeyOptions, 'env' | 'cwd' | 'userFile' | 'projectFile'>,
): ApiKeyPlace | undefined {
  const { env, cwd, userFile, projectFile } = options;
  if (env.EVOLINK_API_KEY !== undefined)
    return { kind: 'variable', level: 'environment', source: 'EVOLINK_API_KEY' };
  if (env.EVOLINK_API_KEY_FILE) {
    return {
      kind: 'key-file',
      level: 'environment',
      source: 'EVOLINK_API_KEY_FILE',
      path: resolve(cwd, env.EVOLINK_API_KEY_FILE),
    };
  }
  const user = userFile?.file;
  if (userFile !== undefined && user?.values.has('api_key_command')) {
    return { kind: 'command', level: 'user', source: user.sourceOf('api_key_command'), file: userFile };
  }
  for (const file of [userFile, projectFile]) {
    if (!file?.file.values.has('api_key')) continue;
    return { kind: 'config', level: file.file.level, source: file.file.sourceOf('api_key'), file };
  }
  return undefined;
}

/**
 * Finds, reads and checks the API key: EVOLINK_API_KEY, EVOLINK_API_KEY_FILE, `api_key_command` and `api_key` of the user
 * config, `api_key` of the project file. An unusable one is an error; the next place is not tried.
 * @throws EvolinkError `auth`: no key, an unusable key or key file, a command that fails. No message holds the key.
 */
export async function resolveApiKey(options: ApiKeyOptions): Promise<FoundApiKey> {
  const place = locateApiKey(options);
  if (place === undefined) throw noKeyError(options);
  const { text, warnings } = await readKey(place, options);
  const { key, notes } = checkApiKey(text, place.source);
  return { apiKey: toApiKey(key, place), warnings: [...warnings, ...notes] };
}

/** Wraps a key with where it came from. */
export function toApiKey(key: string, { level, source }: { level: SettingLevel; source: string }): ApiKey {
  return { level, source, reveal: () => key };
}

interface KeyText {
  readonly text: string;
  readonly warnings: readonly string[];
}

async function readKey(place: ApiKeyPlace, options: ApiKeyOptions): Promise<KeyText> {
  const { userId, run } = options;
  switch (place.kind) {
    case 'variable':
      return { text: options.env.EVOLINK_API_KEY ?? '', warnings: [] };
    case 'key-file': {
      const limits = {
        maxBytes: KEY_FILE_MAX_BYTES,
        refusesLinks: true,
        allowsShellPipe: true,
        errorKind: 'auth',
      } as const;
      const { text, owner } = await readTextFile(place.path, { label: 'key file', ...limits });
      return {
        text,
        warnings: await guardSecretFile({ path: place.path, label: 'key file', owner, userId }),
      };
    }
    case 'command':
      return { text: await runKeyCommand(place, run), warnings: [] };
    case 'config': {
      const { file } = place.file;
      const warnings = place.level === 'project' ? projectKeyWarnings(place.file) : [];
      return { text: String(file.values.get('api_key')), warnings };
    }
    default:
      return place satisfies never;
  }
}

async function runKeyCommand(place: ApiKeyPlace & { kind: 'command' }, run: RunCommand): Promise<string> {
  const { path, values } = place.file.file;
  const argv = ARGUMENTS_KIND.schema.parse(values.get('api_key_command'));
  // In the folder of the config: a relative program is the user's own, never one of a repository that is worked in.
  const { exitCode, stdout } = await run(argv, { timeoutMs: COMMAND_TIMEOUT_MS, cwd: dirname(path) });
  if (exitCode === 0) return stdout;
  const reasons: Readonly<Record<number, string>> = {
    124: `did not end within ${COMMAND_TIMEOUT_MS / 1000} s`,
    127: 'was not found',
  };
  // The arguments may hold a secret of their own.
  throw new EvolinkError(
    'auth',
    `the api_key_command (${place.source}) "${argv[0]}" ${reasons[exitCode] ?? `failed with exit code ${exitCode}`}`,
    {
      hint: 'run the command yourself to see why; it must print the key and nothing else',
      charged: 'no',
    },
  );
}

function noKeyError({ userConfigPath }: ApiKeyOptions): EvolinkError {
  return new EvolinkError('auth', 'no API key was found', {
    details: [
      'looked for, in this order:',
      '  1. the variable EVOLINK_API_KEY',
      '  2. the file that the variable EVOLINK_API_KEY_FILE names',
      `  3. api_key_command in ${userConfigPath}`,
      `  4. api_key in ${userConfigPath}`,
      '  5. api_key in the .evolinkrc of the project',
    ],
    hint: `create a key at ${KEYS_PAGE}, then: export EVOLINK_API_KEY=<key>; or try without one: add --sandbox`,
    charged: 'no',
  });
}
