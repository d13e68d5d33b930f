import { writeFile } from 'node:fs/promises';
import { devNull } from 'node:os';
import { join } from 'node:path';
import { checkApiKey, KEYS_PAGE } from '../config/api-key.ts';
import { configDocument, configTemplate, describeConfig } from '../config/describe.ts';
import { findUserConfig, PROJECT_FILE_NAME } from '../config/load.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { askLine } from '../platform/ask.ts';
import type { Context } from '../platform/context.ts';
import { configFolder, ensureFolder } from '../platform/folders.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import { toHumanPath } from '../platform/text.ts';
import { formatTable } from '../ui/table.ts';
import { type FlagValues, flagsOfSetting } from './flags.ts';
import { type FormOptions, formOf } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { openSession, type Session } from './session.ts';

/** Every setting, its value and its source. No command is run and no key is read. */
function describeSession({ settings, stateFolder, isSandbox, keyPlace }: Session, options: FormOptions) {
  const sandbox = { level: 'sandbox', source: options.sandbox ? '--sandbox' : 'EVOLINK_SANDBOX' } as const;
  // Each command starts one on a free port.
  const host = isSandbox ? { value: 'http://127.0.0.1', ...sandbox } : undefined;
  const holding = {
    ...settings,
    baseUrl: host ?? settings.baseUrl,
    filesUrl: host ?? settings.filesUrl,
    stateFolder: { ...settings.stateFolder, value: stateFolder },
  };
  return describeConfig(holding, { place: isSandbox ? sandbox : keyPlace });
}

function filesOf({ config: { locations } }: Session) {
  return { project: locations.projectPath, user: locations.userPath };
}

/** `evolink config` */
export function runConfig(context: Context, options: FormOptions): Promise<number> {
  return runInFrame(context, { form: options }, async ({ session, reporter }) => {
    const rows = describeSession(session, options);
    const table = formatTable(
      [{ header: 'setting' }, { header: 'value' }, { header: 'from' }],
      rows.map(({ key, text, source }) => [key, text, source]),
      context.io.stdout.isTty ? { width: context.io.stdout.columns() } : {},
    );
    await reporter.print('config', configDocument(rows, filesOf(session)), `${table}\n`);
    return 0;
  });
}

/** `evolink config get KEY`: the value that holds, from whatever source; an empty line where nothing is set. */
export function runConfigGet(context: Context, key: string, options: FormOptions): Promise<number> {
  return runInFrame(context, { form: options }, async ({ session, reporter }) => {
    const row = describeSession(session, options).find((each) => each.key === key);
    if (row === undefined) throw (await import('../config/edit.ts')).unknownSetting(key);
    await reporter.print('config', configDocument([row], filesOf(session)), `${toHumanPath(row.text)}\n`);
    return 0;
  });
}

/** Where the user's own config is or would be. */
function userConfigPath({ env, cwd, home, platform }: Context): string {
  return findUserConfig({ env, cwd, configFolder: configFolder(env, platform, home) });
}

/** A session without the user's own config, which may be what is to be repaired. */
function runBeside(
  context: Context,
  options: FormOptions,
  action: (frame: Frame, path: string) => Promise<void>,
) {
  const env = { ...context.env, EVOLINK_CONFIG: devNull };
  const path = userConfigPath(context);
  return runInFrame({ ...context, env }, { form: options }, async (frame) => {
    await action(frame, path);
    await frame.reporter.print('written', { path }, `${toHumanPath(path)}\n`);
    return 0;
  });
}

/** `evolink config path` */
export function runConfigPath(context: Context, options: FormOptions): Promise<number> {
  return runBeside(context, options, async () => undefined);
}

/** `evolink config set KEY [VALUE]`, in the user's own config. The API key is asked for, or read from standard input. */
export function runConfigSet(
  context: Context,
  {
    key,
    value,
    options,
  }: { readonly key: string; readonly value?: string | undefined; readonly options: FormOptions },
): Promise<number> {
  return runBeside(context, options, async (_frame, path) => {
    const { parseSetting, requireSetting, writeKeyFile, writeSetting } = await import('../config/edit.ts');
    const row = requireSetting(key);
    if (key !== 'api_key') {
      if (value === undefined)
        throw new EvolinkError('usage', `missing value for ${key}: it must be ${row.kind.expected}`);
      return writeSetting(path, key, parseSetting(row, value));
    }
    context.secrets.add(value ?? '');
    if (value !== undefined)
      throw new EvolinkError(
        'usage',
        'an API key on the command line can be seen by other users of the machine',
        {
          hint: 'evolink config set api_key',
        },
      );
    await writeSetting(path, key, await askKey(context));
    await writeKeyFile(path, undefined);
  });
}

/** `evolink config unset KEY` */
export function runConfigUnset(context: Context, key: string, options: FormOptions): Promise<number> {
  return runBeside(context, options, async (_frame, path) => {
    const { requireSetting, writeKeyFile, writeSetting } = await import('../config/edit.ts');
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

/** `evolink config init`: a commented `.evolinkrc`, or with `--user` the user's own config and key. */
export function runConfigInit(context: Context, options: FlagValues): Promise<number> {
  if (options.user === true) return initUser(context, options);
  const path = join(context.cwd, PROJECT_FILE_NAME);
  return runInFrame(context, { form: options }, async ({ reporter }) => {
    if (!(await writeTemplate(path)))
      throw new EvolinkError('local-io', `${path} already exists`, { hint: 'evolink help configuration' });
    await reporter.print('written', { path }, `${toHumanPath(path)}\n`);
    return 0;
  });
}

/** Says whether there was none yet. Others must not read what may soon hold a key. */
async function writeTemplate(path: string): Promise<boolean> {
  try {
    await writeFile(path, configTemplate(flagsOfSetting), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (fsErrorCode(error) === 'EEXIST') return false;
    throw localIoError(error, 'write', path);
  }
}

/** A commented config where there is none, and the key in a file beside it, once the service has accepted it. */
function initUser(context: Context, options: FlagValues): Promise<number> {
  return runInFrame(context, { form: options }, async ({ session, reporter, warn }) => {
    if (session.isSandbox)
      throw new EvolinkError('usage', 'the sandbox needs no API key', {
        hint: 'evolink t2v "a paper boat" --sandbox',
      });
    const { keyFileBeside, writeKeyFile } = await import('../config/edit.ts');
    const path = userConfigPath(context);
    const key = await askKey(context);
    const credits = await readBalance(context, options, key).catch((error: unknown) => {
      // What the service refuses is no key; whether it is one may be asked later.
      if (!isEvolinkError(error) || error.kind === 'auth' || error.kind === 'usage') throw error;
      warn(`the key could not be checked: ${error.message}`);
      return undefined;
    });
    await ensureFolder(configFolder(context.env, context.platform, context.home));
    await writeTemplate(path);
    await writeKeyFile(path, key);
    const written = keyFileBeside(path);
    if (credits !== undefined && formOf(options) === 'human' && options.quiet !== true)
      await context.io.stderr.write(`the key works: ${credits} credits to spend\n`);
    await reporter.print('written', { path: written }, `${toHumanPath(path)}\n${toHumanPath(written)}\n`);
    return 0;
  });
}

/** The free read of the balance, with a key that is on no disk yet. */
async function readBalance(context: Context, form: FormOptions, key: string): Promise<number | undefined> {
  const env = { ...context.env, EVOLINK_API_KEY: key };
  const session = await openSession({ ...context, env }, { form, warn: () => undefined });
  try {
    const { api } = await session.connect();
    return (await api.getCredits(context.signals.signal)).spendable;
  } finally {
    await session.close();
  }
}
