import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasTerminal, onTerminal } from '../helpers/on-terminal.ts';
import { rigForEach } from '../helpers/rig.ts';

const rig = rigForEach({ speed: 2 });

const T2V = ['t2v', 'a frog', '-d', '4', '-q', '480p', '-o', 'clip.mp4'];

/** A program of the system that notes its arguments, a line each, and ends with an exit code. */
function fakeProgram(name: string, exitCode = 0) {
  const folder = join(rig.work, 'bin');
  const log = join(folder, `${name}.log`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), `#!/bin/sh\nprintf '%s\\n' "$@" > '${log}'\nexit ${exitCode}\n`);
  chmodSync(join(folder, name), 0o755);
  return {
    options: {
      asProcess: true,
      env: { PATH: `${folder}:${process.env.PATH}`, DISPLAY: ':0', SSH_CONNECTION: '' },
    },
    called: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : undefined),
  };
}

describe.skipIf(!hasTerminal)('on a terminal', () => {
  const terminal = onTerminal();
  const env = { ...terminal.env, TERM: 'xterm', WT_SESSION: '1', CI: '' };
  const visible = (text: string) => text.replaceAll('\u001b', '^').replaceAll('\u0007', '~');
  const TAKEN_BACK = '^]2;~^[23;2t^]9;4;0;0~';

  it('sets the title and takes it back, and links the clip; says nothing of it in a pipe', async () => {
    const { code, stdout } = await rig.run(T2V, { ...terminal, env });
    expect(code).toBe(0);
    const seen = visible(stdout);
    expect(seen).toMatch(/\^\[22;2t\^\]2;evolink: [^~^]+~\^\]9;4;/);
    expect(seen).toContain(TAKEN_BACK);
    expect(seen).toMatch(/\^\]8;;file:\/\/\S+clip\.mp4~\S+clip\.mp4\^\]8;;~/);
    const piped = await rig.run([...T2V, '--overwrite', '--new'], { env: { WT_SESSION: '1', CI: '' } });
    expect(piped.code).toBe(0);
    expect(piped.stdout + piped.stderr).not.toContain('\u001b');
    expect(piped.stderr).toMatch(/^plan: .* credits \(\$\d\.\d\d, list prices/m);
  });

  it.each([1, 2])('takes the title back after Ctrl-C, typed %d times', async (times) => {
    const running = rig.start(T2V, { ...terminal, env, keepsStdin: true });
    await running.sees(']2;evolink: ');
    running.child.stdin?.write('\u0003'.repeat(times));
    const { stdout } = await running.done;
    expect(visible(stdout)).toContain(TAKEN_BACK);
    expect(stdout.lastIndexOf('\u001b]2;evolink')).toBeLessThan(stdout.lastIndexOf('\u001b[23;2t'));
  });
});

describe.skipIf(process.platform !== 'linux')('with programs of the system', () => {
  it('--open shows the saved clip; a player that fails costs no clip', async () => {
    const player = fakeProgram('xdg-open');
    const made = await rig.run([...T2V, '--open'], player.options);
    expect(made).toMatchObject({ code: 0 });
    expect(player.called()).toEqual([join(rig.work, 'clip.mp4')]);
    const broken = fakeProgram('xdg-open', 3);
    const again = await rig.run([...T2V, '--open', '--overwrite', '--new'], broken.options);
    expect(again).toMatchObject({ code: 0 });
    expect(again.stderr).toContain('warning: xdg-open could not open');
    expect(rig.posts()).toBe(2);
  });

  it('--notify tells of the end of a long wait, with a fixed text; a project file can not ask for it', async () => {
    const notifier = fakeProgram('notify-send');
    const silent = await rig.run(T2V, notifier.options);
    expect(silent.code).toBe(0);
    expect(notifier.called()).toBeUndefined();
    const told = await rig.run([...T2V, '--notify', '--overwrite', '--new'], notifier.options);
    expect(told.code).toBe(0);
    expect(notifier.called()).toEqual(['--app-name=evolink', 'evolink is done']);
    rig.write('.evolinkrc', 'notify: true\n');
    const refused = await rig.run([...T2V, '--new'], notifier.options);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('notify');
    expect(rig.posts()).toBe(2);
  });
});
