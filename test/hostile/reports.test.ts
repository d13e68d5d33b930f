import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRunRig, type Rig } from '../helpers/rig.ts';

let rig: Rig;

beforeAll(async () => {
  rig = await createRunRig();
});
afterAll(() => rig.close());

const jobs = (...names: readonly string[]): string =>
  `version: 1\ndefaults: { type: t2v, duration: 4, quality: 480p, output: "out/{job}.mp4" }\njobs:\n${names.map((name) => `  ${name}: { prompt: "a boat, ${name}" }\n`).join('')}`;
const read = (name: string): string => rig.read(name);

describe('merged reports', () => {
  it('keep job files of one name in different folders apart', async () => {
    for (const folder of ['spring', 'autumn']) {
      rig.write(`${folder}/clips.yaml`, jobs('hero'));
      const cwd = rig.at(folder);
      expect((await rig.run(['run', 'clips.yaml', '--report', 'r.json'], { cwd })).code).toBe(0);
    }
    const words = [
      'report',
      'merge',
      'spring/r.json',
      'autumn/r.json',
      '--report',
      'all.json',
      '--report',
      'all.xml',
    ];
    expect((await rig.run(words)).code).toBe(0);
    const all = JSON.parse(read('all.json'));
    expect(all.jobs.map(({ file, name }: { file: string; name: string }) => [file, name]).sort()).toEqual([
      ['autumn/clips.yaml', 'hero'],
      ['spring/clips.yaml', 'hero'],
    ]);
    expect(all.totals).toMatchObject({ planned: 2, saved: 2 });
    expect(read('all.xml')).toMatch(/<testsuite name="spring\/clips.yaml" tests="1"/);
  });

  it('put the shards of one file together, whatever the machines call their workspace', async () => {
    rig.write('one/repo/clips.yaml', jobs('a', 'b', 'c', 'd', 'e'));
    rig.write('two/repo/clips.yaml', jobs('a', 'b', 'c', 'd', 'e'));
    for (const [folder, shard] of [
      ['one', '1/2'],
      ['two', '2/2'],
    ] as const) {
      const cwd = join(rig.work, folder, 'repo');
      const { code } = await rig.run(['run', 'clips.yaml', '--shard', shard, '--report', 'r.json'], {
        cwd,
        env: { GITHUB_WORKSPACE: cwd },
      });
      expect(code).toBe(0);
    }
    const words = ['report', 'merge', 'one/repo/r.json', 'two/repo/r.json', '--report', 'shards.json'];
    expect((await rig.run(words)).code).toBe(0);
    const merged = JSON.parse(read('shards.json'));
    expect(merged.files).toEqual(['clips.yaml']);
    expect(merged.jobs.map(({ name }: { name: string }) => name)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('tell of a missing shard by exit 14 and a failed case, and are complete once it is there', async () => {
    mkdirSync(rig.at('part'));
    rig.write('part/clips.yaml', jobs('a', 'b', 'c', 'd'));
    const cwd = rig.at('part');
    for (const index of [1, 2]) {
      const words = ['run', 'clips.yaml', '--shard', `${index}/2`, '--report', `r${index}.json`];
      expect((await rig.run(words, { cwd })).code).toBe(0);
    }
    const merge = (...words: readonly string[]) =>
      rig.run(['report', 'merge', ...words, '--report', 'm.xml', '--report', 'm.json'], { cwd });
    const alone = await merge('r2.json');
    expect(alone).toMatchObject({ code: 14, stdout: 'm.xml\nm.json\n' });
    expect(alone.stderr).toContain('the report of shard 1/2 is missing');
    expect(read('part/m.xml')).toMatch(/<testsuites name="evolink run" tests="\d" failures="0" errors="1"/);
    expect(read('part/m.xml')).toContain('<testcase name="shard 1/2" classname="evolink run"');
    const { code, stdout } = await merge('r2.json', '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([
      14,
      { ok: false, error: { code: 'partial', exit: 14 } },
    ]);
    expect((await merge('r1.json', 'm.json')).code).toBe(0);
    expect(read('part/m.xml')).toContain('<testsuites name="evolink run" tests="4" failures="0" errors="0"');
  });
});

describe('JUnit of a run that did not finish', () => {
  it('counts jobs that were never sent as failures', async () => {
    rig.write('budget/clips.yaml', jobs('a', 'b', 'c'));
    const cwd = rig.at('budget');
    const words = ['run', 'clips.yaml', '--max-credits', '1', '--report', 'r.xml'];
    expect((await rig.run(words, { cwd })).code).toBe(4);
    expect(read('budget/r.xml')).toMatch(
      /<testsuite name="clips.yaml" tests="3" failures="3" errors="0" skipped="0"/,
    );
    await rig.run([...words, '--dry-run'], { cwd });
    expect(read('budget/r.xml')).toMatch(
      /<testsuite name="clips.yaml" tests="3" failures="0" errors="0" skipped="3"/,
    );
  });
});
