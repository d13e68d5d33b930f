import { copyFileSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { expectSaid, jsonOf, rigForEach } from '../helpers/rig.ts';
import { serve, serveBytes } from '../helpers/serve.ts';

const OWN = '{"my":"data"}\n';
const SIDECAR = 't2v "a frog" -d 4 -q 480p -o d.mp4 --sidecar';

const rig = rigForEach({ rate: 10 });
/** The folder around the working folder, links followed, and a picture in it. */
let outside: string;
let picture: string;

beforeEach(() => {
  outside = realpathSync(rig.folder);
  picture = join(outside, 'pics/private.png');
  mkdirSync(join(outside, 'pics'));
  copyFileSync(fixture('png.png'), picture);
});

describe('a job file of somebody else', () => {
  it.each(['../pics/x.mp4', 'link/x.mp4'])('is said to write to %s', async (output) => {
    symlinkSync(join(outside, 'pics'), rig.at('link'));
    rig.write('job.json', { prompt: 'x', output });
    const line = 't2v -f job.json --dry-run';
    expectSaid(await rig.run(line), 0, `"${join(outside, 'pics')}" is outside of the folder of the job file`);
    expect((await rig.run(`${line} -o ../pics/x.mp4`)).stderr).not.toContain('outside');
  });

  it('is said to upload from outside, in single commands and in runs; a flag is not', async () => {
    symlinkSync(picture, rig.at('in.png'));
    const text = `"${picture}" is outside of the folder of the job file, and would be uploaded`;
    rig.write('one.json', { prompt: 'x', images: ['in.png'] });
    expect((await rig.run('i2v -f one.json --dry-run')).stderr).toContain(text);
    const flag = await rig.run('i2v x --image ../pics/private.png --dry-run');
    expect([flag.code, flag.stderr.includes('outside')]).toEqual([0, false]);
    rig.write('../rows.csv', 'k\na\nb\n');
    const e = { type: 'i2v', prompt: '{{k}}', images: ['in.png'], for_each: '../rows.csv' };
    rig.write('jobs.json', { jobs: { e: { ...e, callback_url: 'https://hooks.example.com/a' } } });
    expect(jsonOf(await rig.run('run jobs.json --dry-run --json')).warnings).toEqual([
      `"${join(outside, 'rows.csv')}" is outside of the folder of the job file, and its rows are read (for_each)`,
      text,
      'callback: https://hooks.example.com is told how 2 jobs ended',
    ]);
  });

  it('with a project file beside it makes no request to this machine, unless asked for', async () => {
    let requests = 0;
    const answer = serveBytes(readFileSync(fixture('png.png')));
    const host = await serve((request, response) => {
      requests += 1;
      answer(request, response);
    });
    rig.write('.evolinkrc', `base_url: ${rig.sandbox.apiUrl}\n`);
    rig.write('jobs.json', { prompt: 'x', type: 'i2v', images: [host] });
    const env = { EVOLINK_BASE_URL: '' };
    const run = (flags = '') => rig.run(`run jobs.json --dry-run ${flags}`, { env });
    expectSaid(await run(), 0, `is "${rig.sandbox.apiUrl}": a project file must not decide`);
    expect(requests).toBe(0);
    await run('--check-urls');
    expect(requests).toBeGreaterThan(0);
  });
});

describe("a file of the user's where the sidecar goes", () => {
  it('is never replaced: nothing is bought', async () => {
    rig.write('d.mp4.json', OWN);
    rig.write('jobs.json', { prompt: 'x', type: 't2v', duration: 4, output: 'd.mp4' });
    for (const more of ['', '--dry-run'])
      expectSaid(await rig.run(`${SIDECAR} ${more}`), 11, '--overwrite or --no-sidecar');
    const run = await rig.run('run jobs.json --yes');
    expect([run.code, rig.posts(), rig.read('d.mp4.json')]).toEqual([2, 0, OWN]);
    expect((await rig.run(`${SIDECAR} --overwrite`)).code).toBe(0);
    expect(rig.readJson('d.mp4.json').kind).toBe('evolink.sidecar');
  });

  it('stays when it comes while the clip is made, and the clip is saved', async () => {
    const running = rig.start(SIDECAR);
    await running.sees('accepted');
    rig.write('d.mp4.json', OWN);
    expectSaid(await running.done, 0, 'no sidecar was written');
    expect(rig.read('d.mp4.json')).toBe(OWN);
    expect(rig.read('d.mp4').length).toBeGreaterThan(0);
  });
});
