import { copyFileSync, existsSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { each, eventsOf, expectSaid, jobFile, jsonOf, rigForEach, useRunRig } from '../helpers/rig.ts';

const rig = rigForEach();

/** Five rows, four languages, two ratios: forty jobs. */
const fortyJobs = (word = 'lamp', tone = 'soft light', output = 'out/{job}-{ratio}.mp4'): string =>
  jobFile(
    `product:
    prompt: "{{name}} in {{lang}}, ${tone}"
    for_each:
      - { sku: a1, name: A frog }
      - { sku: b2, name: A ${word} }
      - { sku: c3, name: A boat }
      - { sku: d4, name: A tree }
      - { sku: e5, name: A clock }
    matrix: { lang: [en, ko, ja, de], aspect_ratio: ["16:9", "1:1"] }`,
    output,
  );
const write = (...changes: Parameters<typeof fortyJobs>) => rig.write('jobs.yaml', fortyJobs(...changes));

const run = (flags = '') => rig.run(`run jobs.yaml ${flags}`);
/** The two jobs of the first row in English. */
const TWO = '--only */a1/en/*';

describe('evolink run', () => {
  it('makes forty clips under refusals, and nothing the second time', async () => {
    rig.sandbox.addFaults(
      'submit:429*2(retry-after=1); submit:429*1(skip=5,retry-after=2); poll:500*2; batch:500*2',
    );
    write();
    const first = await run('--concurrency 16 --report report.json');
    expectSaid(first, 0, '40 new');
    expect(rig.clips()).toHaveLength(40);
    expect(rig.clips()).toContain('product-a1-ko-16x9.mp4');
    expect(first.stdout.trim().split('\n')).toHaveLength(40);
    expect(rig.charged()).toBe(40);
    const report = rig.readJson('report.json');
    expect(report.totals).toMatchObject({ planned: 40, new: 40, saved: 40, failed: 0 });
    expect(report.credits.reserved).toBeCloseTo(40 * 5.022, 3);

    const posts = rig.posts();
    const { stdout, ...again } = await run();
    expectSaid(again, 0, '40 up to date');
    expect([stdout, rig.posts()]).toEqual(['', posts]);
  });

  it('makes exactly the clips again whose words changed', async () => {
    const sidecar = () => rig.readJson('out/product-b2-en-1x1.mp4.json');
    write();
    await run('--concurrency 16 --only */en/*');
    const before = sidecar();
    const posts = rig.posts();
    write('lantern');
    expectSaid(await run('--only */en/1:1'), 0, '1 changed');
    expect(rig.posts()).toBe(posts + 1);
    expect(sidecar().request.prompt).toContain('lantern');
    expect(sidecar().task_id).not.toBe(before.task_id);
    const names = rig.clips().filter((name) => name.includes('b2-en-1x1'));
    expect(names).toEqual(['product-b2-en-1x1.mp4', `product-b2-en-1x1.${before.task_id}.mp4`]);
  });

  it('needs neither the journal nor time stamps to know what is there', async () => {
    write();
    await run(TWO);
    rmSync(rig.state, { recursive: true });
    for (const name of readdirSync(rig.at('out'))) utimesSync(rig.at(`out/${name}`), 1, 1);
    const posts = rig.posts();
    expect((await run(TWO)).stderr).toContain('2 up to date');
    expect(rig.posts()).toBe(posts);
    expect((await run('--only */a1/en/1:1 --force')).stderr).toContain('1 changed');
    expect(rig.posts()).toBe(posts + 1);
  });

  it('never replaces a file that is not its own', async () => {
    write();
    rig.write('out/product-a1-en-1x1.mp4', 'mine');
    expectSaid(await run(TWO), 2, 'product-a1-en-1x1.mp4', 'no record');
    expect(rig.posts()).toBe(0);
  });

  it('goes on after failures, ends with 14, and tries again what may pass', async () => {
    rig.sandbox.addFaults(
      'task:fail(content_policy_violation); task:fail(skip=1,code=service_error); submit:400(skip=2,code=invalid_parameter)',
    );
    write();
    expectSaid(await run('--only */a1/* --concurrency 1'), 14, '5 saved, 3 failed');
    expect(rig.charged()).toBe(5);
    rig.sandbox.addFaults('task:fail(service_error)*1');
    const again = await run('--only */a1/* --retry-failed 1 --json');
    expect([again.code, rig.charged()]).toEqual([0, 8]);
    expect(jsonOf(again).totals).toMatchObject({ up_to_date: 5, new: 3, saved: 3 });
  });

  it('sends nothing more after a failure with --fail-fast', async () => {
    rig.sandbox.addFaults('task:fail(content_policy_violation)');
    write();
    const result = await run('--fail-fast --concurrency 1 --json');
    expect([result.code, rig.posts()]).toEqual([14, 1]);
    expect(jsonOf(result)).toMatchObject({ stopped: true, totals: { failed: 1, not_sent: 39 } });
  });

  it('stays inside a budget, or does not begin', async () => {
    write();
    expect([(await run('--max-credits 30')).code, rig.posts()]).toEqual([4, 0]);
    const part = await run('--max-credits 30 --allow-partial --json');
    expect([part.code, rig.charged()]).toEqual([14, 5]);
    expect(jsonOf(part).totals).toMatchObject({ saved: 5, not_sent: 35 });
  });

  it('refuses a plan that the balance does not hold', async () => {
    const poor = await useRunRig({ startingCredits: 20 });
    poor.write('jobs.yaml', fortyJobs());
    expectSaid(await poor.run('run jobs.yaml'), 4, 'the balance of 20');
    expect(poor.posts()).toBe(0);
  });

  it('plans without a key and sends nothing with --dry-run', async () => {
    write();
    const result = await rig.run('run jobs.yaml --dry-run --json', { env: { EVOLINK_API_KEY: '' } });
    const plan = { dry_run: true, balance: null, totals: { planned: 40, new: 40 } };
    expect([result.code, jsonOf(result)]).toMatchObject([0, plan]);
    expect(jsonOf(result).jobs[0].request.prompt).toBe('A frog in en, soft light');
    expect(rig.sandbox.ledger.requests()).toEqual([]);
  });

  it('buys nothing for an output that was renamed', async () => {
    write();
    await run(TWO);
    const posts = rig.posts();
    write(undefined, undefined, 'out/clip-{job}-{ratio}.mp4');
    expect((await run(TWO)).code).toBe(0);
    expect(rig.clips()).toContain('clip-product-a1-en-16x9.mp4');
    expect(rig.posts()).toBe(posts);
    expect((await run(TWO)).stderr).toContain('2 up to date');
  });

  it('uploads local media, and makes a clip again when the content of its file changes', async () => {
    /** Runs a job file whose pictures lie in this folder. */
    const runFrom = (folder: string, flags = '') => {
      const media = `images: [${folder}/style.jpg], matrix: { n: [1, 2] }`;
      rig.write('jobs.yaml', jobFile(`a: { type: ref, prompt: "as image 1, {{n}}", ${media} }`));
      return run(flags);
    };
    for (const folder of ['assets', 'other']) rig.write(`${folder}/README`, 'pictures');
    copyFileSync(fixture('exif-3.jpg'), rig.at('assets/style.jpg'));
    expectSaid(await runFrom('assets'), 0, '1 local file to upload');
    expect(rig.posts()).toBe(2);
    // Another path with the same content is the same request.
    copyFileSync(rig.at('assets/style.jpg'), rig.at('other/style.jpg'));
    expect((await runFrom('other')).stderr).toContain('2 up to date');
    copyFileSync(fixture('exif-8.jpg'), rig.at('assets/style.jpg'));
    expect((await runFrom('assets', '--only a/1')).stderr).toContain('1 changed');
    expect(rig.posts()).toBe(3);
    expectSaid(await runFrom('nowhere'), 2, 'jobs.yaml:4:');
    expect(rig.posts()).toBe(3);
  });

  it('shows every mistake of a file at once, with line and column', async () => {
    const hero = 'hero:\n    promt: "A {{nmae}}"\n    matrix: { aspect_ratio: ["16:9", "9:17"] }';
    const other = 'other: { prompt: "{{colour}} frog", vars: { color: green }, duration: 99 }';
    rig.write('jobs.yaml', jobFile(`${hero}\n  ${other}`));
    const mistakes = ['jobs.yaml:5:5', 'did you mean prompt?', 'jobs.yaml:6:38'];
    expectSaid(await run(), 2, ...mistakes, 'did you mean {{color}}?', 'jobs.yaml:7:63');
    expect(rig.posts()).toBe(0);
  });

  it('streams events that name their job', async () => {
    write();
    const events = eventsOf(await run(`${TWO} --events`));
    expect(events[0]).toMatchObject({ event: 'run-planned', to_run: 2 });
    const accepted = events.filter(({ event }) => event === 'accepted');
    expect(each(accepted, 'job').sort()).toEqual(['product/a1/en/16:9', 'product/a1/en/1:1']);
    expect(events.at(-1)).toMatchObject({ event: 'result', ok: true });
  });

  it('writes an example that runs, with a schema that is there once it is asked for', async () => {
    expect((await rig.run('run --init')).code).toBe(0);
    const example = rig.read('evolink.yaml');
    expect(example).toMatch(/^# yaml-language-server: \$schema=\.\/job-file\.schema\.json\n/);
    expect(example).toContain('evolink schema > job-file.schema.json');
    expect(example).not.toMatch(/unpkg|\{date\}/);
    expect((await rig.run('run --init')).code).toBe(11);
    const plan = await rig.run('run evolink.yaml --dry-run --json');
    expect([plan.code, jsonOf(plan).totals.new]).toEqual([0, 8]);
  });

  it('leaves clips of the real service alone in the sandbox', async () => {
    const sidecar = 'out/product-a1-en-1x1.mp4.json';
    write();
    await run('--only */a1/en/1:1');
    rig.write(sidecar, rig.read(sidecar).replace(rig.sandbox.apiUrl, 'https://api.evolink.ai'));
    write(undefined, 'hard light');
    expectSaid(await run('--only */a1/en/1:1'), 2, 'a clip of the real service');
  });

  it('says what is missing', async () => {
    expect((await rig.run('run nowhere.yaml')).code).toBe(2);
    write();
    expectSaid(await run('--only produkt'), 2, 'did you mean --only "product"?');
    rig.sandbox.addFaults('credits:401(UNAUTHORIZED)');
    expect((await run()).code).toBe(3);
    expect(existsSync(rig.at('out'))).toBe(false);
  });
});

const writeFive = () =>
  rig.write('jobs.yaml', jobFile('clip: { prompt: "Clip {{n}}", matrix: { n: [1, 2, 3, 4, 5] } }'));

it('stops at Ctrl-C with a report and the command that goes on, and goes on', async () => {
  writeFive();
  const command = 'run jobs.yaml --concurrency 2 --max-credits 1000 --report report.json';
  const running = rig.start(command);
  await running.sees('accepted');
  running.child.kill('SIGINT');
  const { signal, stderr } = await running.done;
  expect(signal).toBe('SIGINT');
  const [, line = ''] = /continue with: evolink (.+)/.exec(stderr) ?? [];
  expect(line.split(' ').sort()).toEqual(command.split(' ').sort());
  const { stopped, totals } = rig.readJson('report.json');
  expect(stopped).toBe(true);
  expect(totals.not_sent).toBeGreaterThan(0);
  expect(totals.running + totals.not_sent + totals.saved).toBe(5);
  expect(rig.charged()).toBeLessThan(5);
  expect([(await rig.run(line)).code, rig.charged()]).toEqual([0, 5]);
});

it('leaves a lost answer of one shard to a person', async () => {
  writeFive();
  const losing = (flags: string) => {
    rig.sandbox.addFaults('submit:reset(after)');
    return rig.run(`run jobs.yaml --json ${flags}`);
  };
  const alone = await losing('--shard 1/1 --only clip/1');
  expect([0, 14]).toContain(alone.code);
  const { totals } = jsonOf(alone);
  expect(totals.saved + totals.failed).toBe(1);
  const shard = await losing('--shard 1/2');
  expect(shard.code).toBe(14);
  const errors: { code?: string }[] = jsonOf(shard).jobs.map((job: { error: object }) => job.error ?? {});
  const lost = errors.filter(({ code }) => code === 'unknown');
  expect(lost).toMatchObject([{ charged: 'unknown', retryable: false }]);
});
