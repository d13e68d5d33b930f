import { statSync } from 'node:fs';
import { chmod, chown, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { locateApiKey, readApiKey } from '../../../src/config/api-key.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { isEvolinkError } from '../../../src/errors.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

const modeOf = (path: string) => statSync(path).mode & 0o777;
const userId = process.getuid?.();
const isRoot = userId === 0;
const isPosix = userId !== undefined;

type Context = Parameters<typeof loadConfig>[0];
type Files = { readonly user?: string; readonly project?: string; readonly mode?: number };

/** `/home/me/project/deep/er`, with a config folder in the home; the files that are given are those of the two levels. */
async function place({ user, project, mode = 0o600 }: Files = {}) {
  const root = await tempFolder();
  const home = join(root, 'home', 'me');
  const cwd = join(home, 'project', 'deep', 'er');
  const userFile = join(home, '.config', 'evolink', 'config.yaml');
  const projectFile = join(home, 'project', '.evolinkrc');
  await mkdir(cwd, { recursive: true });
  await mkdir(join(userFile, '..'), { recursive: true });
  if (user !== undefined) await writeFile(userFile, user, { mode: 0o600 });
  if (project !== undefined) await writeFile(projectFile, project);
  // A narrow umask would take rights away from a file that is made with them.
  if (project !== undefined) await chmod(projectFile, mode);
  const context: Context = { cwd, home, env: {}, platform: 'linux', userId };
  return { root, home, userFile, projectFile, context };
}

async function failure(work: Promise<unknown>) {
  const error = await work.catch((reason: unknown) => reason);
  if (!isEvolinkError(error)) throw new Error(`expected an EvolinkError, got ${String(error)}`);
  const text = [error.message, ...(error.facts.details ?? []), error.facts.hint ?? ''].join('\n');
  expect(text + error.stack).not.toContain('canary');
  return { exit: error.exit, text };
}

const refusedFor = (reason: string) => ({ exit: 3, text: expect.stringContaining(reason) });

describe('which files', () => {
  it('takes the nearest project file alone, up to the home folder, or to the root outside of it', async () => {
    const { root, home, projectFile, context } = await place();
    await writeFile(join(root, '.evolinkrc'), 'tier: mini\n');
    expect((await loadConfig(context)).locations.projectPath).toBeUndefined();
    await writeFile(join(home, '.evolinkrc'), 'tier: fast\nduration: 15\n');
    expect((await loadConfig(context)).settings.tier.value).toBe('fast');
    await writeFile(projectFile, 'tier: standard\n');
    const { tier, duration } = (await loadConfig(context)).settings;
    expect([tier.source, duration.level]).toEqual([`${projectFile}:1`, 'built-in']);
    const cwd = join(root, 'srv', 'x');
    await mkdir(cwd, { recursive: true });
    expect((await loadConfig({ ...context, cwd })).settings.tier.value).toBe('mini');
  });

  it('reads the user config that EVOLINK_CONFIG names, and none where that is /dev/null', async () => {
    const { context } = await place({ user: 'tier: fast\n' });
    await writeFile(join(context.cwd, 'own.yaml'), 'quality: 480p\n');
    const { settings } = await loadConfig({ ...context, env: { EVOLINK_CONFIG: 'own.yaml' } });
    expect(settings.quality).toMatchObject({ value: '480p', level: 'user' });
    expect(settings.tier.level).toBe('built-in');
    if (!isPosix) return;
    const none = await loadConfig({ ...context, env: { EVOLINK_CONFIG: '/dev/null' } });
    expect(none.settings.tier.level).toBe('built-in');
  });
});

describe('unusable files', () => {
  it('report the mistakes of all sources at once', async () => {
    const files = { project: 'timeuot: 30m\n', user: 'a: 1\ntier: quick\n' };
    const { context, userFile, projectFile } = await place(files);
    const env = { EVOLINK_DURATION: '99' };
    const flags = { max_credits: { value: -1, source: '--max-credits' } };
    const { exit, text } = await failure(loadConfig({ ...context, env }, flags));
    expect(exit).toBe(2);
    expect(text).toContain('the configuration has 5 problems');
    expect(text).toContain(`timeuot (${projectFile}:1:1): is not a known setting`);
    expect(text).toContain(`tier (${userFile}:2:7) "quick"`);
    expect(text).toContain('EVOLINK_DURATION "99"');
    expect(text).toContain('--max-credits "-1"');
  });

  it.runIf(isPosix)('refuse a linked user config with a key, and take one without', async () => {
    const { root, context, userFile } = await place();
    const dotfile = join(root, 'dotfiles.yaml');
    await symlink(dotfile, userFile);
    await writeFile(dotfile, 'tier: fast\n');
    expect((await loadConfig(context)).settings.tier.value).toBe('fast');
    await writeFile(dotfile, 'api_key: sk-canary\n');
    expect(await failure(loadConfig(context))).toEqual(refusedFor('is a symbolic link'));
  });

  it.runIf(isPosix)('have their mode repaired where they hold a key, and are else left alone', async () => {
    const { context, userFile } = await place({ user: 'api_key: sk-canary\n' });
    await chmod(userFile, 0o644);
    const repaired = [expect.stringContaining(`"${userFile}" could be read by other users (mode 0644)`)];
    expect((await loadConfig(context)).trustWarnings).toEqual(repaired);
    expect(modeOf(userFile)).toBe(0o600);
    await writeFile(userFile, 'tier: fast\n');
    await chmod(userFile, 0o644);
    expect((await loadConfig(context)).trustWarnings).toEqual([]);
    expect(modeOf(userFile)).toBe(0o644);
  });

  it.runIf(isRoot)('refuse a key command in a user config of another user', async () => {
    const { context, userFile } = await place({ user: 'api_key_command: [echo, sk-canary]\n' });
    await chown(userFile, 4242, 4242);
    expect(await failure(loadConfig(context))).toEqual(refusedFor('belongs to another user (uid 4242)'));
  });
});

type Given = Files & { readonly env?: Context['env'] };

/** The key of a place with these files. */
async function findKey({ env = {}, ...files }: Given) {
  const at = await place(files);
  const context = { ...at.context, env };
  const config = await loadConfig(context);
  const found = locateApiKey(config, context);
  return { ...at, found, read: () => readApiKey(found, config.locations.userConfigPath) };
}

const keyFailure = async (given: Given) => failure((await findKey(given)).read());

/** A config with a command that prints something, on any platform. */
const withCommand = (argv: readonly string[]) => `api_key_command: ${JSON.stringify(argv)}\n`;
const node = (script: string, ...args: readonly string[]) => [process.execPath, '-e', script, ...args];
const prints = (text: string) => node(`process.stdout.write(${JSON.stringify(text)})`);

describe('the API key', () => {
  it('comes from the variable, then the key file, the command, the user config, the project file', async () => {
    const keyFile = join(await tempFolder(), 'key');
    await writeFile(keyFile, 'sk-file\n', { mode: 0o600 });
    const user = `${withCommand(prints('sk-command\n'))}api_key: sk-user\n`;
    const project = 'api_key: sk-project\n';
    const env = { EVOLINK_API_KEY_FILE: keyFile };
    const order = [
      { env: { EVOLINK_API_KEY: 'sk-variable', ...env }, user, project },
      { env, user, project },
      { user, project },
      { user: 'tier: fast\napi_key: sk-user\n', project },
      { project },
    ].map(async (given) => {
      const { found, read } = await findKey(given);
      return [(await read()).key, found?.level, found?.source.replace(/^.*[/\\]/, '')];
    });
    expect(await Promise.all(order)).toEqual([
      ['sk-variable', 'environment', 'EVOLINK_API_KEY'],
      ['sk-file', 'environment', 'EVOLINK_API_KEY_FILE'],
      ['sk-command', 'user', 'config.yaml:1 (api_key_command)'],
      ['sk-user', 'user', 'config.yaml:2'],
      ['sk-project', 'project', '.evolinkrc:1'],
    ]);
  });

  it('is asked for with every place in order, and how to get one', async () => {
    const order =
      /EVOLINK_API_KEY\n.*EVOLINK_API_KEY_FILE.*\n.*api_key_command in .*\n.*api_key in .*\n.*\.evolinkrc.*\n.*\/dashboard\/keys/;
    expect(await keyFailure({})).toEqual({ exit: 3, text: expect.stringMatching(order) });
  });

  it.runIf(isPosix)('in a key file with mode 0644 has that repaired, with a warning', async () => {
    const path = join(await tempFolder(), 'key');
    await writeFile(path, 'sk-file\n');
    await chmod(path, 0o644);
    const { read } = await findKey({ env: { EVOLINK_API_KEY_FILE: path } });
    const repaired = expect.stringContaining(`"${path}" could be read by other users (mode 0644)`);
    expect(await read()).toEqual({ key: 'sk-file', warnings: [repaired] });
    expect(modeOf(path)).toBe(0o600);
    expect((await read()).warnings).toEqual([]);
  });

  it.runIf(isPosix)('in a key file of another user is refused, and so is a link', async () => {
    const [path, link] = [join(await tempFolder(), 'key'), join(await tempFolder(), 'link')];
    await writeFile(path, 'sk-canary\n', { mode: 0o600 });
    await symlink(path, link);
    expect(await keyFailure({ env: { EVOLINK_API_KEY_FILE: link } })).toEqual(refusedFor('symbolic link'));
    if (!isRoot) return;
    await chown(path, 4242, 4242);
    expect(await keyFailure({ env: { EVOLINK_API_KEY_FILE: path } })).toEqual(
      refusedFor('belongs to another user'),
    );
  });

  it('of a command: no shell runs it, and it runs in the folder of the config', async () => {
    const script =
      'process.stdout.write(process.argv[1] + "|" + require("node:path").basename(process.cwd()))';
    const { read } = await findKey({ user: withCommand(node(script, '$HOME;x')) });
    expect((await read()).key).toBe('$HOME;x|evolink');
  });

  it.each([
    ['fails', node('console.error("canary"); process.exit(3)'), 'failed with exit code 3'],
    // As when it took too long.
    ['ends with 124', node('process.exit(124)', 'sk-canary'), 'did not end within 10 s'],
    ['is not there', ['evolink-no-such-program', 'sk-canary'], 'was not found'],
    ['prints nothing', prints(''), 'is empty'],
  ])('of a command that %s is refused', async (_what, argv, reason) => {
    expect(await keyFailure({ user: withCommand(argv) })).toEqual(refusedFor(reason));
  });

  it.runIf(isPosix)(
    'of a project file that others can read gives a warning, and the file is left',
    async () => {
      const { projectFile, read } = await findKey({ project: 'api_key: sk-project\n' });
      expect((await read()).warnings).toEqual([]);
      const open = await findKey({ project: 'api_key: sk-project\n', mode: 0o644 });
      const warning = expect.stringContaining(`run: chmod 600 "${open.projectFile}"`);
      expect((await open.read()).warnings).toEqual([warning]);
      expect([projectFile, open.projectFile].map(modeOf)).toEqual([0o600, 0o644]);
    },
  );
});
