import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { each, expectSaid, jobFile, jsonOf, rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();

const run = (flags = '', cwd = '') => rig.run(`run jobs.yaml ${flags}`, { cwd: rig.at(cwd) });
const jobs = (output = 'out/{job}.mp4', prompt = 'A frog') =>
  jobFile(`clip: { prompt: "${prompt}", output: "${output}" }`);
const write = (output?: string, prompt?: string) => rig.write('jobs.yaml', jobs(output, prompt));

describe('the plan of a run', () => {
  it('leaves the clips of other projects to them', async () => {
    for (const folder of ['one', 'two']) rig.write(`${folder}/jobs.yaml`, jobs());
    expect((await run('', 'one')).code).toBe(0);
    const dry = await run('--dry-run', 'two');
    expect(dry).toMatchObject({ code: 0, stdout: expect.stringMatching(/^clip +new /m) });
    expect([(await run('', 'two')).code, rig.charged()]).toEqual([0, 2]);
  });

  it('copies the clip of a renamed output, as its dry run says', async () => {
    write('out/deep/{job}.mp4');
    expect((await run()).code).toBe(0);
    write('other/{job}-1.mp4');
    const old = rig.at('out/deep/clip.mp4');
    const document = await run('--dry-run --json');
    const jobs = [{ action: 'copied', moved_from: old, kept_as: null }];
    const plan = { ok: true, totals: { copied: 1, new: 0 }, jobs };
    expect([document.code, jsonOf(document)]).toMatchObject([0, plan]);
    expect((await run('--dry-run')).stdout).toMatch(/^clip +copied .* from .*clip\.mp4$/m);
    expect((await run()).code).toBe(0);
    expect([old, rig.at('other/clip-1.mp4')].every((path) => existsSync(path))).toBe(true);
    expect(rig.charged()).toBe(1);
  });

  it('--quiet says nothing but what is wrong', async () => {
    const long = 'frog '.repeat(1_001).trim();
    write(undefined, long);
    expect((await run('--dry-run')).stderr).toContain('warning: ');
    for (const flags of ['--dry-run', '--dry-run --json', ''])
      expect(await run(`--quiet ${flags}`)).toMatchObject({ code: 0, stderr: '' });
    const single = await rig.run(['t2v', long, '--quiet', '--dry-run']);
    expect(single).toMatchObject({ code: 0, stderr: '' });
    expect(jsonOf(single)).toHaveProperty('prompt', long);
  });

  it('finds a renamed output beside its old folder, outside of the tree of the job file', async () => {
    for (const folder of ['a', 'b']) {
      rig.write('jobs/jobs.yaml', jobs(`../clips/${folder}/{job}.mp4`));
      expect((await run('--yes', 'jobs')).code).toBe(0);
    }
    expect(existsSync(rig.at('clips/b/clip.mp4'))).toBe(true);
    expect(rig.charged()).toBe(1);
  });

  it('ends a dry run above the limit with one document, and names the flag and the sum', async () => {
    write();
    const result = await run('--dry-run --max-credits 2 --json');
    expectSaid(result, 4, 'the limit of 2 (--max-credits)', '--max-credits 5.022');
    expect(jsonOf(result)).toMatchObject({ ok: false, dry_run: true, error: { code: 'credits' } });
    expect(result.stderr).not.toContain('top up');
  });

  it('marks clips that leave the folder of the job file, through links as well', async () => {
    const outputs = {
      up: '../clips/{job}.mp4',
      linked: 'link/new/{job}.mp4',
      absolute: `${join(rig.folder, 'abs')}/{job}.mp4`,
      inside: 'out/{job}.mp4',
      around: '../project/out/{job}.mp4',
    };
    const list = Object.entries(outputs).map(([name, to]) => `${name}: { prompt: ${name}, output: "${to}" }`);
    mkdirSync(join(rig.folder, 'elsewhere'));
    rig.write('project/jobs.yaml', jobFile(list.join('\n  ')));
    symlinkSync(join(rig.folder, 'elsewhere'), rig.at('project/link'));
    const dry = await run('--dry-run --json', 'project');
    expect(dry.code).toBe(0);
    const warnings = expect.arrayContaining([expect.stringContaining('outside of the folder')]);
    const outside = ['up', 'linked', 'absolute'].map((name) => ({ name, outside_folder: true, warnings }));
    const inside = ['inside', 'around'].map((name) => ({ name, outside_folder: false }));
    expect(jsonOf(dry).jobs).toMatchObject([...outside, ...inside]);
    const table = await run('--dry-run', 'project');
    expect(table.stdout).toMatch(/^linked .* outside$/m);
    expect(table.stdout).toMatch(/^inside .*inside\.mp4$/m);
    expect(table.stderr).toContain('warning: jobs.up.output (jobs.yaml:4:21) "');
    expectSaid(await run('--only up', 'project'), 0, 'outside of the folder of the job file');
    expect(existsSync(rig.at('clips/up.mp4'))).toBe(true);
  });

  it('refuses a report that can not be written before anything is sent', async () => {
    write();
    rig.write('jobs.json', '{"type":"t2v","prompt":"A frog"}');
    rig.write('file', 'text');
    mkdirSync(rig.at('folder.html'));
    const reasons = { 'folder.html': 'is a folder', 'file/deep/report.html': 'is a file' };
    // Not even root makes a folder there.
    if (process.platform === 'linux') Object.assign(reasons, { '/proc/none/report.html': 'cannot write' });
    for (const [report, reason] of Object.entries(reasons))
      for (const dry of ['', '--dry-run'])
        expectSaid(await run(`--report ${report} ${dry}`), 2, `--report "${report}"`, reason);
    expect((await rig.run('run jobs.json --report jobs.json --dry-run')).code).toBe(2);
    expect(rig.read('jobs.json')).toContain('A frog');
    expect(rig.sandbox.ledger.requests()).toEqual([]);
    expect((await run('--dry-run --report new/deep/report.md')).code).toBe(0);
    expect(existsSync(rig.at('new/deep/report.md'))).toBe(true);
  });

  it.each([
    ['rows.csv', 'rows.csv:4'],
    ['rows.json', 'rows.json:4:15'],
    ['[{ name: A lamp, seconds: 99 }]', 'jobs.yaml:4:83'],
  ])('names the line of the cell that made a job wrong: %s', async (rows, place) => {
    rig.write('rows.csv', 'name,seconds\n"A frog,\r\ngreen",4\r\nA lamp,  99\n');
    const json = '[\n  {"name": "A frog", "seconds": 4},\n  {"name": "A lamp",\n   "seconds": 99}\n]';
    rig.write('rows.json', json);
    const job = `clip: { prompt: "{{name}}", duration: "{{seconds}}", for_each: ${rows} }`;
    rig.write('jobs.yaml', jobFile(job));
    expectSaid(await run('--dry-run'), 2, place);
  });

  it('prints the schema that its own reports and documents keep to', async () => {
    rig.sandbox.addFaults('task:fail(skip=1,code=content_policy_violation)');
    rig.write('jobs.yaml', jobFile('a: { prompt: "clip {{n}}", matrix: { n: [1, 2, 3] } }'));
    const schema = await rig.run('schema report');
    const isReport = new Ajv2020({ formats: { 'date-time': true } }).compile(jsonOf(schema));
    const documents = [];
    const plans = ['--dry-run --report plan.json', '--dry-run --max-credits 1'];
    const runs = ['--concurrency 1 --report made.json', '--only a/1 --report again.json'];
    for (const flags of [...plans, ...runs]) documents.push(await run(`--json ${flags}`));
    expect(each(documents, 'code')).toEqual([0, 4, 14, 0]);
    const reports = ['plan.json', 'made.json', 'again.json'].map((name) => rig.readJson(name));
    for (const document of [...documents.map(jsonOf), ...reports]) {
      isReport(document);
      expect(isReport.errors).toBeNull();
    }
    expect(isReport({ ...reports[0], totals: {} })).toBe(false);
    expect(jsonOf(await rig.run('schema'))).toMatchObject({ title: 'evolink job file' });
    expect((await rig.run('schema rapport')).code).toBe(2);
  });
});
