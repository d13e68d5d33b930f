import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { expectKeptUnverified, useDownloadRig } from '../helpers/download-rig.ts';
import { homeForEach } from '../helpers/rig.ts';
import { serve, serveBytes } from '../helpers/serve.ts';
import type { CliOptions, CliResult } from '../helpers/spawn-cli.ts';

/** Files that took minutes or gigabytes: a table of samples without end, edit lists, sounds of nothing. */
const hostile = (name: string) =>
  fileURLToPath(new URL(`../fixtures/hostile-media/${name}.bin`, import.meta.url));
/** Only ends what hangs. */
const LIMIT_MS = 240_000;
const MOST_MIB = 300;
const MOST_CPU_SECONDS = 8;
const isLinux = process.platform === 'linux';

interface Measured extends CliResult {
  /** Of the largest of the processes, at its largest. */
  readonly peakMib: number;
  /** Of the busiest of them. */
  readonly cpuSeconds: number;
}

const home = homeForEach();

/** Runs the binary and looks at it, and at what it starts, all the while. */
async function measure(args: readonly string[], options?: CliOptions): Promise<Measured> {
  const running = home.start(args, options);
  const seen = { peakMib: 0, cpuSeconds: 0 };
  const timer = setInterval(() => look(running.child.pid ?? 0, seen), 5);
  try {
    return { ...(await running.done), ...seen };
  } finally {
    clearInterval(timer);
  }
}

function look(pid: number, seen: { peakMib: number; cpuSeconds: number }): void {
  if (!isLinux) return;
  for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [, fields = ''] = /\) (.*)/.exec(readFileSync(`/proc/${id}/stat`, 'utf8')) ?? [];
      const [, parent, ...rest] = fields.split(' ');
      if (Number(id) !== pid && Number(parent) !== pid) continue;
      const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1] ?? 0;
      seen.peakMib = Math.max(seen.peakMib, Number(peak) / 1024);
      // Clock ticks of user and system, a hundred a second.
      seen.cpuSeconds = Math.max(seen.cpuSeconds, (Number(rest[9]) + Number(rest[10])) / 100);
    } catch {
      // It has ended meanwhile.
    }
  }
}

function expectBounded({ peakMib, cpuSeconds }: Measured): void {
  expect(peakMib).toBeLessThan(MOST_MIB);
  expect(cpuSeconds).toBeLessThan(MOST_CPU_SECONDS);
}

describe('media that take minutes or gigabytes to read', { timeout: LIMIT_MS }, () => {
  it.each([
    ['elst', 'mp4', /"elst\.mp4" can't be read/],
    ['frag', 'mp4', /"frag\.mp4" can't be read/],
    ['adts0', 'aac', /is AAC: .*must be wav or mp3/],
    ['adts0', 'mp3', /is AAC: .*must be wav or mp3/],
    ['fuzz-7', 'flac', /is FLAC: .*must be wav or mp3/],
  ])('the local file %s.%s is refused within bounds', async (name, extension, reason) => {
    copyFileSync(hostile(name), home.at(`${name}.${extension}`));
    const measured = await measure(['check', `${name}.${extension}`]);
    expect([measured.code, measured.stderr]).toEqual([2, expect.stringMatching(reason)]);
    expectBounded(measured);
  });

  it('a reference is refused before anything is sent, and a good one beside it is read all the same', async () => {
    copyFileSync(hostile('elst'), home.at('elst.mp4'));
    copyFileSync(fileURLToPath(new URL('../fixtures/media/png.png', import.meta.url)), home.at('a.png'));
    const args = ['ref', 'video 1 like image 1', '-v', 'elst.mp4', '-i', 'a.png', '--dry-run'];
    const { code, stderr } = await home.run(args);
    expect([code, stderr]).toEqual([2, expect.stringContaining("can't be read")]);
    expect(stderr).not.toContain('a.png (');
  });

  it.each([
    ['elst', "can't be read"],
    ['fuzz-7', 'is FLAC'],
  ])('the URL of %s is refused within bounds', async (name, reason) => {
    const origin = await serve(serveBytes(readFileSync(hostile(name))));
    const measured = await measure(['check', '--check-urls', `${origin}/${name}.mp4`], {
      env: { EVOLINK_BASE_URL: 'http://127.0.0.1:1' },
    });
    expect([measured.code, measured.stderr]).toEqual([2, expect.stringContaining(reason)]);
    expectBounded(measured);
  });

  it('leave no process behind', async () => {
    copyFileSync(hostile('elst'), home.at('elst.mp4'));
    await home.run(['check', 'elst.mp4']);
    const left = isLinux
      ? readdirSync('/proc').filter((id) => {
          try {
            return (
              readFileSync(`/proc/${id}/cmdline`, 'utf8').includes('media/worker.js') &&
              readFileSync(`/proc/${id}/stat`, 'utf8').split(' ')[3] === '1'
            );
          } catch {
            return false;
          }
        })
      : [];
    expect(left).toEqual([]);
  });
});

describe('a clip that takes minutes or gigabytes to verify', { timeout: LIMIT_MS }, () => {
  it.each(['elst', 'frag'])('%s: it stays, exit 9, and one command accepts it', async (name) => {
    const rig = await useDownloadRig({ content: readFileSync(hostile(name)) });
    await expectKeptUnverified(rig, /takes too much time or memory/);
  });
});
