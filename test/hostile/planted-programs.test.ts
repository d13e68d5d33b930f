import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openClip } from '../../src/cli/media.ts';
import { createSecrets } from '../../src/platform/text.ts';
import { rigForEach } from '../helpers/rig.ts';
import { tinyMp4 } from '../helpers/tiny-mp4.ts';

const rig = rigForEach();

describe.skipIf(process.platform === 'win32')('the player', () => {
  const { platform } = process;
  afterEach(() => {
    vi.unstubAllEnvs();
    Object.defineProperty(process, 'platform', { value: platform });
  });

  it('is on Windows started by the shell of the system, not one of the working folder or the PATH', async () => {
    const systemRoot = join(rig.folder, 'Windows');
    const log = join(rig.folder, 'opened');
    const shell = `${systemRoot}\\System32\\WindowsPowerShell\\v1.0\\powershell.exe`;
    writeFileSync(shell, `#!/bin/sh\nprintf '%s' "$*" > '${log}'\n`);
    chmodSync(shell, 0o755);
    const clip = rig.at('clip.mp4');
    writeFileSync(clip, tinyMp4());
    vi.stubEnv('SYSTEMROOT', systemRoot);
    Object.defineProperty(process, 'platform', { value: 'win32' });
    await openClip(clip, { secrets: createSecrets() });
    const [encoded = ''] = readFileSync(log, 'utf8').split(' ').slice(-1);
    expect(Buffer.from(encoded, 'base64').toString('utf16le')).toMatch(new RegExp(`Start '${clip}'$`));
  });
});

/** Node.js from 22 on keeps compiled code between runs. */
const keepsCode = process.getuid !== undefined && Number.parseInt(process.versions.node, 10) >= 22;
it.runIf(keepsCode)('compiled code is never kept in a folder that others can write to', async () => {
  const cacheOf = (name: string) => join(rig.folder, name, 'evolink/code');
  const run = async (name: string) => {
    const env = { XDG_CACHE_HOME: join(rig.folder, name) };
    return rig.run('config path', { wrapper: ['env', '-u', 'NODE_DISABLE_COMPILE_CACHE'], env });
  };
  expect((await run('own')).code).toBe(0);
  expect(readdirSync(cacheOf('own'))).not.toEqual([]);
  mkdirSync(cacheOf('shared'), { recursive: true });
  chmodSync(cacheOf('shared'), 0o777);
  expect((await run('shared')).code).toBe(0);
  expect(readdirSync(cacheOf('shared'))).toEqual([]);
});
