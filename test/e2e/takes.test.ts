import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { each, expectSaid, jsonOf, rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();
const takes = (flags: string) => rig.run(`t2v "A green frog" --tier mini -d 4 -q 480p ${flags}`);

describe('--count', () => {
  it('makes so many clips of one request, and only the missing ones by the same command again', async () => {
    const numbers = [1, 2, 3];
    const paths = numbers.map((n) => rig.at(`boat-${n}.mp4`));
    const made = await takes('--count 3 -o boat.mp4 --json');
    const { jobs } = jsonOf(made);
    expect(jobs).toMatchObject(numbers.map((n, at) => ({ name: `a-green-frog/${n}`, path: paths[at] })));
    expect([made.code, rig.posts(), new Set(each(jobs, 'task_id')).size]).toEqual([0, 3, 3]);
    expect(rig.readJson('boat-2.mp4.json')).toMatchObject({ job: 'a-green-frog/2' });

    const same = await takes('--count 3 -o boat.mp4');
    expect(same.stderr).toContain('3 up to date');
    expect(same.stdout).toBe(paths.map((path) => `${path}\n`).join(''));
    expect(rig.posts()).toBe(3);
    // One that was deleted is downloaded again, and a fourth is a new one.
    rmSync(rig.at('boat-2.mp4'));
    expect([(await takes('--count 4 -o boat.mp4')).code, rig.posts()]).toEqual([0, 4]);
    expect([2, 4].every((n) => existsSync(rig.at(`boat-${n}.mp4`)))).toBe(true);
  });

  it('resumes the takes that are pending, with 14 until all are done', async () => {
    rig.sandbox.addFaults('task:slow@30*');
    expect([(await takes('--count 2 --timeout 0')).code, rig.posts()]).toEqual([14, 2]);
    expect((await takes('--count 2 --dry-run')).stdout.match(/resume/g)).toHaveLength(2);
    expect(rig.posts()).toBe(2);
  });

  it('has one plan and one budget, and never replaces the file of somebody else', async () => {
    expectSaid(await takes('--count 3 --max-credits 6'), 4, 'the plan costs about 15.066 credits');
    rig.write('boat-2.mp4', 'mine');
    expect((await takes('--count 3 -o boat.mp4')).code).toBe(2);
    expect([rig.read('boat-2.mp4'), rig.posts()]).toEqual(['mine', 0]);
  });

  it('says nothing of the folder of a job file where there is none', async () => {
    const first = join(rig.folder, 'first.png');
    copyFileSync(fixture('png.png'), first);
    const { code, stderr } = await rig.run(`i2v "A frog jumps" -i ${first} --count 2 --dry-run`);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('job file')]);
  });
});

describe('a short job file', () => {
  const SHORT = 'jobs:\n  - prompt: A green frog\n    tier: mini\n    count: 2\n';

  it('needs no version, names and types, and is found in its folder', async () => {
    rig.write('jobs.yaml', SHORT);
    expectSaid(await rig.run('run'), 2, 'without a terminal, jobs.yaml runs only if it is named');
    expect(rig.posts()).toBe(0);
    expectSaid(await rig.run('run --yes'), 0, 'job file: jobs.yaml');
    expect(rig.posts()).toBe(2);
    for (const take of [1, 2]) expect(existsSync(rig.at(`a-green-frog-${take}.mp4`))).toBe(true);
    rig.write('evolink.yaml', SHORT);
    expect([(await rig.run('run --yes')).code, rig.posts()]).toEqual([2, 2]);
  });

  it('may hold ten thousand jobs that are written out', async () => {
    const small = '    type: t2v\n    tier: mini\n    quality: 480p\n    duration: 4\n';
    const job = (_: unknown, index: number) =>
      `  clip-${index}:\n${small}    prompt: "Boat number ${index}, on a lake"\n    output: "out/${index}.mp4"\n`;
    rig.write('many.yaml', `version: 1\njobs:\n${Array.from({ length: 10_000 }, job).join('')}`);
    const { code, stdout } = await rig.run('run many.yaml --dry-run');
    expect([code, stdout.match(/ new /g)?.length]).toEqual([0, 10_000]);
  });
});
