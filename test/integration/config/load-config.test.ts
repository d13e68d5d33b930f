import { chmod, chown, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { isEvolinkError } from '../../../src/errors.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

const userId = process.getuid?.();
const isRoot = userId === 0;
const isPosix = userId !== undefined;

/** `/home/me/project/deep/er`, with a config folder in the home. */
async function place() {
  const root = await tempFolder();
  const home = join(root, 'home', 'me');
  const project = join(home, 'project');
  const cwd = join(project, 'deep', 'er');
  const configFolder = join(home, '.config', 'evolink');
  await mkdir(cwd, { recursive: true });
  await mkdir(configFolder, { recursive: true });
  return { root, home, project, cwd, configFolder };
}

function load(
  { home, cwd }: Awaited<ReturnType<typeof place>>,
  more: Partial<Parameters<typeof loadConfig>[0]> = {},
  flags?: Parameters<typeof loadConfig>[1],
) {
  return loadConfig({ cwd, home, env: {}, platform: 'linux', userId, ...more }, flags);
}

async function failure(work: Promise<unknown>) {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isEvolinkError(error)) throw new Error(`expected an EvolinkError, got ${String(error)}`);
  return {
    exit: error.exit,
    text: [error.message, ...(error.facts.details ?? []), error.facts.hint ?? ''].join('\n'),
  };
}

describe('loadConfig: which files', () => {
  it('takes the nearest project file only, and the user config under it', async () => {
    const at = await place();
    await writeFile(join(at.home, '.evolinkrc'), 'tier: mini\nduration: 15\n');
    await writeFile(join(at.project, '.evolinkrc'), 'tier: fast\n');
    await writeFile(join(at.configFolder, 'config.yaml'), 'tier: standard\nquality: 480p\n');
    const { settings } = await load(at);
    expect(settings.tier).toEqual({
      value: 'fast',
      level: 'project',
      source: `${join(at.project, '.evolinkrc')}:1`,
    });
    expect(settings.quality).toEqual({
      value: '480p',
      level: 'user',
      source: `${join(at.configFolder, 'config.yaml')}:2`,
    });
    expect(settings.duration.level).toBe('built-in');
  });

  it('looks up to the home folder, or to the root outside of it, and no further', async () => {
    const at = await place();
    await writeFile(join(at.root, '.evolinkrc'), 'tier: mini\n');
    expect((await load(at)).locations.projectPath).toBeUndefined();
    await writeFile(join(at.home, '.evolinkrc'), 'tier: fast\n');
    expect((await load(at)).settings.tier.value).toBe('fast');
    const elsewhere = join(at.root, 'srv', 'x');
    await mkdir(elsewhere, { recursive: true });
    expect((await load({ ...at, cwd: elsewhere })).settings.tier.value).toBe('mini');
  });

  it('reads the user config that EVOLINK_CONFIG names, instead of the usual one', async () => {
    const at = await place();
    await writeFile(join(at.configFolder, 'config.yaml'), 'tier: fast\n');
    await writeFile(join(at.cwd, 'own.yaml'), 'quality: 480p\n');
    const { settings } = await load(at, { env: { EVOLINK_CONFIG: 'own.yaml' } });
    expect(settings.quality).toMatchObject({ value: '480p', level: 'user' });
    expect(settings.tier.level).toBe('built-in');
  });

  it.runIf(isPosix)('takes /dev/null for no config at all', async () => {
    const at = await place();
    await writeFile(join(at.configFolder, 'config.yaml'), 'tier: fast\n');
    expect((await load(at, { env: { EVOLINK_CONFIG: '/dev/null' } })).settings.tier.level).toBe('built-in');
  });

  it.runIf(isRoot)("ignores another user's file above the working directory, with a warning", async () => {
    const at = await place();
    const path = join(at.project, '.evolinkrc');
    await writeFile(path, 'tier: mini\n');
    await chown(path, 4242, 4242);
    const { settings, trustWarnings } = await load(at, { userId: 1000 });
    expect(settings.tier.level).toBe('built-in');
    expect(trustWarnings).toEqual([
      `${path} is ignored: it belongs to another user (uid 4242); to use it, set EVOLINK_CONFIG to it`,
    ]);
  });
});

describe('loadConfig: unusable files', () => {
  it('reports the mistakes of all sources at once', async () => {
    const at = await place();
    await writeFile(join(at.project, '.evolinkrc'), 'timeuot: 30m\n');
    await writeFile(join(at.configFolder, 'config.yaml'), 'a: 1\ntier: quick\n');
    const { exit, text } = await failure(
      load(at, { env: { EVOLINK_DURATION: '99' } }, { max_credits: { value: -1, source: '--max-credits' } }),
    );
    expect(exit).toBe(2);
    expect(text).toContain('the configuration has 5 problems');
    expect(text).toContain(`timeuot (${join(at.project, '.evolinkrc')}:1:1): is not a known setting`);
    expect(text).toContain(`tier (${join(at.configFolder, 'config.yaml')}:2:7) "quick"`);
    expect(text).toMatch(/EVOLINK_DURATION "99"/);
    expect(text).toMatch(/--max-credits "-1"/);
  });

  it.runIf(isPosix)('refuses a linked user config with a key, and takes one without', async () => {
    const at = await place();
    await symlink(join(at.root, 'dotfiles.yaml'), join(at.configFolder, 'config.yaml'));
    await writeFile(join(at.root, 'dotfiles.yaml'), 'tier: fast\n');
    expect((await load(at)).settings.tier.value).toBe('fast');
    await writeFile(join(at.root, 'dotfiles.yaml'), 'api_key: sk-canary\n');
    const { exit, text } = await failure(load(at));
    expect([exit, text]).toEqual([3, expect.stringContaining('is a symbolic link')]);
    expect(text).not.toContain('canary');
  });

  it.runIf(isPosix)(
    'repairs the mode of a user config with a key, and leaves one without alone',
    async () => {
      const at = await place();
      const path = join(at.configFolder, 'config.yaml');
      await writeFile(path, 'api_key: sk-canary\n');
      await chmod(path, 0o644);
      const { trustWarnings } = await load(at);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(trustWarnings).toEqual([
        `the user config "${path}" could be read by other users (mode 0644); its mode is now 0600`,
      ]);
      await writeFile(path, 'tier: fast\n');
      await chmod(path, 0o644);
      expect((await load(at)).trustWarnings).toEqual([]);
      expect((await stat(path)).mode & 0o777).toBe(0o644);
    },
  );

  it.runIf(isRoot)('refuses a user config with a key command that another user owns', async () => {
    const at = await place();
    const path = join(at.configFolder, 'config.yaml');
    await writeFile(path, 'api_key_command: [echo, sk-canary]\n');
    await chown(path, 4242, 4242);
    expect(await failure(load(at))).toEqual({
      exit: 3,
      text: expect.stringContaining('belongs to another user (uid 4242)'),
    });
  });
});
