import { describe, expect, it } from 'vitest';
import { each, expectSaid, jobFile, rigForAll } from '../helpers/rig.ts';

const rig = rigForAll();

const jobs = (names: string): string =>
  jobFile([...names].map((name) => `${name}: { prompt: "a boat, ${name}" }`).join('\n  '));

/** Runs the job file of a folder, with these reports; its exit. */
async function run(folder: string, flags: string, isOnGithub = false): Promise<number | null> {
  const cwd = rig.at(folder);
  const env = isOnGithub ? { GITHUB_WORKSPACE: cwd } : {};
  return (await rig.run(`run clips.yaml ${flags}`, { cwd, env })).code;
}

describe('merged reports', () => {
  it('keep job files of one name in different folders apart', async () => {
    for (const folder of ['spring', 'autumn']) {
      rig.write(`${folder}/clips.yaml`, jobs('h'));
      expect(await run(folder, '--report r.json')).toBe(0);
    }
    const line = 'report merge spring/r.json autumn/r.json --report all.json --report all.xml';
    expect((await rig.run(line)).code).toBe(0);
    const all = rig.readJson('all.json');
    const found = all.jobs.map(({ file, name }: { file: string; name: string }) => `${file} ${name}`);
    expect(found.sort()).toEqual(['autumn/clips.yaml h', 'spring/clips.yaml h']);
    expect(all.totals).toMatchObject({ planned: 2, saved: 2 });
    expect(rig.read('all.xml')).toMatch(/<testsuite name="spring\/clips.yaml" tests="1"/);
  });

  it('put the shards of one file together, whatever the machines call their workspace', async () => {
    for (const [index, folder] of ['one/repo', 'two/repo'].entries()) {
      rig.write(`${folder}/clips.yaml`, jobs('abcde'));
      expect(await run(folder, `--shard ${index + 1}/2 --report r.json`, true)).toBe(0);
    }
    const line = 'report merge one/repo/r.json two/repo/r.json --report shards.json';
    expect((await rig.run(line)).code).toBe(0);
    const merged = rig.readJson('shards.json');
    expect(merged.files).toEqual(['clips.yaml']);
    expect(each(merged.jobs, 'name')).toEqual([...'abcde']);
  });

  it('tell of a missing shard by exit 14 and a failed case, and are complete once it is there', async () => {
    rig.write('part/clips.yaml', jobs('abcd'));
    for (const index of [1, 2])
      expect(await run('part', `--shard ${index}/2 --report r${index}.json`)).toBe(0);
    const merge = (files: string) =>
      rig.run(`report merge ${files} --report m.xml --report m.json`, { cwd: rig.at('part') });
    const alone = await merge('r2.json');
    expectSaid(alone, 14, 'the report of shard 1/2 is missing');
    expect(alone.stdout).toBe('m.xml\nm.json\n');
    const suites = /<testsuites name="evolink run" tests="\d" failures="0" errors="1"/;
    expect(rig.read('part/m.xml')).toMatch(suites);
    expect(rig.read('part/m.xml')).toContain('<testcase name="shard 1/2" classname="evolink run"');
    const { code, stdout } = await merge('r2.json --json');
    const document = { ok: false, error: { code: 'partial', exit: 14 } };
    expect([code, JSON.parse(stdout)]).toMatchObject([14, document]);
    expect((await merge('r1.json m.json')).code).toBe(0);
    const whole = '<testsuites name="evolink run" tests="4" failures="0" errors="0"';
    expect(rig.read('part/m.xml')).toContain(whole);
  });
});

it('JUnit of a run that did not finish counts jobs that were never sent as failures', async () => {
  rig.write('budget/clips.yaml', jobs('abc'));
  const flags = '--max-credits 1 --report r.xml';
  const suite = (counts: string) => `<testsuite name="clips.yaml" tests="3" ${counts}`;
  expect(await run('budget', flags)).toBe(4);
  expect(rig.read('budget/r.xml')).toContain(suite('failures="3" errors="0" skipped="0"'));
  await run('budget', `${flags} --dry-run`);
  expect(rig.read('budget/r.xml')).toContain(suite('failures="0" errors="0" skipped="3"'));
});
