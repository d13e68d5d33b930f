import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openClip } from '../../src/cli/player.ts';
import { tinyMp4 } from '../helpers/tiny-mp4.ts';
import { rigForEach } from '../helpers/use-rig.ts';

const rig = rigForEach();

it.skipIf(process.platform === 'win32')(
  'on Windows the player is the one of the system, not one of that name in the working folder or the PATH',
  async () => {
    const systemRoot = join(rig.home.folder, 'Windows');
    const log = join(rig.home.folder, 'opened');
    mkdirSync(systemRoot);
    writeFileSync(join(systemRoot, 'explorer.exe'), `#!/bin/sh\nprintf '%s' "$1" > '${log}'\n`);
    chmodSync(join(systemRoot, 'explorer.exe'), 0o755);
    const clip = join(rig.home.work, 'clip.mp4');
    writeFileSync(clip, tinyMp4());
    await openClip(clip, { platform: 'win32', env: { SystemRoot: systemRoot } });
    expect(readFileSync(log, 'utf8')).toBe(clip);
  },
);

/** Node.js from 22 on keeps compiled code between runs. */
describe.skipIf(process.getuid === undefined || Number.parseInt(process.versions.node, 10) < 22)(
  'compiled code',
  () => {
    const cacheOf = (name: string) => join(rig.home.folder, name, 'evolink/code');
    const run = (name: string) =>
      rig.run(['config', 'path'], {
        wrapper: ['env', '-u', 'NODE_DISABLE_COMPILE_CACHE'],
        env: { XDG_CACHE_HOME: join(rig.home.folder, name) },
      });

    it('is kept in a folder of our own, and neither read from nor written to one that others can write to', async () => {
      expect((await run('own')).code).toBe(0);
      expect(readdirSync(cacheOf('own'))).not.toEqual([]);
      mkdirSync(cacheOf('shared'), { recursive: true });
      chmodSync(cacheOf('shared'), 0o777);
      expect((await run('shared')).code).toBe(0);
      expect(readdirSync(cacheOf('shared'))).toEqual([]);
    });
  },
);
