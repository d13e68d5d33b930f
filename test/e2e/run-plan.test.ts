import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { expectSaid, jsonOf, rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();

const run = (...args: string[]) => rig.run(['run', ...args]);
const inFolder = (folder: string, ...args: string[]) => rig.run(['run', ...args], { cwd: rig.at(folder) });

const jobs = (output: string, prompt = 'A frog'): string =>
  `version: 1\ndefaults: { type: t2v, tier: mini, quality: 480p, duration: 4 }\njobs:\n  clip: { prompt: "${prompt}", output: "${output}" }\n`;

describe('the plan of a run', () => {
  it('leaves the clips of other projects to them', async () => {
    rig.write('one/jobs.yaml', jobs('out/{job}.mp4'));
    rig.write('two/jobs.yaml', jobs('out/{job}.mp4'));
    expect((await inFolder('one', 'jobs.yaml')).code).toBe(0);
    const dry = await inFolder('two', 'jobs.yaml', '--dry-run');
    expect(dry).toMatchObject({ code: 0 });
    expect(dry.stdout).toMatch(/^clip +new /m);
    expect((await inFolder('two', 'jobs.yaml')).code).toBe(0);
    expect(rig.charged()).toBe(2);
  });

  it('copies the clip of a renamed output, as its dry run says', async () => {
    rig.write('jobs.yaml', jobs('out/deep/{job}.mp4'));
    expect((await run('jobs.yaml')).code).toBe(0);
    rig.write('jobs.yaml', jobs('other/{job}-1.mp4'));
    const old = rig.at('out/deep/clip.mp4');
    const document = await run('jobs.yaml', '--dry-run', '--json');
    expect(document.code).toBe(0);
    expect(jsonOf(document)).toMatchObject({
      ok: true,
      totals: { copied: 1, new: 0 },
      jobs: [{ action: 'copied', moved_from: old, kept_as: null }],
    });
    expect((await run('jobs.yaml', '--dry-run')).stdout).toMatch(/^clip +copied .* from .*clip\.mp4$/m);
    expect((await run('jobs.yaml')).code).toBe(0);
    expect([old, rig.at('other/clip-1.mp4')].every((path) => existsSync(path))).toBe(true);
    expect(rig.charged()).toBe(1);
  });

  it('--quiet says nothing but what is wrong', async () => {
    const long = 'frog '.repeat(1_001).trim();
    rig.write('jobs.yaml', jobs('out/{job}.mp4', long));
    expect((await run('jobs.yaml', '--dry-run')).stderr).toContain('warning: ');
    for (const args of [['--dry-run'], ['--dry-run', '--json'], []])
      expect(await run('jobs.yaml', '--quiet', ...args)).toMatchObject({ code: 0, stderr: '' });
    const single = await rig.run(['t2v', long, '--quiet', '--dry-run']);
    expect(single).toMatchObject({ code: 0, stderr: '' });
    expect(jsonOf(single)).toHaveProperty('prompt', long);
  });

  it('finds a renamed output beside its old folder, outside of the tree of the job file', async () => {
    rig.write('jobs/jobs.yaml', jobs('../clips/a/{job}.mp4'));
    expect((await inFolder('jobs', 'jobs.yaml', '--yes')).code).toBe(0);
    rig.write('jobs/jobs.yaml', jobs('../clips/b/{job}.mp4'));
    expect((await inFolder('jobs', 'jobs.yaml', '--yes')).code).toBe(0);
    expect(existsSync(rig.at('clips/b/clip.mp4'))).toBe(true);
    expect(rig.charged()).toBe(1);
  });

  it('ends a dry run above the limit with one document, and names the flag and the sum', async () => {
    rig.write('jobs.yaml', jobs('out/{job}.mp4'));
    const { code, stdout, stderr } = await run('jobs.yaml', '--dry-run', '--max-credits', '2', '--json');
    expect(code).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, dry_run: true, error: { code: 'credits' } });
    expect(stderr).toContain('the limit of 2 (--max-credits)');
    expect(stderr).toContain('--max-credits 5.022');
    expect(stderr).not.toContain('top up');
  });

  it('marks clips that leave the folder of the job file, through links as well', async () => {
    mkdirSync(join(rig.folder, 'elsewhere'));
    rig.write('project/file', '');
    symlinkSync(join(rig.folder, 'elsewhere'), rig.at('project/link'));
    const file = `version: 1
defaults: { type: t2v, tier: mini, quality: 480p, duration: 4 }
jobs:
  up: { prompt: "one", output: "../clips/{job}.mp4" }
  linked: { prompt: "two", output: "link/new/{job}.mp4" }
  absolute: { prompt: "three", output: "${join(rig.folder, 'abs')}/{job}.mp4" }
  inside: { prompt: "four", output: "out/{job}.mp4" }
  around: { prompt: "five", output: "../project/out/{job}.mp4" }
`;
    rig.write('project/jobs.yaml', file);
    const dry = await inFolder('project', 'jobs.yaml', '--dry-run', '--json');
    expect(dry.code).toBe(0);
    const plan: { jobs: { name: string; outside_folder: boolean; warnings: string[] }[] } = jsonOf(dry);
    const outside = plan.jobs.filter((job) => job.outside_folder);
    expect(outside.map(({ name }) => name)).toEqual(['up', 'linked', 'absolute']);
    expect(outside.every(({ warnings }) => warnings.join().includes('outside of the folder'))).toBe(true);
    const table = await inFolder('project', 'jobs.yaml', '--dry-run');
    expect(table.stdout).toMatch(/^linked .* outside$/m);
    expect(table.stdout).toMatch(/^inside .*inside\.mp4$/m);
    expect(table.stderr).toContain('warning: jobs.up.output (jobs.yaml:4:24) "');
    expectSaid(
      await inFolder('project', 'jobs.yaml', '--only', 'up'),
      0,
      'outside of the folder of the job file',
    );
    expect(existsSync(rig.at('clips/up.mp4'))).toBe(true);
  });

  it('refuses a report that can not be written before anything is sent', async () => {
    rig.write('jobs.yaml', jobs('out/{job}.mp4'));
    rig.write('jobs.json', '{"type":"t2v","prompt":"A frog"}');
    rig.write('file', 'text');
    mkdirSync(rig.at('folder.html'));
    for (const [report, reason] of [
      ['folder.html', 'is a folder'],
      ['file/deep/report.html', 'is a file'],
      // Not even root makes a folder there.
      ...(process.platform === 'linux' ? [['/proc/none/report.html', 'cannot write']] : []),
    ] as const) {
      for (const dry of [[], ['--dry-run']]) {
        expectSaid(
          await run('jobs.yaml', '--report', report ?? '', ...dry),
          2,
          `--report "${report}"`,
          reason,
        );
      }
    }
    expect((await run('jobs.json', '--report', 'jobs.json', '--dry-run')).code).toBe(2);
    expect(rig.read('jobs.json')).toContain('A frog');
    expect(rig.sandbox.ledger.requests()).toEqual([]);
    expect((await run('jobs.yaml', '--dry-run', '--report', 'new/deep/report.md')).code).toBe(0);
    expect(existsSync(rig.at('new/deep/report.md'))).toBe(true);
  });

  it('names the line of the cell that made a job wrong', async () => {
    const file = (rows: string): string =>
      `version: 1\njobs:\n  clip: { type: t2v, tier: mini, quality: 480p, prompt: "{{name}}", duration: "{{seconds}}", for_each: ${rows} }\n`;
    rig.write('rows.csv', 'name,seconds\n"A frog,\r\ngreen",4\r\nA lamp,  99\n');
    rig.write(
      'rows.json',
      '[\n  {"name": "A frog", "seconds": 4},\n  {"name": "A lamp",\n   "seconds": 99}\n]',
    );
    for (const [rows, place] of [
      ['rows.csv', 'rows.csv:4'],
      ['rows.json', 'rows.json:4:15'],
      ['[{ name: A lamp, seconds: 99 }]', 'jobs.yaml:3:121'],
    ] as const) {
      rig.write('jobs.yaml', file(rows));
      expectSaid(await run('jobs.yaml', '--dry-run'), 2, place);
    }
  });

  it('prints the schema that its own reports and documents keep to', async () => {
    rig.sandbox.addFaults('task:fail(skip=1,code=content_policy_violation)');
    rig.write(
      'jobs.yaml',
      'version: 1\ndefaults: { type: t2v, tier: mini, quality: 480p, duration: 4 }\njobs:\n  a: { prompt: "clip {{n}}", matrix: { n: [1, 2, 3] } }\n',
    );
    const schema = await rig.run(['schema', 'report']);
    const isReport = new Ajv2020({ formats: { 'date-time': true } }).compile(jsonOf(schema));
    const documents = [
      await run('jobs.yaml', '--dry-run', '--json', '--report', 'plan.json'),
      await run('jobs.yaml', '--dry-run', '--json', '--max-credits', '1'),
      await run('jobs.yaml', '--json', '--concurrency', '1', '--report', 'made.json'),
      await run('jobs.yaml', '--json', '--only', 'a/1', '--report', 'again.json'),
    ];
    expect(documents.map(({ code }) => code)).toEqual([0, 4, 14, 0]);
    const reports = ['plan.json', 'made.json', 'again.json'].map((name) => rig.read(name));
    for (const text of [...documents.map(({ stdout }) => stdout), ...reports]) {
      isReport(JSON.parse(text));
      expect(isReport.errors).toBeNull();
    }
    expect(isReport({ ...JSON.parse(reports[0] ?? ''), totals: {} })).toBe(false);
    expect(jsonOf(await rig.run(['schema']))).toMatchObject({ title: 'evolink job file' });
    expect((await rig.run(['schema', 'rapport'])).code).toBe(2);
  });
});
