import { chmod, chown, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { locateApiKey, readApiKey } from '../../../src/config/api-key.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { isEvolinkError } from '../../../src/errors.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

const userId = process.getuid?.();
const isPosix = userId !== undefined;
const isRoot = userId === 0;

interface Given {
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly project?: string;
  readonly folder?: string;
}

async function find({ env = {}, user, project, folder }: Given) {
  const home = folder ?? (await tempFolder());
  const cwd = join(home, 'project');
  const configFolder = join(home, '.config', 'evolink');
  await mkdir(cwd, { recursive: true });
  await mkdir(configFolder, { recursive: true });
  if (user !== undefined) await writeFile(join(configFolder, 'config.yaml'), user, { mode: 0o600 });
  if (project !== undefined) await writeFile(join(cwd, '.evolinkrc'), project, { mode: 0o600 });
  const context = { cwd, home, env, platform: 'linux', userId } as const;
  const config = await loadConfig(context);
  const place = locateApiKey(config, context);
  const read = () => readApiKey(place, config.locations.userConfigPath);
  return { place, read, cwd };
}

async function resolve(given: Given) {
  const { place, read } = await find(given);
  return { ...place, ...(await read()) };
}

async function failure(given: Given) {
  const { read } = await find(given);
  const error = await read().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isEvolinkError(error)) throw new Error(`expected an EvolinkError, got ${String(error)}`);
  const text = [error.message, ...(error.facts.details ?? []), error.facts.hint ?? ''].join('\n');
  expect(text).not.toContain('canary');
  expect(error.stack).not.toContain('canary');
  return { exit: error.exit, text };
}

/** A program that prints something, on any platform. */
function prints(text: string): readonly string[] {
  return [process.execPath, '-e', `process.stdout.write(${JSON.stringify(text)})`];
}

describe('the API key: order', () => {
  const user = `api_key_command: ${JSON.stringify(prints('sk-command\n'))}\napi_key: sk-user\n`;
  const project = 'api_key: sk-project\n';
  const env = { EVOLINK_API_KEY: 'sk-variable' };

  it('takes the variable, then the key file, the command, the user config, the project file', async () => {
    const folder = await tempFolder();
    const keyFile = join(folder, 'key');
    await writeFile(keyFile, 'sk-file\n', { mode: 0o600 });
    const withFile = { EVOLINK_API_KEY_FILE: keyFile };
    const found = [
      await resolve({ env: { ...env, ...withFile }, user, project }),
      await resolve({ env: withFile, user, project }),
      await resolve({ user, project }),
      await resolve({ user: 'tier: fast\napi_key: sk-user\n', project }),
      await resolve({ project }),
    ];
    expect(found.map(({ key, level }) => [key, level])).toEqual([
      ['sk-variable', 'environment'],
      ['sk-file', 'environment'],
      ['sk-command', 'user'],
      ['sk-user', 'user'],
      ['sk-project', 'project'],
    ]);
    expect(found.map(({ source }) => source?.replace(/^.*[/\\]/, ''))).toEqual([
      'EVOLINK_API_KEY',
      'EVOLINK_API_KEY_FILE',
      'config.yaml:1',
      'config.yaml:2',
      '.evolinkrc:1',
    ]);
  });

  it('names every place in order where there is no key, and how to get one', async () => {
    const { exit, text } = await failure({});
    expect(exit).toBe(3);
    const order = [
      'EVOLINK_API_KEY',
      'EVOLINK_API_KEY_FILE',
      'api_key_command in ',
      'api_key in ',
      '.evolinkrc',
      'https://evolink.ai/dashboard/keys',
    ];
    const positions = order.map((part) => text.indexOf(part));
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    expect(positions).not.toContain(-1);
  });
});

describe('EVOLINK_API_KEY_FILE', () => {
  it.runIf(isPosix)('with mode 0644 is repaired, with a warning', async () => {
    const path = join(await tempFolder(), 'key');
    await writeFile(path, 'sk-file\n');
    await chmod(path, 0o644);
    const { key, warnings } = await resolve({ env: { EVOLINK_API_KEY_FILE: path } });
    expect(key).toBe('sk-file');
    expect(warnings).toEqual([
      `the key file "${path}" could be read by other users (mode 0644); its mode is now 0600`,
    ]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await resolve({ env: { EVOLINK_API_KEY_FILE: path } })).warnings).toEqual([]);
  });

  it.runIf(isRoot)('of another user is refused', async () => {
    const path = join(await tempFolder(), 'key');
    await writeFile(path, 'sk-canary\n', { mode: 0o600 });
    await chown(path, 4242, 4242);
    expect(await failure({ env: { EVOLINK_API_KEY_FILE: path } })).toEqual({
      exit: 3,
      text: expect.stringContaining('belongs to another user'),
    });
  });

  it.runIf(isPosix)('that is a link is refused', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'real'), 'sk-canary\n', { mode: 0o600 });
    await symlink(join(folder, 'real'), join(folder, 'key'));
    expect(await failure({ env: { EVOLINK_API_KEY_FILE: join(folder, 'key') } })).toEqual({
      exit: 3,
      text: expect.stringContaining('symbolic link'),
    });
  });
});

describe('api_key_command', () => {
  const user = (argv: readonly string[]) => `api_key_command: ${JSON.stringify(argv)}\n`;

  it('runs without a shell, in the folder of the config', async () => {
    const script =
      'process.stdout.write(process.argv[1] + "|" + require("node:path").basename(process.cwd()))';
    const { key } = await resolve({
      user: user([process.execPath, '-e', script, '$HOME;x']),
    });
    expect(key).toBe('$HOME;x|evolink');
  });

  it.each([
    [
      'fails',
      [process.execPath, '-e', 'console.error("canary"); process.exit(3)'],
      'failed with exit code 3',
    ],
    // As when it took too long.
    ['ends with 124', [process.execPath, '-e', 'process.exit(124)'], 'did not end within 10 s'],
    ['is not there', ['evolink-no-such-program', 'sk-canary'], 'was not found'],
    ['prints nothing', prints(''), 'is empty'],
    ['prints two lines', prints('sk-canary\nmore\n'), 'line break'],
  ])('that %s is refused', async (_what, argv, reason) => {
    expect(await failure({ user: user(argv) })).toEqual({
      exit: 3,
      text: expect.stringContaining(reason),
    });
  });
});

describe('a key in a project file', () => {
  it.runIf(isPosix)('that others can read gives a warning and is left as it is', async () => {
    const { cwd, read } = await find({ project: 'api_key: sk-project\n' });
    await chmod(join(cwd, '.evolinkrc'), 0o644);
    const again = await find({ folder: join(cwd, '..') });
    const { warnings } = await again.read();
    expect(warnings).toEqual([expect.stringContaining(`run: chmod 600 "${join(cwd, '.evolinkrc')}"`)]);
    expect((await stat(join(cwd, '.evolinkrc'))).mode & 0o777).toBe(0o644);
    expect((await read()).warnings).toEqual([]);
  });
});
