import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectSaid, jsonOf, rigForEach, useRunRig } from '../helpers/rig.ts';

const rig = rigForEach();

const LANGUAGES = ['en', 'ko', 'ja', 'de'];

/** Five rows, four languages, two ratios: forty jobs. */
function fortyJobs(word = 'lamp'): string {
  return `version: 1
defaults: { type: t2v, tier: mini, quality: 480p, duration: 4, output: "out/{job}-{ratio}.mp4" }
vars: { tone: soft light }
jobs:
  product:
    prompt: "{{name}} in {{lang}}, {{tone}}"
    for_each:
      - { sku: a1, name: A frog }
      - { sku: b2, name: A ${word} }
      - { sku: c3, name: A boat }
      - { sku: d4, name: A tree }
      - { sku: e5, name: A clock }
    matrix:
      lang: [${LANGUAGES.join(', ')}]
      aspect_ratio: ["16:9", "1:1"]
`;
}

function clips(): string[] {
  return readdirSync(rig.at('out'))
    .filter((name) => name.endsWith('.mp4'))
    .sort();
}

const run = (...args: string[]) => rig.run(['run', ...args]);

describe('evolink run', () => {
  it('makes forty clips under refusals, and nothing the second time', async () => {
    rig.sandbox.addFaults(
      'submit:429*2(retry-after=1); submit:429*1(skip=5,retry-after=2); poll:500*2; batch:500*2',
    );
    rig.write('jobs.yaml', fortyJobs());
    const first = await run('jobs.yaml', '--concurrency', '16', '--report', 'report.json');
    expectSaid(first, 0, '40 new');
    expect(clips()).toHaveLength(40);
    expect(clips()).toContain('product-a1-ko-16x9.mp4');
    expect(first.stdout.trim().split('\n')).toHaveLength(40);
    expect(rig.charged()).toBe(40);
    const report = rig.readJson('report.json');
    expect(report.totals).toMatchObject({ planned: 40, new: 40, saved: 40, failed: 0 });
    expect(report.credits.reserved).toBeCloseTo(40 * 5.022, 3);

    const posts = rig.posts();
    const again = await run('jobs.yaml');
    expect(again.code).toBe(0);
    expect(again.stdout).toBe('');
    expect(again.stderr).toContain('40 up to date');
    expect(rig.posts()).toBe(posts);
  });

  it('makes exactly the clips again whose words changed', async () => {
    rig.write('jobs.yaml', fortyJobs());
    await run('jobs.yaml', '--concurrency', '16', '--only', '*/en/*');
    const before = rig.read('out/product-b2-en-1x1.mp4.json');
    const posts = rig.posts();
    rig.write('jobs.yaml', fortyJobs('lantern'));
    expectSaid(await run('jobs.yaml', '--only', '*/en/1:1'), 0, '1 changed');
    expect(rig.posts()).toBe(posts + 1);
    const after = rig.readJson('out/product-b2-en-1x1.mp4.json');
    expect(after.request.prompt).toContain('lantern');
    expect(after.task_id).not.toBe(JSON.parse(before).task_id);
    const kept = `product-b2-en-1x1.${JSON.parse(before).task_id}.mp4`;
    expect(clips().filter((name) => name.includes('b2-en-1x1'))).toEqual(['product-b2-en-1x1.mp4', kept]);
  });

  it('needs neither the journal nor time stamps to know what is there', async () => {
    rig.write('jobs.yaml', fortyJobs());
    await run('jobs.yaml', '--only', '*/a1/en/*');
    rmSync(rig.state, { recursive: true });
    for (const name of readdirSync(rig.at('out'))) {
      utimesSync(join(rig.work, 'out', name), 1, 1);
    }
    const posts = rig.posts();
    const again = await run('jobs.yaml', '--only', '*/a1/en/*');
    expect(again.stderr).toContain('2 up to date');
    expect(rig.posts()).toBe(posts);
    const forced = await run('jobs.yaml', '--only', '*/a1/en/1:1', '--force');
    expect(forced.stderr).toContain('1 changed');
    expect(rig.posts()).toBe(posts + 1);
  });

  it('never replaces a file that is not its own', async () => {
    rig.write('jobs.yaml', fortyJobs());
    rig.write('out/product-a1-en-1x1.mp4', 'mine');
    expectSaid(await run('jobs.yaml', '--only', '*/a1/en/*'), 2, 'product-a1-en-1x1.mp4', 'no record');
    expect(rig.posts()).toBe(0);
  });

  it('goes on after failures, ends with 14, and tries again what may pass', async () => {
    rig.sandbox.addFaults(
      'task:fail(content_policy_violation); task:fail(skip=1,code=service_error); submit:400(skip=2,code=invalid_parameter)',
    );
    rig.write('jobs.yaml', fortyJobs());
    const { code, stderr } = await run('jobs.yaml', '--only', '*/a1/*', '--concurrency', '1');
    expect(code).toBe(14);
    expect(stderr).toMatch(/5 saved, 3 failed/);
    expect(rig.charged()).toBe(5);
    rig.sandbox.addFaults('task:fail(service_error)*1');
    const again = await run('jobs.yaml', '--only', '*/a1/*', '--retry-failed', '1', '--json');
    expect(again.code).toBe(0);
    const { totals } = jsonOf(again);
    expect(totals).toMatchObject({ up_to_date: 5, new: 3, saved: 3 });
    expect(rig.charged()).toBe(8);
  });

  it('sends nothing more after a failure with --fail-fast', async () => {
    rig.sandbox.addFaults('task:fail(content_policy_violation)');
    rig.write('jobs.yaml', fortyJobs());
    const { code, stdout } = await run('jobs.yaml', '--fail-fast', '--concurrency', '1', '--json');
    expect(code).toBe(14);
    expect(JSON.parse(stdout)).toMatchObject({ stopped: true, totals: { failed: 1, not_sent: 39 } });
    expect(rig.posts()).toBe(1);
  });

  it('stays inside a budget, or does not begin', async () => {
    rig.write('jobs.yaml', fortyJobs());
    expect((await run('jobs.yaml', '--max-credits', '30')).code).toBe(4);
    expect(rig.posts()).toBe(0);
    const part = await run('jobs.yaml', '--max-credits', '30', '--allow-partial', '--json');
    expect(part.code).toBe(14);
    expect(jsonOf(part).totals).toMatchObject({ saved: 5, not_sent: 35 });
    expect(rig.charged()).toBe(5);
  });

  it('refuses a plan that the balance does not hold', async () => {
    const poor = await useRunRig({ startingCredits: 20 });
    poor.write('jobs.yaml', fortyJobs());
    const { code, stderr } = await poor.run(['run', 'jobs.yaml']);
    expect([code, stderr, poor.posts()]).toEqual([4, expect.stringContaining('the balance of 20'), 0]);
  });

  it('plans without a key and sends nothing with --dry-run', async () => {
    rig.write('jobs.yaml', fortyJobs());
    const { code, stdout } = await rig.run(['run', 'jobs.yaml', '--dry-run', '--json'], {
      env: { EVOLINK_API_KEY: '' },
    });
    expect(code).toBe(0);
    const plan = JSON.parse(stdout);
    expect(plan).toMatchObject({ dry_run: true, balance: null, totals: { planned: 40, new: 40 } });
    expect(plan.jobs[0].request.prompt).toBe('A frog in en, soft light');
    expect(rig.sandbox.ledger.requests()).toEqual([]);
  });

  it('gives each job to exactly one of three shards', async () => {
    rig.write('jobs.yaml', fortyJobs());
    const names: string[] = [];
    for (const shard of ['1/3', '2/3', '3/3']) {
      const { stdout } = await run('jobs.yaml', '--dry-run', '--json', '--shard', shard);
      names.push(...JSON.parse(stdout).jobs.map(({ name }: { name: string }) => name));
    }
    expect(names).toHaveLength(40);
    expect(new Set(names).size).toBe(40);
  });

  it('buys nothing for an output that was renamed', async () => {
    rig.write('jobs.yaml', fortyJobs());
    await run('jobs.yaml', '--only', '*/a1/en/*');
    const posts = rig.posts();
    rig.write('jobs.yaml', fortyJobs().replace('out/{job}', 'out/clip-{job}'));
    expect((await run('jobs.yaml', '--only', '*/a1/en/*')).code).toBe(0);
    expect(clips()).toContain('clip-product-a1-en-16x9.mp4');
    expect(rig.posts()).toBe(posts);
    expect((await run('jobs.yaml', '--only', '*/a1/en/*')).stderr).toContain('2 up to date');
  });

  it('uploads local media, and makes a clip again when the content of its file changes', async () => {
    const picture = (name: string): void =>
      copyFileSync(new URL(`../fixtures/media/${name}`, import.meta.url), rig.at('assets/style.jpg'));
    rig.write('assets/README', 'pictures');
    picture('exif-3.jpg');
    const file = (folder: string): string =>
      `version: 1\njobs:\n  a: { type: ref, tier: mini, quality: 480p, duration: 4, prompt: "as image 1, {{n}}", images: [${folder}/style.jpg], matrix: { n: [1, 2] } }\n`;
    rig.write('jobs.yaml', file('assets'));
    expectSaid(await run('jobs.yaml'), 0, '1 local file to upload');
    expect(rig.posts()).toBe(2);
    // Another path with the same content is the same request.
    rig.write('other/README', 'pictures');
    copyFileSync(rig.at('assets/style.jpg'), rig.at('other/style.jpg'));
    rig.write('jobs.yaml', file('other'));
    expect((await run('jobs.yaml')).stderr).toContain('2 up to date');
    rig.write('jobs.yaml', file('assets'));
    picture('exif-8.jpg');
    expect((await run('jobs.yaml', '--only', 'a/1')).stderr).toContain('1 changed');
    expect(rig.posts()).toBe(3);
    rig.write('jobs.yaml', file('nowhere'));
    expectSaid(await run('jobs.yaml'), 2, 'jobs.yaml:3:');
    expect(rig.posts()).toBe(3);
  });

  it('shows every mistake of a file at once, with line and column', async () => {
    rig.write(
      'bad.yaml',
      `version: 1
jobs:
  hero:
    type: t2v
    promt: "A {{nmae}}"
    matrix: { aspect_ratio: ["16:9", "9:17"] }
  other:
    type: t2v
    prompt: "{{colour}} frog"
    vars: { color: green }
    duration: 99
`,
    );
    expectSaid(
      await run('bad.yaml'),
      2,
      'bad.yaml:5:5',
      'did you mean prompt?',
      'bad.yaml:6:38',
      'did you mean {{color}}?',
      'bad.yaml:11:5',
    );
    expect(rig.posts()).toBe(0);
  });

  it('streams events that name their job', async () => {
    rig.write('jobs.yaml', fortyJobs());
    const { stdout } = await run('jobs.yaml', '--only', '*/a1/en/*', '--events');
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ event: 'run-planned', to_run: 2 });
    expect(
      events
        .filter(({ event }) => event === 'accepted')
        .map(({ job }) => job)
        .sort(),
    ).toEqual(['product/a1/en/16:9', 'product/a1/en/1:1']);
    expect(events.at(-1)).toMatchObject({ event: 'result', ok: true });
  });

  it('writes an example that runs, with a schema that is there once it is asked for', async () => {
    expect((await run('--init')).code).toBe(0);
    const example = rig.read('evolink.yaml');
    expect(example).toMatch(/^# yaml-language-server: \$schema=\.\/job-file\.schema\.json\n/);
    expect(example).toContain('evolink schema > job-file.schema.json');
    expect(example).not.toContain('unpkg');
    expect((await run('--init')).code).toBe(11);
    const { code, stdout } = await run('evolink.yaml', '--dry-run', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout).totals.new).toBe(8);
  });

  it('leaves clips of the real service alone in the sandbox', async () => {
    rig.write('jobs.yaml', fortyJobs());
    await run('jobs.yaml', '--only', '*/a1/en/1:1');
    const sidecar = rig.at('out/product-a1-en-1x1.mp4.json');
    const real = readFileSync(sidecar, 'utf8').replace(rig.sandbox.apiUrl, 'https://api.evolink.ai');
    writeFileSync(sidecar, real);
    rig.write('jobs.yaml', fortyJobs().replace('soft light', 'hard light'));
    expectSaid(await run('jobs.yaml', '--only', '*/a1/en/1:1'), 2, 'a clip of the real service');
  });

  it('says what is missing', async () => {
    expect((await run()).code).toBe(2);
    expect((await run('nowhere.yaml')).code).toBe(2);
    rig.write('jobs.yaml', fortyJobs());
    expectSaid(await run('jobs.yaml', '--only', 'produkt'), 2, 'did you mean --only "product"?');
    rig.sandbox.addFaults('credits:401(UNAUTHORIZED)');
    expect((await run('jobs.yaml')).code).toBe(3);
    expect(existsSync(rig.at('out'))).toBe(false);
    renameSync(rig.at('jobs.yaml'), rig.at('x.yaml'));
  });
});
