import { devNull } from 'node:os';
import { dirname, join } from 'node:path';
import { checkApiKey, KEYS_PAGE } from '../config/api-key.ts';
import {
  parseSetting,
  requireSetting,
  unknownSetting,
  writeKeyFile,
  writeSetting,
} from '../config/config-file.ts';
import { SETTING_ROWS, SETTINGS } from '../config/keys.ts';
import { findUserConfig, type Held, PROJECT_FILE_NAME } from '../config/load.ts';
import { EvolinkError, inputError, isEvolinkError } from '../errors.ts';
import { askLine } from '../platform/ask.ts';
import type { Context } from '../platform/context.ts';
import { createDurably, lstatIfThere } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { toHumanPath } from '../platform/text.ts';
import { formatTable } from '../ui/table.ts';
import { type FlagValues, flagsOfSetting, type Invocation } from './flags.ts';
import { type Frame, runInFrame } from './frame.ts';
import { openSession, type Session } from './session.ts';

/** One row a setting, in the order of the table. Secrets are masked: no command is run and no key is read. */
function describeSettings({ settings, ...session }: Session, options: FlagValues) {
  const { stateFolder, isSandbox, keyPlace, baseUrl } = session;
  const sandbox = { level: 'sandbox', source: options.sandbox ? '--sandbox' : 'EVOLINK_SANDBOX' } as const;
  // Without a port: each command starts one on a free port.
  const host = { value: baseUrl, ...sandbox };
  const place = isSandbox ? sandbox : keyPlace;
  const held: Readonly<Record<string, Held | undefined>> = {
    ...settings,
    ...(isSandbox && { baseUrl: host, filesUrl: host }),
    stateFolder: { ...settings.stateFolder, value: stateFolder },
    apiKey: place && { value: '***', level: place.level, source: place.source },
  };
  // The command is where the key comes from.
  const { apiKeyCommand: _command, ...shown } = SETTINGS;
  return Object.entries(shown).map(([name, { key }]) => {
    const { value, raw, level = 'none', source = '' } = held[name] ?? {};
    if (value === undefined) return { key, text: '', value: null, level: 'none' as const, source: 'not set' };
    const own = Array.isArray(value) && (value.length === 0 ? 'list prices' : `${value.length} of your own`);
    // A time or a size as it was written.
    return { key, text: own || `${typeof value === 'number' ? raw : value}`, value, level, source };
  });
}

/** `evolink config [get KEY]`: every setting, its value and its source, or the value of one: empty where nothing is set. */
export function runConfig({ context, args: [wanted], options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async ({ session, reporter }) => {
    const rows = describeSettings(session, options).filter(({ key }) => key === (wanted ?? key));
    const [one] = rows;
    if (one === undefined) throw unknownSetting(`${wanted}`);
    const { projectPath, userPath } = session.config.locations;
    const columns = ['setting', 'value', 'from'];
    const cells = rows.map(({ key, text, source }) => [key, text, source]);
    const { stdout } = context.io;
    const fitted = formatTable(columns, cells, stdout.isTty ? stdout.columns() : undefined);
    // On a screen that is too narrow for three columns the last two are one.
    const pairs = rows.map(({ key, text, source }) => [key, `${text} (${source})`.trim()]);
    const table = fitted || formatTable(columns.slice(0, 2), pairs);
    const document = {
      kind: 'evolink.config' as const,
      files: { project: projectPath ?? null, user: userPath ?? null },
      // Times in ms, sizes in bytes.
      settings: Object.fromEntries(rows.map(({ key, text: _text, ...row }) => [key, row])),
    };
    await reporter.print('config', document, wanted === undefined ? table : `${toHumanPath(one.text)}\n`);
    return 0;
  });
}

/** Works in a session without the user's own config, which may be what is to be repaired. */
function runBeside({ context, options: form }: Invocation, action?: (path: string) => Promise<unknown>) {
  const env = { ...context.env, EVOLINK_CONFIG: devNull };
  const path = findUserConfig(context);
  return runInFrame({ ...context, env }, { form }, async ({ reporter }) => {
    await action?.(path);
    await reporter.print('written', { path }, `${toHumanPath(path)}\n`);
    return 0;
  });
}

/** `evolink config path` */
export const runConfigPath = (call: Invocation) => runBeside(call);

/** `evolink config set KEY [VALUE]`, in the user's own config. The API key is asked for, or read from standard input. */
export function runConfigSet(call: Invocation): Promise<number> {
  const { context } = call;
  const [key = '', value] = call.args;
  return runBeside(call, async (path) => {
    const row = requireSetting(key);
    if (key !== 'api_key') {
      if (value === undefined)
        throw new EvolinkError('usage', `missing value for ${key}: it must be ${row.expected}`);
      return writeSetting(path, key, parseSetting(row, value));
    }
    context.secrets.add(value ?? '');
    if (value !== undefined)
      throw inputError(
        'an API key on the command line can be seen by other users of the machine',
        'evolink config set api_key',
      );
    await writeSetting(path, key, await askKey(context));
    return writeKeyFile(path, undefined);
  });
}

/** `evolink config unset KEY` */
export function runConfigUnset(call: Invocation): Promise<number> {
  const [key = ''] = call.args;
  return runBeside(call, async (path) => {
    requireSetting(key);
    await writeSetting(path, key, undefined);
    if (key === 'api_key') await writeKeyFile(path, undefined);
  });
}

/** The key, typed without being shown, or from a pipe. @throws EvolinkError `auth` for what can be no key */
async function askKey({ io, signals: { signal }, secrets }: Context): Promise<string> {
  const isAsked = io.stdin.isTty;
  const text = isAsked
    ? await askLine(`API key (from ${KEYS_PAGE}; not shown): `, signal, true)
    : await io.stdin.readText(signal);
  secrets.add(text);
  return checkApiKey(text, isAsked ? 'the terminal' : 'standard input').key;
}

const HEADER = `# Settings of evolink. Copy this file to .evolinkrc in your project (found from the working directory upward), or to
# config.yaml in your user config folder (Linux: ~/.config/evolink/config.yaml). \`evolink config\` shows what holds.
#
# Strongest first: flag, environment variable, project file, user config, built-in value.
# YAML, strict: an unknown key is an error. Remove the # before a setting to use it.
`;

/** The text of `evolink config init` and of `.evolinkrc.example`: every key of the table, explained and commented out. */
export function configTemplate(): string {
  const rows = SETTING_ROWS.filter(({ inFile }) => inFile !== 'none');
  const blocks = rows.map(({ key, group, description, env, example }) => {
    const ways = [...flagsOfSetting(key), env ?? ''].filter((way) => way !== '').join(', ');
    // Prose starts with `# `, a setting with `#` alone.
    return `${group ? `\n# --- ${group} ---\n` : ''}\n# ${description}\n${ways && `# Also: ${ways}\n`}#${key}: ${example}\n`;
  });
  return HEADER + blocks.join('');
}

/** Says whether there was none yet. Others must not read what may soon hold a key. */
async function writeTemplate(path: string): Promise<boolean> {
  if ((await lstatIfThere(path)) !== undefined) return false;
  await createDurably(path, configTemplate());
  return true;
}

/** `evolink config init`: a commented `.evolinkrc`, or with `--user` the user's own config and key. */
export function runConfigInit({ context, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    if (options.user === true) return initUser(frame);
    const path = join(context.cwd, PROJECT_FILE_NAME);
    if (!(await writeTemplate(path)))
      throw new EvolinkError('local-io', `${path} already exists`, { hint: 'evolink help configuration' });
    await frame.reporter.print('written', { path }, `${toHumanPath(path)}\n`);
    return 0;
  });
}

/** A commented config where there is none, and the key in a file beside it, once the service has accepted it. */
async function initUser({ context, session, reporter, options, warn }: Frame): Promise<number> {
  if (session.isSandbox)
    throw inputError('the sandbox needs no API key', 'evolink t2v "a paper boat" --sandbox');
  const path = findUserConfig(context);
  const key = await askKey(context);
  // With a key that is on no disk yet.
  const env = { ...context.env, EVOLINK_API_KEY: key };
  const checking = await openSession({ ...context, env }, { form: options, warn: () => undefined });
  try {
    const { api } = await checking.connect();
    const { spendable } = await api.getCredits(context.signals.signal);
    if (spendable !== undefined) reporter.note(`the key works: ${spendable} credits to spend`);
  } catch (error) {
    // What the service refuses is no key; whether it is one may be asked later.
    if (!isEvolinkError(error) || error.kind === 'auth' || error.kind === 'usage') throw error;
    warn(`the key could not be checked: ${error.message}`);
  } finally {
    await checking.close();
  }
  await ensureFolder(dirname(path));
  await writeTemplate(path);
  const written = await writeKeyFile(path, key);
  await reporter.print('written', { path: written }, `${toHumanPath(path)}\n${toHumanPath(written)}\n`);
  return 0;
}
