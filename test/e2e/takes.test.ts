import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { expectSaid, rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();

const at = (name: string): string => rig.at(name);
const REQUEST = ['t2v', 'A green frog', '--tier', 'mini', '-d', '4', '-q', '480p'];
const takes = (...args: string[]) => rig.run([...REQUEST, ...args]);

describe('--count', () => {
  it('makes so many clips of one request, and only the missing ones by the same command again', async () => {
    const { code, stdout } = await takes('--count', '3', '-o', 'boat.mp4', '--json');
    expect(code).toBe(0);
    const { jobs } = JSON.parse(stdout);
    expect(jobs.map(({ name }: { name: string }) => name)).toEqual([1, 2, 3].map((n) => `a-green-frog/${n}`));
    expect(jobs.map(({ path }: { path: string }) => path)).toEqual([1, 2, 3].map((n) => at(`boat-${n}.mp4`)));
    expect(rig.posts()).toBe(3);
    expect(new Set(jobs.map(({ task_id }: { task_id: string }) => task_id)).size).toBe(3);
    expect(JSON.parse(readFileSync(at('boat-2.mp4.json'), 'utf8'))).toMatchObject({ job: 'a-green-frog/2' });

    const same = await takes('--count', '3', '-o', 'boat.mp4');
    expect(same.stderr).toContain('3 up to date');
    expect(same.stdout).toBe([1, 2, 3].map((n) => `${at(`boat-${n}.mp4`)}\n`).join(''));
    expect(rig.posts()).toBe(3);
    // One that was deleted is downloaded again, and a fourth is a new one.
    rmSync(at('boat-2.mp4'));
    expect((await takes('--count', '4', '-o', 'boat.mp4')).code).toBe(0);
    expect(rig.posts()).toBe(4);
    expect([2, 4].every((n) => existsSync(at(`boat-${n}.mp4`)))).toBe(true);
  });

  it('resumes the takes that are pending, with 14 until all are done', async () => {
    rig.sandbox.addFaults('task:slow@30*');
    expect((await takes('--count', '2', '--timeout', '0')).code).toBe(14);
    expect(rig.posts()).toBe(2);
    const plan = await takes('--count', '2', '--dry-run');
    expect(plan.stdout.match(/resume/g)).toHaveLength(2);
    expect(rig.posts()).toBe(2);
  });

  it('has one plan and one budget, and never replaces the file of somebody else', async () => {
    const { code, stderr } = await takes('--count', '3', '--max-credits', '6');
    expect(code).toBe(4);
    expect(stderr).toContain('the plan costs about 15.066 credits');
    rig.write('boat-2.mp4', 'mine');
    expect((await takes('--count', '3', '-o', 'boat.mp4')).code).toBe(2);
    expect(readFileSync(at('boat-2.mp4'), 'utf8')).toBe('mine');
    expect(rig.posts()).toBe(0);
  });

  it('says nothing of the folder of a job file where there is none', async () => {
    copyFileSync(fixture('png.png'), join(rig.folder, 'first.png'));
    const first = join(rig.folder, 'first.png');
    const args = ['i2v', 'A frog jumps', '-i', first, '--count', '2', '--dry-run'];
    const { code, stderr } = await rig.run(args);
    expect(code).toBe(0);
    expect(stderr).not.toContain('job file');
  });

  it.each([
    ['--count 1', 'from 2 to 9'],
    ['--count 10', 'from 2 to 9'],
    ['--count 2 -o -', 'is for one clip'],
    ['--count 2 --no-wait', 'leave out --no-wait'],
  ])('refuses %s', async (flags, message) => {
    expectSaid(await takes(...flags.split(' ')), 2, message);
    expect(rig.posts()).toBe(0);
  });
});

describe('a short job file', () => {
  const SHORT = 'jobs:\n  - prompt: A green frog\n    tier: mini\n    count: 2\n';

  it('needs no version, names and types, and is found in its folder', async () => {
    rig.write('jobs.yaml', SHORT);
    const refused = await rig.run(['run']);
    expect([refused.code, rig.posts()]).toEqual([2, 0]);
    expect(refused.stderr).toContain('without a terminal, jobs.yaml runs only if it is named');
    const { code, stderr } = await rig.run(['run', '--yes']);
    expect(code).toBe(0);
    expect(stderr).toContain('job file: jobs.yaml');
    expect(rig.posts()).toBe(2);
    for (const take of [1, 2]) expect(existsSync(at(`a-green-frog-${take}.mp4`))).toBe(true);
    rig.write('evolink.yaml', SHORT);
    const both = await rig.run(['run', '--yes']);
    expect([both.code, rig.posts()]).toEqual([2, 2]);
  });

  it('may hold ten thousand jobs that are written out', async () => {
    const job = (index: number) =>
      `  clip-${index}:\n    type: t2v\n    tier: mini\n    quality: 480p\n    duration: 4\n    prompt: "Boat number ${index}, on a lake"\n    output: "out/${index}.mp4"\n`;
    rig.write('many.yaml', `version: 1\njobs:\n${Array.from({ length: 10_000 }, (_, n) => job(n)).join('')}`);
    const { code, stdout } = await rig.run(['run', 'many.yaml', '--dry-run']);
    expect(code).toBe(0);
    expect(stdout.match(/ new /g)).toHaveLength(10_000);
  });
});
