import { dirname, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { Context } from '../platform/context.ts';
import { runCommand } from '../platform/process.ts';
import { guardSecretFile, readTextFile } from '../platform/read-file.ts';
import { parseUrl } from '../platform/text.ts';
import type { Setting, SettingLevel } from '../request/estimate.ts';
import { KEY_FILE_NAME, SETTINGS } from './keys.ts';
import type { HostCandidates, LoadedConfig } from './load.ts';

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

/** Where the key will be taken from. Nothing is read and no command is run before `read`. */
export interface KeyPlace {
  readonly level: SettingLevel;
  /** `EVOLINK_API_KEY`, `/home/me/.config/evolink/config.yaml:3`. */
  readonly source: string;
  readonly isCommand?: boolean;
  read(): Promise<{ readonly text: string; readonly warnings: readonly string[] }>;
}

/** The first place that has a key, in the order of `noKeyError`. Undefined: there is no key. */
export function locateApiKey(
  { locations: { keyPath }, files }: Pick<LoadedConfig, 'locations' | 'files'>,
  { env, cwd, userId }: Pick<Context, 'env' | 'cwd' | 'userId'>,
): KeyPlace | undefined {
  const { EVOLINK_API_KEY: key, EVOLINK_API_KEY_FILE: keyFile } = env;
  const given = (text: string, warnings: readonly string[] = []) => ({
    read: async () => ({ text, warnings }),
  });
  const inFile = (path: string) => ({ read: () => readKeyFile(path, userId) });
  if (key !== undefined) return { level: 'environment', source: 'EVOLINK_API_KEY', ...given(key) };
  if (keyFile)
    return { level: 'environment', source: 'EVOLINK_API_KEY_FILE', ...inFile(resolve(cwd, keyFile)) };
  const user = files.find((file) => file.level === 'user');
  const command = user?.given.get('api_key_command');
  if (user !== undefined && command !== undefined) {
    const source = `${command.source} (api_key_command)`;
    const argv = SETTINGS.apiKeyCommand.read(command.value) ?? [];
    // In the folder of the config: a relative program is the user's own, never one of a repository that is worked in.
    const read = () => runKeyCommand(argv, source, dirname(user.path));
    return { level: 'user', source, isCommand: true, read };
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
export async function readApiKey(place: KeyPlace | undefined, userConfigPath: string) {
  if (place === undefined) throw noKeyError(userConfigPath);
  const { text, warnings } = await place.read();
  const { key, warnings: more } = checkApiKey(text, place.source);
  return { key, warnings: [...warnings, ...more] };
}

async function readKeyFile(path: string, userId: number | undefined) {
  const { text, owner } = await readTextFile(path, {
    label: 'key file',
    maxBytes: 16_384,
    refusesLinks: true,
    allowsShellPipe: true,
    errorKind: 'auth',
  });
  return { text, warnings: await guardSecretFile(path, 'key file', owner, userId) };
}

const COMMAND_TIMEOUT_MS = 10_000;

async function runKeyCommand(argv: readonly string[], source: string, folder: string) {
  const { exitCode, stdout } = await runCommand(argv, { timeoutMs: COMMAND_TIMEOUT_MS, cwd: folder });
  if (exitCode === 0) return { text: stdout, warnings: [] };
  // Exit codes as shells have them.
  const late = exitCode === 124 && `did not end within ${COMMAND_TIMEOUT_MS / 1000} s`;
  const reason = late || (exitCode === 127 ? 'was not found' : `failed with exit code ${exitCode}`);
  // The program alone: its arguments may hold a secret of their own.
  throw new EvolinkError('auth', `the command "${argv[0]}" of ${source} ${reason}`, {
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

// ---- Where it may go

/** The service's own hosts: every key may go there. */
const SERVICE_HOSTS = new Set(['api.evolink.ai', 'files-api.evolink.ai']);

/**
 * Whether a key may be sent to a host. A key only goes where the same or a higher level of trust named the host; the
 * project is the lower level (a cloned repository must not be able to steal a key), flags, environment and user config
 * are the higher one. The service's own hosts take every key over https; plain http is for loopback only.
 * @returns `plain-http`: readable on the way. `foreign`: named by a project file, while the key is the user's own.
 *   `own-machine`: the same on loopback, where any program of any user may listen.
 */
export function judgeHost(host: Setting<string>, keyLevel: SettingLevel) {
  const { protocol, hostname, port } = new URL(host.value);
  const isProjects = host.level === 'project' && keyLevel !== 'project';
  if (isLoopbackHost(hostname)) return isProjects ? 'own-machine' : 'trusted';
  if (protocol !== 'https:') return isProjects ? 'foreign' : 'plain-http';
  return !isProjects || (SERVICE_HOSTS.has(hostname) && port === '') ? 'trusted' : 'foreign';
}

/**
 * Chooses the API's and the upload host for a key: the strongest candidate, but without those that a project file named
 * and the key must not go to; each of these gives a warning, and so does a loopback one that is taken. Without a key the
 * rule is that of a key of the user's.
 * @returns `refusal`: thrown before a key would go where a project file alone sends it
 * @throws EvolinkError `usage` for plain http to a host that is not loopback
 */
export function trustHosts(candidates: HostCandidates, place?: Pick<KeyPlace, 'level' | 'source'>) {
  const warnings: string[] = [];
  let refusal: EvolinkError | undefined;
  const owner = place === undefined ? 'your API key' : `your API key (${place.source})`;
  const choose = (name: keyof HostCandidates) => {
    const { key, env } = SETTINGS[name];
    const isTaken = (host: Setting<string>): boolean => {
      const { value, source } = host;
      const verdict = judgeHost(host, place?.level ?? 'user');
      const what = `${key} (${source}) is "${value}"`;
      if (verdict === 'plain-http')
        throw new EvolinkError('usage', `${what}: over plain http the API key could be read on the way`, {
          hint: `use ${value.replace(/^http:/, 'https:')}; http is for this machine only (localhost, 127.0.0.1)`,
        });
      if (verdict === 'foreign')
        warnings.push(
          `${key} from ${source} ("${value}") is ignored: a project file must not decide where ${owner} is sent; if you trust that host, set ${env} to it yourself`,
        );
      // Without a key nothing can be sent anyway.
      if (verdict === 'own-machine' && place !== undefined) {
        const risk = `${what}: a project file must not decide that ${owner} goes to a program on this machine`;
        const hint = `if you trust what listens there: export ${env}=${value}; to try without a key: --sandbox`;
        refusal ??= new EvolinkError('usage', risk, { hint });
        warnings.push(risk);
      }
      return verdict !== 'foreign';
    };
    // The built-in one is trusted.
    return candidates[name].find(isTaken) as Setting<string>;
  };
  const [baseUrl, filesUrl] = [choose('baseUrl'), choose('filesUrl')];
  return { baseUrl, filesUrl, warnings, refusal };
}

/** The API of EvoLink itself, which most records belong to. */
const OWN_ORIGIN = 'https://api.evolink.ai';

/**
 * Which service an API address belongs to: its origin, or undefined for EvoLink's own. A task of one service means nothing
 * to another, whatever their requests have in common. Text that is no URL is a service of its own.
 */
export function serviceOf(baseUrl: string): string | undefined {
  const origin = parseUrl(baseUrl)?.origin ?? baseUrl;
  return origin === OWN_ORIGIN ? undefined : origin;
}
