import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { homeForEach } from '../helpers/rig.ts';

const KEY = 'sk-test-child-0123456789';
/** Writes down the environment of every program that is started, whatever starts it. */
const WATCH = `
  import { ChildProcess } from 'node:child_process';
  import { appendFileSync } from 'node:fs';
  const { spawn } = ChildProcess.prototype;
  ChildProcess.prototype.spawn = function (options) {
    appendFileSync(process.env.SPAWN_LOG, JSON.stringify(options.envPairs) + '\\n');
    return spawn.call(this, options);
  };`;

const home = homeForEach();

beforeEach(() => {
  writeFileSync(join(home.folder, 'watch.mjs'), WATCH);
  copyFileSync(fixture('jpeg.jpg'), home.at('a.jpg'));
});

/** The environments of the programs that a command starts. */
async function spawned(line: string, env: Readonly<Record<string, string>>): Promise<readonly string[][]> {
  const log = join(home.folder, 'spawned');
  const nodeArgs = ['--import', join(home.folder, 'watch.mjs')];
  await home.run(line, { nodeArgs, env: { SPAWN_LOG: log, ...env } });
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [];
  return lines.map((each) => JSON.parse(each));
}
const keysIn = (env: readonly string[] = []) => env.filter((pair) => pair.startsWith('EVOLINK_API_KEY='));

describe('a program that is started', () => {
  it.each([
    ['check', 'check a.jpg'],
    ['a dry run with media', 'i2v "it sails" -i a.jpg --dry-run'],
    ['a generation with media', 'i2v "it sails" -i a.jpg --sandbox -o c.mp4'],
  ])('by %s is not given the key', async (_name, line) => {
    const started = await spawned(line, { EVOLINK_API_KEY: KEY });
    expect(started.length).toBeGreaterThan(0);
    for (const env of started) expect([keysIn(env), env.join('\n').includes(KEY)]).toEqual([[], false]);
  });

  it('as the command that prints the key is given the rest of the environment, and no key', async () => {
    home.writeConfig('api_key_command: [sh, -c, env]\n');
    const [env] = await spawned('credits', { EVOLINK_BASE_URL: 'http://127.0.0.1:9', MINE: '1' });
    expect(env).toContain('MINE=1');
    expect(keysIn(env)).toEqual([]);
  });
});
