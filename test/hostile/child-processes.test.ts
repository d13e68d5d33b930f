import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { homeForEach } from '../helpers/rig.ts';

const KEY = 'sk-test-child-0123456789';
const PICTURE = new URL('../fixtures/media/jpeg.jpg', import.meta.url);
/** Writes down the environment of every program that is started, whatever starts it. */
const WATCH = `
  import { ChildProcess } from 'node:child_process';
  import { appendFileSync } from 'node:fs';
  const { spawn } = ChildProcess.prototype;
  ChildProcess.prototype.spawn = function (options) {
    appendFileSync(process.env.SPAWN_LOG, JSON.stringify({ file: options.file, env: options.envPairs }) + '\\n');
    return spawn.call(this, options);
  };`;

const home = homeForEach();

beforeEach(() => {
  writeFileSync(join(home.folder, 'watch.mjs'), WATCH);
  copyFileSync(PICTURE, home.at('a.jpg'));
});

async function spawned(args: readonly string[], env: Readonly<Record<string, string>>) {
  const log = join(home.folder, 'spawned');
  const nodeArgs = ['--import', join(home.folder, 'watch.mjs')];
  await home.run(args, { nodeArgs, env: { SPAWN_LOG: log, ...env } });
  if (!existsSync(log)) return [];
  return readFileSync(log, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line): { file: string; env: readonly string[] } => JSON.parse(line));
}

describe('a program that is started', () => {
  it.each([
    ['check', ['check', 'a.jpg']],
    ['a dry run with media', ['i2v', 'it sails', '-i', 'a.jpg', '--dry-run']],
    ['a generation with media', ['i2v', 'it sails', '-i', 'a.jpg', '--sandbox', '-o', 'c.mp4']],
  ])('by %s is not given the key', async (_name, args) => {
    const started = await spawned(args, { EVOLINK_API_KEY: KEY });
    expect(started.length).toBeGreaterThan(0);
    for (const { env } of started) {
      expect(env.filter((pair) => pair.startsWith('EVOLINK_API_KEY='))).toEqual([]);
      expect(env.join('\n')).not.toContain(KEY);
    }
  });

  it('as the command that prints the key is given the rest of the environment, and no key', async () => {
    home.writeConfig('api_key_command: [sh, -c, env]\n');
    const [command] = await spawned(['credits'], { EVOLINK_BASE_URL: 'http://127.0.0.1:9', MINE: '1' });
    expect(command?.env).toContain('MINE=1');
    expect(command?.env.filter((pair) => pair.startsWith('EVOLINK_API_KEY='))).toEqual([]);
  });
});
