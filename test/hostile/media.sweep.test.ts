import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { expectKeptUnverified, useDownloadRig } from '../helpers/download-rig.ts';
import { fixture } from '../helpers/media-fixtures.ts';
import { expectSaid, homeForEach } from '../helpers/rig.ts';
import { serve, serveBytes } from '../helpers/serve.ts';
import type { CliOptions } from '../helpers/spawn-cli.ts';

/** Files that took minutes or gigabytes: a table of samples without end, edit lists, sounds of nothing. */
const hostile = (name: string) => fixture(`../hostile-media/${name}.bin`);
const MOST_MIB = 300;
const MOST_CPU_SECONDS = 8;

const home = homeForEach();

/** Runs the binary, looks at it and at what it starts all the while, and expects this refusal within bounds. */
async function expectRefused(line: string, reason: string | RegExp, options?: CliOptions): Promise<void> {
  const running = home.start(line, options);
  // Of the largest of the processes, at its largest, and of the busiest of them.
  const seen = { peakMib: 0, cpuSeconds: 0 };
  const timer = setInterval(() => look(running.child.pid ?? 0, seen), 5);
  expectSaid(await running.done.finally(() => clearInterval(timer)), 2, reason);
  expect(seen.peakMib).toBeLessThan(MOST_MIB);
  expect(seen.cpuSeconds).toBeLessThan(MOST_CPU_SECONDS);
}

/** What Linux says of a process; nothing where it has ended meanwhile. */
function proc(id: string, name: string): string {
  try {
    return readFileSync(`/proc/${id}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
const ids = () => (process.platform === 'linux' ? readdirSync('/proc').filter((id) => /^\d+$/.test(id)) : []);
/** From its parent on, by the fields of `man proc_pid_stat`. */
const statOf = (id: string) => (/\) \S+ (.*)/.exec(proc(id, 'stat'))?.[1] ?? '').split(' ').map(Number);

function look(pid: number, seen: { peakMib: number; cpuSeconds: number }): void {
  for (const id of ids()) {
    const { 0: parent, 10: user = 0, 11: system = 0 } = statOf(id);
    if (Number(id) !== pid && parent !== pid) continue;
    const peak = /VmHWM:\s+(\d+)/.exec(proc(id, 'status'))?.[1] ?? 0;
    seen.peakMib = Math.max(seen.peakMib, Number(peak) / 1024);
    // Clock ticks, a hundred a second.
    seen.cpuSeconds = Math.max(seen.cpuSeconds, (user + system) / 100);
  }
}

describe('media that take minutes or gigabytes to read', () => {
  it.each([
    ['elst', 'mp4', /"elst\.mp4" can't be read/],
    ['frag', 'mp4', /"frag\.mp4" can't be read/],
    ['adts0', 'aac', /is AAC: .*must be wav or mp3/],
    ['adts0', 'mp3', /is AAC: .*must be wav or mp3/],
    ['fuzz-7', 'flac', /is FLAC: .*must be wav or mp3/],
  ])('the local file %s.%s is refused within bounds', async (name, extension, reason) => {
    copyFileSync(hostile(name), home.at(`${name}.${extension}`));
    await expectRefused(`check ${name}.${extension}`, reason);
  });

  it('a reference is refused before anything is sent, and a good one beside it is read all the same', async () => {
    copyFileSync(hostile('elst'), home.at('elst.mp4'));
    copyFileSync(fixture('png.png'), home.at('a.png'));
    const result = await home.run('ref "video 1 like image 1" -v elst.mp4 -i a.png --dry-run');
    expectSaid(result, 2, "can't be read");
    expect(result.stderr).not.toContain('a.png (');
  });

  it.each([
    ['elst', "can't be read"],
    ['fuzz-7', 'is FLAC'],
  ])('the URL of %s is refused within bounds', async (name, reason) => {
    const origin = await serve(serveBytes(readFileSync(hostile(name))));
    const env = { EVOLINK_BASE_URL: 'http://127.0.0.1:1' };
    await expectRefused(`check --check-urls ${origin}/${name}.mp4`, reason, { env });
  });

  it('leave no process behind', async () => {
    copyFileSync(hostile('elst'), home.at('elst.mp4'));
    await home.run('check elst.mp4');
    const isLeft = (id: string) => proc(id, 'cmdline').includes('media/worker.js') && statOf(id)[0] === 1;
    expect(ids().filter(isLeft)).toEqual([]);
  });
});

describe('a clip that takes minutes or gigabytes to verify', () => {
  it.each(['elst', 'frag'])('%s: it stays, exit 9, and one command accepts it', async (name) => {
    const rig = await useDownloadRig({ content: readFileSync(hostile(name)) });
    await expectKeptUnverified(rig, /takes too much time or memory/);
  });
});
