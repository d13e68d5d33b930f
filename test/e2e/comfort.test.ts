import { chmodSync, existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasTerminal, onTerminal } from '../helpers/on-terminal.ts';
import { expectSaid, rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();
/** Half a minute of the program's clock. */
const takeLonger = () => rig.sandbox.addFaults('task:slow@30*');

const T2V = 't2v "a frog" -d 4 -q 480p -o clip.mp4';
const ANEW = `${T2V} --overwrite --new`;

/** A program of the system that notes its arguments, a line each, and ends with an exit code. */
function fakeProgram(name: string, exitCode = 0) {
  const log = `bin/${name}.log`;
  rig.write(`bin/${name}`, `#!/bin/sh\nprintf '%s\\n' "$@" >> '${rig.at(log)}'\nexit ${exitCode}\n`);
  chmodSync(rig.at(`bin/${name}`), 0o755);
  const env = { PATH: `${rig.at('bin')}:${process.env.PATH}`, DISPLAY: ':0', SSH_CONNECTION: '' };
  return {
    run: (line: string) => rig.run(line, { asProcess: true, env }),
    called: () => (existsSync(rig.at(log)) ? rig.read(log).trim().split('\n') : undefined),
  };
}

describe.skipIf(!hasTerminal)('on a terminal', () => {
  const terminal = onTerminal();
  const env = { ...terminal.env, TERM: 'xterm', WT_SESSION: '1', CI: '' };
  const visible = (text: string) => text.replaceAll('\u001b', '^').replaceAll('\u0007', '~');
  const TAKEN_BACK = '^]2;~^[23;2t^]9;4;0;0~';

  it('lists settings without a gap as wide as the longest value on a narrow screen', async () => {
    const { code, stdout } = await rig.run('config --sandbox', onTerminal('', 40));
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^tier +standard \(built-in\)\r?$/m)]);
  });

  it('sets the title and takes it back, and links the clip; says nothing of it in a pipe', async () => {
    const { code, stdout } = await rig.run(T2V, { ...terminal, env });
    const seen = visible(stdout);
    expect([code, seen]).toEqual([0, expect.stringMatching(/\^\[22;2t\^\]2;evolink: [^~^]+~\^\]9;4;/)]);
    expect(seen).toContain(TAKEN_BACK);
    expect(seen).toMatch(/\^\]8;;file:\/\/\S+clip\.mp4~\S+clip\.mp4\^\]8;;~/);
    const piped = await rig.run(ANEW, { env: { WT_SESSION: '1', CI: '' } });
    expectSaid(piped, 0, /^plan: .* credits \(\$\d\.\d\d, list prices/m);
    expect(piped.stdout + piped.stderr).not.toContain('\u001b');
  });

  it.each([1, 2])('takes the title back after Ctrl-C, typed %d times', async (times) => {
    takeLonger();
    const running = rig.start(T2V, { ...terminal, env, keepsStdin: true });
    await running.sees(']2;evolink: ');
    running.child.stdin.write('\u0003'.repeat(times));
    const { stdout } = await running.done;
    expect(visible(stdout)).toContain(TAKEN_BACK);
    expect(stdout.lastIndexOf('\u001b]2;evolink')).toBeLessThan(stdout.lastIndexOf('\u001b[23;2t'));
  });
});

describe.skipIf(process.platform !== 'linux')('with programs of the system', () => {
  it('--open shows the saved clip, and each take of --count; a player that fails costs no clip', async () => {
    const player = fakeProgram('xdg-open');
    expect((await player.run(`${T2V} --open`)).code).toBe(0);
    expect(player.called()).toEqual([rig.at('clip.mp4')]);
    expect([(await player.run(`${T2V} --count 2 --open`)).code, rig.posts()]).toEqual([0, 3]);
    expect(player.called()?.slice(1)).toEqual([rig.at('clip-1.mp4'), rig.at('clip-2.mp4')]);
    const again = await fakeProgram('xdg-open', 3).run(`${ANEW} --open`);
    expectSaid(again, 0, 'warning: xdg-open could not open');
    expect(rig.posts()).toBe(4);
  });

  it('--notify tells of the end of a long wait, with a fixed text; a project file can not ask for it', async () => {
    takeLonger();
    const notifier = fakeProgram('notify-send');
    expect([(await notifier.run(T2V)).code, notifier.called()]).toEqual([0, undefined]);
    expect((await notifier.run(`${ANEW} --notify`)).code).toBe(0);
    expect(notifier.called()).toEqual(['--app-name=evolink', 'evolink is done']);
    rig.write('.evolinkrc', 'notify: true\n');
    expectSaid(await notifier.run(`${T2V} --new`), 2, 'notify');
    expect(rig.posts()).toBe(2);
  });
});
