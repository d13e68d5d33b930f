import { existsSync, rmSync, symlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { each, expectSaid, jobFile, jsonOf, rigForEach, useRunRig } from '../helpers/rig.ts';

const rig = rigForEach();

const run = (line: string, env = {}) => rig.run(`run ${line}`, { env });
const runJson = async (line: string) => jsonOf(await run(`${line} --json`));
/** Looks once, and leaves what was sent under way. */
const leave = (line = 'r.yaml') => run(`${line} --timeout 0`);
/** Tasks take seconds instead of an instant, so that a command which only looks once finds them under way. */
const slowDown = (times = 30) => rig.sandbox.addFaults(`task:slow@${times}*`);
const write = (prompt = 'A frog {{n}}', output = 'out/{job}.mp4', n = 'a, b, c', name = 'r.yaml') =>
  rig.write(name, jobFile(`p: { prompt: "${prompt}", matrix: { n: [${n}] } }`, output));
/** So many were sent, so many of them cost something, and now all are up to date. */
async function expectDone(posts: number, charged = posts, upToDate = posts, line = 'r.yaml') {
  expect([rig.posts(), rig.charged()]).toEqual([posts, charged]);
  expect((await run(line)).stderr).toContain(`${upToDate} up to date`);
}

describe('a run after another', () => {
  it('makes the rest of what is forced, and nothing twice', async () => {
    write();
    expect((await run('r.yaml')).code).toBe(0);
    const part = await run('r.yaml --force --max-credits 6 --allow-partial');
    expect(rig.charged()).toBe(4);
    expect(part.stderr).not.toContain('the same command again');
    const [, line = ''] = /^continue with: evolink run (.+)$/m.exec(part.stderr) ?? [];
    expect(line).toBe('r.yaml --max-credits 6 --allow-partial --only p/b --only p/c --force');
    await run(line);
    expect(rig.charged()).toBe(5);
  });

  it('plans only the cost of what is not bought yet, and names no clip that it replaces', async () => {
    slowDown();
    write();
    await leave('r.yaml --only p/a --only p/b');
    const totals = { resume: 2, new: 1 };
    expect(await runJson('r.yaml --dry-run')).toMatchObject({ totals, credits: { estimated: 5.022 } });
    expectSaid(await run('r.yaml --dry-run'), 0, 'cost: 1 clip, 4 s billed, about 5.022 credits');
    expect((await run('r.yaml')).code).toBe(0);
    write('A toad {{n}}');
    const { credits, jobs } = await runJson('r.yaml --dry-run');
    expect(credits).toEqual({ estimated: 15.066, reserved: null, used: null });
    expect(jobs[0]).toMatchObject({ action: 'changed', task_id: null, local_id: null, sha256: null });
  });

  it('tells of every purchase again, and why there is none', async () => {
    write();
    const failing = (flags: string) => {
      rig.sandbox.addFaults('task:fail(service_error)*1');
      return run(`r.yaml --retry-failed 1 ${flags}`);
    };
    expectSaid(await failing('--only p/a'), 0, /^p\/a: .*; resubmitted \(1 of 1 times\)$/m);
    const used = /^p\/b: not resubmitted: the budget of the run is used up$/m;
    expectSaid(await failing('--only p/b --max-credits 6'), 14, used);
  });

  it('continues under a new name what is still on its way under the old one', async () => {
    slowDown();
    write();
    expect((await leave()).code).toBe(14);
    write(undefined, 'new/{job}.mp4');
    const stdout = expect.stringMatching(/^p\/b +resume .* from .*\/out\/p-b\.mp4$/m);
    expect(await run('r.yaml --dry-run')).toMatchObject({ code: 0, stdout });

    // Killed half-way, the new name is theirs already.
    rig.sandbox.addFaults('link:hang*3');
    const adopting = rig.start('run r.yaml --events');
    await adopting.sees(/"download-started"|"completed"/);
    adopting.child.kill('SIGKILL');
    expect((await adopting.done).signal).toBe('SIGKILL');
    expect((await run('r.yaml', { EVOLINK_RESPONSE_TIMEOUT: '1m' })).code).toBe(0);
    await expectDone(3);
    expect(existsSync(rig.at('out'))).toBe(false);
    expect(rig.read('new/p-a.mp4.json')).toContain('"task_id"');
  });

  it('buys a failed task again where that is asked for, also one that was renamed', async () => {
    slowDown();
    write();
    rig.sandbox.addFaults('task:fail(resource_exhausted)*1');
    await leave('r.yaml --only p/a');
    write(undefined, 'new/{job}.mp4');
    expectSaid(await run('r.yaml --only p/a --retry-failed 1'), 0, 'resubmitted (1 of 1 times)');
    expect([rig.posts(), rig.charged()]).toEqual([2, 1]);
  });

  it('takes a request that is open for its very place, by whatever spelling', async () => {
    // Slower than any machine that looks: time is let pass.
    rig.sandbox.addFaults('task:slow@2000*6');
    const finish = async () => {
      rig.passTime(20 * 3_600_000);
      expect((await run('link/r.yaml')).code).toBe(0);
    };
    write(undefined, undefined, undefined, 'real/r.yaml');
    symlinkSync('real', rig.at('link'));
    await leave('real/r.yaml');
    expect((await run('link/r.yaml --dry-run')).stdout).toMatch(/^p\/a +resume /m);
    await finish();
    await expectDone(3, 3, 3, 'real/r.yaml');
    write('A toad {{n}}', undefined, undefined, 'real/r.yaml');
    await leave('real/r.yaml');
    await finish();
    expect([rig.posts(), rig.charged()]).toEqual([6, 6]);
  });

  it('gives a request to the job that it was moved to, and another to the one it was made for', async () => {
    write('A frog', undefined, 'a, b');
    slowDown(40);
    await leave('r.yaml --only p/a');
    expect((await rig.run(`resume ${rig.taskId()} -o out/p-b.mp4 --timeout 0`)).code).toBe(7);
    const { jobs } = await runJson('r.yaml');
    expect(each(jobs, 'path')).toEqual(['a', 'b'].map((name) => rig.at(`out/p-${name}.mp4`)));
    expect(new Set(each(jobs, 'task_id')).size).toBe(2);
    await expectDone(2);
  });

  it('submits nothing again that is on its way to where another job is now', async () => {
    slowDown();
    write('A {{n}}', 'out/{index}.mp4', 'frog');
    await leave();
    write('A {{n}}', 'out/{index}.mp4', 'toad, frog');
    expect((await run('r.yaml')).code).toBe(0);
    await expectDone(2);
  });

  it('takes both of two requests that are on their way to one old place', async () => {
    slowDown(40);
    write('A frog', 'out/x.mp4', 'a');
    await leave();
    await rig.run('t2v "A frog" --tier mini -q 480p -d 4 -o out/x.mp4 --new --no-wait');
    write('A frog', 'new/{job}.mp4', 'a, b');
    const plan = await runJson('r.yaml --dry-run');
    expect(plan.totals).toMatchObject({ resume: 2, new: 0 });
    expect(new Set(each(plan.jobs, 'local_id')).size).toBe(2);
    // They share a lock.
    expect((await leave()).stderr).not.toContain('works on this task');
  });

  it('asks a service for its own tasks only', async () => {
    slowDown();
    const { sandbox } = await useRunRig();
    write();
    await leave();
    const env = { EVOLINK_BASE_URL: sandbox.apiUrl, EVOLINK_FILES_URL: sandbox.filesUrl };
    const plan = await run('r.yaml --dry-run --json', env);
    expect(jsonOf(plan).totals).toMatchObject({ resume: 0, new: 3 });
  });

  it('takes nothing that is on its way for another job or another project', async () => {
    slowDown();
    write();
    write(undefined, undefined, undefined, 'other/r.yaml');
    await leave();
    expect((await run('other/r.yaml --dry-run')).stdout).toMatch(/^p\/a +new /m);
    write('A frog a', undefined, 'a, d', 'twins.yaml');
    expect((await run('twins.yaml --dry-run')).stdout).toMatch(/^p\/d +new /m);
  });

  it('says how far a limit reaches', async () => {
    write();
    const { warnings } = await runJson('r.yaml --dry-run --allow-partial --max-credits 11');
    expect(warnings).toEqual(['the limit of 11 credits reaches 2 of 3 jobs to be sent']);
  });

  it('adopts clips of equal requests by their names, and says so', async () => {
    const twins = (output: string, lang: string, take: string) => {
      const matrix = `{ lang: [${lang}], take: [${take}] }`;
      rig.write('r.yaml', jobFile(`p: { prompt: "A frog", matrix: ${matrix} }`, output));
    };
    twins('old/{{lang}}-{{take}}.mp4', 'de, en', 'v1, v2');
    expect((await run('r.yaml')).code).toBe(0);
    for (const output of ['new/{{lang}}-{{take}}.mp4', 'new/{{take}}/clip-{{lang}}.mp4']) {
      twins(output, 'en, de', 'v2, v1');
      const { jobs } = await runJson('r.yaml --dry-run');
      const wanted = ['en-v2', 'en-v1', 'de-v2', 'de-v1'].map((name) => rig.at(`old/${name}.mp4`));
      expect(each(jobs, 'moved_from')).toEqual(wanted);
    }
    expect((await run('r.yaml')).stderr).toContain('done: 4 copied, ');
  });
});

describe('a run that is refused', () => {
  const onGithub = (line: string) => {
    const env = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: rig.at('summary.md') };
    return run(`${line} --report j.xml --report r.json`, env);
  };

  it('reports the refusal in place of an earlier run', async () => {
    write();
    rig.write('j.xml', 'of an earlier run');
    const refused = await onGithub('r.yaml --max-credits 6');
    const error = /^::error title=evolink::the plan costs about 15\.066 credits/m;
    expectSaid(refused, 4, 'plan: 3 jobs: 3 new', error);
    expect(rig.read('j.xml')).toContain('<testsuites name="evolink run" tests="4" failures="3" errors="1"');
    expect(rig.readJson('r.json')).toMatchObject({ error: { code: 'credits' }, totals: { planned: 3 } });
    expect(rig.read('summary.md')).toContain('> ❌ the plan costs about 15.066 credits');
    expect(rig.posts()).toBe(0);
  });

  it('reports files that are not there', async () => {
    expect((await onGithub('none.yaml')).code).not.toBe(0);
    expect(rig.read('j.xml')).toContain('none.yaml');
  });

  it('points at the line of a job file that cannot be read', async () => {
    rig.write('bad.yaml', 'version: 1\njobs: [x\n');
    rig.write('key.yaml', 'version: 1\nfoo: 2\njobs:\n  hero: { type: t2v, prompt: v1 }\n');
    expectSaid(
      await onGithub('bad.yaml key.yaml'),
      2,
      /^::error file=bad\.yaml,line=3,col=1,/m,
      /^::error file=key\.yaml,line=2,col=1,.*foo \(key\.yaml:2:1\)/m,
    );
    expect(rig.read('j.xml')).toMatch(/tests="2" failures="0" errors="2"/);
    expect(rig.read('j.xml')).toContain('<testcase name="bad.yaml:3" classname="bad.yaml"');
    expect(rig.readJson('r.json').jobs).toHaveLength(2);
    expect(rig.read('summary.md')).toContain('is not a known key here');
  });

  it('says of a file that is given twice only that', async () => {
    write();
    expectSaid(await run('r.yaml ./r.yaml --dry-run'), 2, 'error: the job file "./r.yaml" is given twice');
    expect(existsSync(rig.at('out'))).toBe(false);
  });
});

const tasksAt = (...names: string[]) => names.map((name) => rig.readJson(`${name}.mp4.json`).task_id);

/** Runs the same request twice: nothing but the names of their jobs tells the two clips apart. */
async function runTwins(first: string, second: string): Promise<void> {
  const [one, two] = [first, second].map((job) => job.replace(': ', ': { prompt: A boat, output: '));
  rig.write('jobs.yaml', jobFile(`${one}.mp4 }\n  ${two}.mp4 }`));
  expect((await run('jobs.yaml')).code).toBe(0);
}

it('gives clips under other names back to their jobs by the names that their sidecars keep', async () => {
  await runTwins('b: 1', 'a: 2');
  const tasks = tasksAt('1', '2');
  expect(tasks[0]).not.toBe(tasks[1]);
  // In the other order, and nothing of the old paths says whose they were.
  await runTwins('a: x', 'b: y');
  expect(tasksAt('y', 'x')).toEqual(tasks);
  // And back again: whatever order alone would give is wrong in one of the two.
  for (const name of ['1.mp4', '1.mp4.json', '2.mp4', '2.mp4.json']) rmSync(rig.at(name));
  await runTwins('b: p', 'a: q');
  expect(tasksAt('p', 'q')).toEqual(tasks);
  expect(rig.charged()).toBe(2);
});

it('swaps two clips, also where a link leads to their folder', async () => {
  const runWith = async (...prompts: string[]) => {
    const jobs = prompts.map((prompt, index) => `j${index}: { prompt: ${prompt}, output: "${index}.mp4" }`);
    rig.write('real/r.yaml', jobFile(jobs.join('\n  ')));
    return each((await runJson('link/r.yaml')).jobs, 'state');
  };
  symlinkSync('real', rig.at('link'));
  await runWith('frog', 'toad');
  const tasks = tasksAt('real/0', 'real/1');
  expect(await runWith('toad', 'frog')).toEqual(['copied', 'copied']);
  expect(tasksAt('real/1', 'real/0')).toEqual(tasks);
  expect(rig.charged()).toBe(2);
});

it('lets an old clip go only when its copy in another folder is on the disk', async () => {
  const runWith = async (prompts: string[], options = {}) => {
    const jobs = prompts.map((prompt, index) => `j${index}: { prompt: ${prompt}, output: "${index}/c.mp4" }`);
    rig.write('r.yaml', jobFile(jobs.join('\n  ')));
    return each((await jsonOf(await rig.run('run r.yaml --json', options))).jobs, 'state');
  };
  await runWith(['frog', 'toad']);
  const tasks = tasksAt('0/c', '1/c');
  const faults = { mode: 'error', code: 'EIO', at: 1, sticky: true, only: ['fsync'], path: '/0/\\..*' };
  expect(await runWith(['toad', 'frog'], { faults })).toEqual(['failed', 'copied']);
  expect(await runWith(['toad', 'frog'])).toEqual(['copied', 'up_to_date']);
  expect(tasksAt('1/c', '0/c')).toEqual(tasks);
  expect(rig.charged()).toBe(2);
});
