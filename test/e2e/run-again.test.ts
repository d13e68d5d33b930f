import { existsSync, symlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createRunRig, expectSaid, jsonOf, rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();

const run = (...args: string[]) => rig.run(['run', ...args]);
/** Tasks take seconds instead of an instant, so that a command which only looks once finds them under way. */
const slowDown = (times = 30) => rig.sandbox.addFaults(`task:slow@${times}*`);
const read = (name: string): string => rig.read(name);
const jobs = (prompt = 'A frog {{n}}', output = 'out/{job}.mp4'): string =>
  `version: 1\ndefaults: { type: t2v, tier: mini, quality: 480p, duration: 4, output: "${output}" }\njobs:\n  p: { prompt: "${prompt}", matrix: { n: [a, b, c] } }\n`;

describe('a run after another', () => {
  it('makes the rest of what is forced, and nothing twice', async () => {
    rig.write('r.yaml', jobs());
    expect((await run('r.yaml')).code).toBe(0);
    const part = await run('r.yaml', '--force', '--max-credits', '6', '--allow-partial');
    expect(rig.charged()).toBe(4);
    expect(part.stderr).not.toContain('the same command again');
    const [, line = ''] = /^continue with: evolink run (.+)$/m.exec(part.stderr) ?? [];
    expect(line).toBe('r.yaml --max-credits 6 --allow-partial --only p/b --only p/c --force');
    await run(...line.split(' '));
    expect(rig.charged()).toBe(5);
  });

  it('plans only the cost of what is not bought yet, and names no clip that it replaces', async () => {
    slowDown();
    rig.write('r.yaml', jobs());
    await run('r.yaml', '--only', 'p/a', '--only', 'p/b', '--timeout', '0');
    const open = await run('r.yaml', '--dry-run', '--json');
    expect(jsonOf(open)).toMatchObject({
      totals: { resume: 2, new: 1 },
      credits: { estimated: 5.022 },
    });
    expect((await run('r.yaml', '--dry-run')).stderr).toContain(
      'cost: 1 clip, 4 s billed, about 5.022 credits',
    );
    expect((await run('r.yaml')).code).toBe(0);
    rig.write('r.yaml', jobs('A toad {{n}}'));
    const changed = jsonOf(await run('r.yaml', '--dry-run', '--json'));
    expect(changed.credits).toEqual({ estimated: 15.066, reserved: null, used: null });
    expect(changed.jobs[0]).toMatchObject({ action: 'changed', task_id: null, local_id: null, sha256: null });
  });

  it('tells of every purchase again, and why there is none', async () => {
    rig.write('r.yaml', jobs());
    rig.sandbox.addFaults('task:fail(service_error)*1');
    expectSaid(
      await run('r.yaml', '--only', 'p/a', '--retry-failed', '1'),
      0,
      /^p\/a: .*; resubmitted \(1 of 1 times\)$/m,
    );
    rig.sandbox.addFaults('task:fail(service_error)*1');
    const poor = await run('r.yaml', '--only', 'p/b', '--retry-failed', '1', '--max-credits', '6');
    expect(poor.code).not.toBe(0);
    expect(poor.stderr).toMatch(/^p\/b: not resubmitted: the budget of the run is used up$/m);
  });

  it('continues under a new name what is still on its way under the old one', async () => {
    slowDown();
    rig.write('r.yaml', jobs());
    expect((await run('r.yaml', '--timeout', '0')).code).toBe(14);
    rig.write('r.yaml', jobs(undefined, 'new/{job}.mp4'));
    const plan = await run('r.yaml', '--dry-run');
    expect(plan.code).toBe(0);
    expect(plan.stdout).toMatch(/^p\/b +resume .* from .*\/out\/p-b\.mp4$/m);

    // Killed half-way, the new name is theirs already.
    rig.sandbox.addFaults('link:hang*3');
    const adopting = rig.start(['run', 'r.yaml', '--events']);
    adopting.child.stdout?.on('data', (chunk: Buffer) => {
      if (chunk.includes('"download-started"') || chunk.includes('"completed"'))
        adopting.child.kill('SIGKILL');
    });
    expect((await adopting.done).signal).toBe('SIGKILL');
    const env = { EVOLINK_RESPONSE_TIMEOUT: '1m' };
    expect((await rig.run(['run', 'r.yaml'], { env })).code).toBe(0);
    expect([rig.posts(), rig.charged()]).toEqual([3, 3]);
    expect((await run('r.yaml')).stderr).toContain('3 up to date');
    expect(existsSync(rig.at('out'))).toBe(false);
    expect(read('new/p-a.mp4.json')).toContain('"task_id"');
  });

  it('buys a failed task again where that is asked for, also one that was renamed', async () => {
    slowDown();
    rig.write('r.yaml', jobs());
    rig.sandbox.addFaults('task:fail(resource_exhausted)*1');
    await run('r.yaml', '--only', 'p/a', '--timeout', '0');
    rig.write('r.yaml', jobs(undefined, 'new/{job}.mp4'));
    expectSaid(await run('r.yaml', '--only', 'p/a', '--retry-failed', '1'), 0, 'resubmitted (1 of 1 times)');
    expect([rig.posts(), rig.charged()]).toEqual([2, 1]);
  });

  it('takes a request that is open for its very place, by whatever spelling', async () => {
    // Slower than any machine that looks: time is let pass.
    rig.sandbox.addFaults('task:slow@2000*6');
    rig.write('real/r.yaml', jobs());
    symlinkSync('real', rig.at('link'));
    await run('real/r.yaml', '--timeout', '0');
    expect((await run('link/r.yaml', '--dry-run')).stdout).toMatch(/^p\/a +resume /m);
    rig.passTime(20 * 3_600_000);
    expect((await run('link/r.yaml')).code).toBe(0);
    expect([rig.posts(), rig.charged()]).toEqual([3, 3]);
    expect((await run('real/r.yaml')).stderr).toContain('3 up to date');
    rig.write('real/r.yaml', jobs('A toad {{n}}'));
    await run('real/r.yaml', '--timeout', '0');
    rig.passTime(20 * 3_600_000);
    expect((await run('link/r.yaml')).code).toBe(0);
    expect([rig.posts(), rig.charged()]).toEqual([6, 6]);
  });

  it('gives a request to the job that it was moved to, and another to the one it was made for', async () => {
    const twins = jobs('A frog').replace('[a, b, c]', '[a, b]');
    rig.write('r.yaml', twins);
    slowDown(40);
    await run('r.yaml', '--only', 'p/a', '--timeout', '0');
    const id = rig.sandbox.ledger.charges()[0]?.taskId ?? '';
    expect((await rig.run(['resume', id, '-o', 'out/p-b.mp4', '--timeout', '0'])).code).toBe(7);
    const both = jsonOf(await run('r.yaml', '--json'));
    expect(both.jobs.map((job: { path: string }) => job.path)).toEqual(
      ['a', 'b'].map((name) => rig.at(`out/p-${name}.mp4`)),
    );
    expect(new Set(both.jobs.map((job: { task_id: string }) => job.task_id)).size).toBe(2);
    expect([rig.posts(), rig.charged()]).toEqual([2, 2]);
    expect((await run('r.yaml')).stderr).toContain('2 up to date');
  });

  it('submits nothing again that is on its way to where another job is now', async () => {
    slowDown();
    const rows = (animals: string) => jobs('A {{n}}', 'out/{index}.mp4').replace('[a, b, c]', `[${animals}]`);
    rig.write('r.yaml', rows('frog'));
    await run('r.yaml', '--timeout', '0');
    rig.write('r.yaml', rows('toad, frog'));
    expect((await run('r.yaml')).code).toBe(0);
    expect([rig.posts(), rig.charged()]).toEqual([2, 2]);
    expect((await run('r.yaml')).stderr).toContain('2 up to date');
  });

  it('takes both of two requests that are on their way to one old place', async () => {
    const twins = (output: string) => jobs('A frog', output).replace('[a, b, c]', '[a, b]');
    slowDown(40);
    rig.write('r.yaml', jobs('A frog', 'out/x.mp4').replace('[a, b, c]', '[a]'));
    await run('r.yaml', '--timeout', '0');
    await rig.run('t2v "A frog" --tier mini -q 480p -d 4 -o out/x.mp4 --new --no-wait');
    rig.write('r.yaml', twins('new/{job}.mp4'));
    const plan = jsonOf(await run('r.yaml', '--dry-run', '--json'));
    expect(plan.totals).toMatchObject({ resume: 2, new: 0 });
    expect(new Set(plan.jobs.map((job: { local_id: string }) => job.local_id)).size).toBe(2);
    // They share a lock.
    expect((await run('r.yaml', '--timeout', '0')).stderr).not.toContain('works on this task');
  });

  it('asks a service for its own tasks only', async () => {
    slowDown();
    const other = await createRunRig();
    try {
      rig.write('r.yaml', jobs());
      await run('r.yaml', '--timeout', '0');
      const env = { EVOLINK_BASE_URL: other.sandbox.apiUrl, EVOLINK_FILES_URL: other.sandbox.filesUrl };
      const plan = await rig.run(['run', 'r.yaml', '--dry-run', '--json'], { env });
      expect(jsonOf(plan).totals).toMatchObject({ resume: 0, new: 3 });
    } finally {
      await other.close();
    }
  });

  it('takes nothing that is on its way for another job or another project', async () => {
    slowDown();
    rig.write('r.yaml', jobs());
    rig.write('other/r.yaml', jobs());
    await run('r.yaml', '--timeout', '0');
    expect((await run('other/r.yaml', '--dry-run')).stdout).toMatch(/^p\/a +new /m);
    rig.write('twins.yaml', jobs('A frog a', 'out/{job}.mp4').replace('[a, b, c]', '[a, d]'));
    expect((await run('twins.yaml', '--dry-run')).stdout).toMatch(/^p\/d +new /m);
  });

  it('says how far a limit reaches', async () => {
    rig.write('r.yaml', jobs());
    const dry = await run('r.yaml', '--dry-run', '--allow-partial', '--max-credits', '11', '--json');
    expect(jsonOf(dry).warnings).toEqual(['the limit of 11 credits reaches 2 of 3 jobs to be sent']);
  });

  it('adopts clips of equal requests by their names, and says so', async () => {
    const twins = (output: string, lang: string, take: string): string =>
      `version: 1\ndefaults: { type: t2v, tier: mini, quality: 480p, duration: 4 }\njobs:\n  p: { prompt: "A frog", output: "${output}", matrix: { lang: [${lang}], take: [${take}] } }\n`;
    rig.write('r.yaml', twins('old/{{lang}}-{{take}}.mp4', 'de, en', 'v1, v2'));
    expect((await run('r.yaml')).code).toBe(0);
    for (const output of ['new/{{lang}}-{{take}}.mp4', 'new/{{take}}/clip-{{lang}}.mp4']) {
      rig.write('r.yaml', twins(output, 'en, de', 'v2, v1'));
      const { stdout } = await run('r.yaml', '--dry-run', '--json');
      const places = JSON.parse(stdout).jobs.map(({ moved_from }: { moved_from: string }) => moved_from);
      const wanted = ['en-v2', 'en-v1', 'de-v2', 'de-v1'].map((name) => `old/${name}.mp4`);
      expect(places).toEqual(wanted.map((path) => rig.at(path)));
    }
    expect((await run('r.yaml')).stderr).toContain('done: 4 copied, ');
  });
});

describe('a run that is refused', () => {
  const onGithub = (...args: string[]) =>
    rig.run(['run', ...args, '--report', 'j.xml', '--report', 'r.json'], {
      env: { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: rig.at('summary.md') },
    });

  it('reports the refusal in place of an earlier run', async () => {
    rig.write('r.yaml', jobs());
    rig.write('j.xml', 'of an earlier run');
    const { code, stderr } = await onGithub('r.yaml', '--max-credits', '6');
    expect(code).toBe(4);
    expect(stderr).toContain('plan: 3 jobs: 3 new');
    expect(stderr).toMatch(/^::error title=evolink::the plan costs about 15\.066 credits/m);
    expect(read('j.xml')).toContain('<testsuites name="evolink run" tests="4" failures="3" errors="1"');
    expect(JSON.parse(read('r.json'))).toMatchObject({ error: { code: 'credits' }, totals: { planned: 3 } });
    expect(read('summary.md')).toContain('> ❌ the plan costs about 15.066 credits');
    expect(rig.posts()).toBe(0);
  });

  it('reports files that are not there', async () => {
    expect((await onGithub('none.yaml')).code).not.toBe(0);
    expect(read('j.xml')).toContain('none.yaml');
  });

  it('points at the line of a job file that cannot be read', async () => {
    rig.write('bad.yaml', 'version: 1\njobs: [x\n');
    rig.write('key.yaml', 'version: 1\nfoo: 2\njobs:\n  hero: { type: t2v, prompt: v1 }\n');
    expectSaid(
      await onGithub('bad.yaml', 'key.yaml'),
      2,
      /^::error file=bad\.yaml,line=3,col=1,/m,
      /^::error file=key\.yaml,line=2,col=1,.*foo \(key\.yaml:2:1\)/m,
    );
    expect(read('j.xml')).toMatch(/tests="2" failures="0" errors="2"/);
    expect(read('j.xml')).toContain('<testcase name="bad.yaml:3" classname="bad.yaml"');
    expect(JSON.parse(read('r.json')).jobs).toHaveLength(2);
    expect(read('summary.md')).toContain('is not a known key here');
  });

  it('says of a file that is given twice only that', async () => {
    rig.write('r.yaml', jobs());
    expectSaid(
      await run('r.yaml', './r.yaml', '--dry-run'),
      2,
      'error: the job file "./r.yaml" is given twice',
    );
    expect(existsSync(rig.at('out'))).toBe(false);
  });
});
