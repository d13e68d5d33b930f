import { copyFileSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { createMediaHosts, serveBytes } from '../helpers/media-host.ts';
import { rigForEach } from '../helpers/rig.ts';

const SMALL = ['-d', '4', '-q', '480p'];
const OWN = '{"my":"data"}\n';

const rig = rigForEach({ rate: 10 });
/** The folder around the working folder, links followed. */
let outside: string;

beforeEach(() => {
  outside = realpathSync(rig.folder);
  mkdirSync(join(outside, 'pics'));
  copyFileSync(fixture('png.png'), join(outside, 'pics/private.png'));
});

const read = (name: string) => readFileSync(join(rig.work, name), 'utf8');

describe('a job file of somebody else', () => {
  it.each(['../pics/x.mp4', 'link/x.mp4'])('is said to write to %s', async (output) => {
    symlinkSync(join(outside, 'pics'), join(rig.work, 'link'));
    rig.write('job.json', JSON.stringify({ prompt: 'x', output }));
    const { code, stderr } = await rig.run(['t2v', '-f', 'job.json', '--dry-run']);
    expect(code).toBe(0);
    expect(stderr).toContain(`"${join(outside, 'pics')}" is outside of the folder of the job file`);
    const flag = await rig.run(['t2v', '-f', 'job.json', '--dry-run', '-o', '../pics/x.mp4']);
    expect(flag.stderr).not.toContain('outside');
  });

  it('is said to upload from outside, in single commands and in runs; a flag is not', async () => {
    symlinkSync(join(outside, 'pics/private.png'), join(rig.work, 'in.png'));
    const text = `"${join(outside, 'pics/private.png')}" is outside of the folder of the job file, and would be uploaded`;
    rig.write('one.json', JSON.stringify({ prompt: 'x', images: ['in.png'] }));
    const single = await rig.run(['i2v', '-f', 'one.json', '--dry-run']);
    expect(single.stderr).toContain(text);
    const flag = await rig.run(['i2v', 'x', '--image', '../pics/private.png', '--dry-run']);
    expect([flag.code, flag.stderr.includes('outside')]).toEqual([0, false]);
    writeFileSync(join(outside, 'rows.csv'), 'k\na\nb\n');
    const job = { type: 'i2v', prompt: '{{k}}', images: ['in.png'], for_each: '../rows.csv' };
    const callback = { callback_url: 'https://hooks.example.com/a' };
    rig.write('jobs.json', JSON.stringify({ version: 1, jobs: { e: { ...job, ...callback } } }));
    const run = await rig.run(['run', 'jobs.json', '--dry-run', '--json']);
    expect(JSON.parse(run.stdout).warnings).toEqual([
      `"${join(outside, 'rows.csv')}" is outside of the folder of the job file, and its rows are read (for_each)`,
      text,
      'callback: https://hooks.example.com is told how 2 jobs ended',
    ]);
  });

  it('with a project file beside it makes no request to this machine, unless asked for', async () => {
    const hosts = createMediaHosts();
    try {
      const host = await hosts.start(serveBytes(readFileSync(fixture('png.png'))));
      rig.write('.evolinkrc', `base_url: ${rig.sandbox.apiUrl}\n`);
      rig.write('jobs.json', JSON.stringify({ prompt: 'x', type: 'i2v', images: [host] }));
      const env = { EVOLINK_BASE_URL: '' };
      const silent = await rig.run(['run', 'jobs.json', '--dry-run'], { env });
      expect(silent.stderr).toContain(`is "${rig.sandbox.apiUrl}": a project file must not decide`);
      expect([silent.code, hosts.seen.size]).toEqual([0, 0]);
      await rig.run(['run', 'jobs.json', '--dry-run', '--check-urls'], { env });
      expect(hosts.seen.size).toBeGreaterThan(0);
    } finally {
      await hosts.close();
    }
  });
});

describe("a file of the user's where the sidecar goes", () => {
  it('is never replaced: nothing is bought', async () => {
    rig.write('d.mp4.json', OWN);
    rig.write('jobs.json', JSON.stringify({ prompt: 'x', type: 't2v', duration: 4, output: 'd.mp4' }));
    const args = ['t2v', 'a frog', ...SMALL, '-o', 'd.mp4', '--sidecar'];
    for (const more of [[], ['--dry-run']]) {
      const { code, stderr } = await rig.run([...args, ...more]);
      expect(code).toBe(11);
      expect(stderr).toContain('--overwrite or --no-sidecar');
    }
    const run = await rig.run(['run', 'jobs.json', '--yes']);
    expect([run.code, rig.posts(), read('d.mp4.json')]).toEqual([2, 0, OWN]);
    expect((await rig.run([...args, '--overwrite'])).code).toBe(0);
    expect(JSON.parse(read('d.mp4.json')).kind).toBe('evolink.sidecar');
  });

  it('stays when it comes while the clip is made, and the clip is saved', async () => {
    const running = rig.start(['t2v', 'a frog', ...SMALL, '-o', 'd.mp4', '--sidecar']);
    await running.sees('accepted');
    rig.write('d.mp4.json', OWN);
    const { code, stderr } = await running.done;
    expect([code, read('d.mp4.json')]).toEqual([0, OWN]);
    expect(stderr).toContain('no sidecar was written');
    expect(read('d.mp4').length).toBeGreaterThan(0);
  });
});
