import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createSecrets } from '../../../src/platform/text.ts';
import { publishToGithub } from '../../../src/report/github.ts';
import { checkReports, writeReports } from '../../../src/report/write.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { failedJob, sampleJob, sampleRun } from '../../helpers/sample-run-report.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

const run = sampleRun([sampleJob(), failedJob()]);
const clock = createFakeClock();
const secrets = createSecrets();

describe('writeReports', () => {
  it('writes each format, whole, readable by all, over an older one', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'a.json'), 'old');
    const files = ['a.json', 'sub/deep/b.xml', 'c.md', join(folder, 'd.html')];
    secrets.add('glass frog');
    await writeReports(files, run, { cwd: folder, clock, secrets });
    const names = ['a.json', 'sub/deep/b.xml', 'c.md', 'd.html'];
    const texts = await Promise.all(names.map((file) => readFile(join(folder, file), 'utf8')));
    const starts = ['{\n  "sche', '<?xml ver', '## clips.', '<!doctype'];
    expect(texts.map((text) => text.slice(0, 9))).toEqual(starts);
    for (const text of texts) expect(text).not.toContain('frog');
    expect((await stat(join(folder, 'a.json'))).mode & 0o777).toBe(0o644 & ~process.umask());
    expect(await readdir(folder)).toEqual(['a.json', 'c.md', 'd.html', 'sub']);
  });

  it('writes the others when one fails, and names the one', async () => {
    const folder = await tempFolder();
    await mkdir(join(folder, 'taken.json'));
    const write = writeReports(['taken.json', 'good.md'], run, { cwd: folder, clock, secrets });
    const message = expect.stringContaining('taken.json');
    await expect(write).rejects.toMatchObject({ kind: 'local-io', message });
    expect(await readdir(folder)).toEqual(['good.md', 'taken.json']);
  });
});

it('a report that is named twice is refused', async () => {
  const refusal = { kind: 'usage', message: '--report "./a.md": the file is named twice' };
  await expect(checkReports(['a.md', './a.md'], await tempFolder(), [])).rejects.toMatchObject(refusal);
});

describe('publishToGithub', () => {
  it('appends summary and outputs, and hands annotations back; nothing outside of GitHub Actions', async () => {
    const folder = await tempFolder();
    const env = { GITHUB_STEP_SUMMARY: join(folder, 's'), GITHUB_OUTPUT: join(folder, 'o') };
    const place = { cwd: folder, secrets };
    expect(await publishToGithub(run, [], { env, ...place })).toEqual({ annotations: '', warnings: [] });
    await writeFile(env.GITHUB_OUTPUT, 'before=1\n');
    const onGithub = { env: { ...env, GITHUB_ACTIONS: 'true' }, ...place };
    const words = await publishToGithub(run, ['r.html', 'b=c<<d.xml'], onGithub);
    expect(words.warnings).toEqual([]);
    expect(words.annotations).toMatch(/^::error file=clips\.yaml,line=12,col=3,/);
    expect(await readFile(env.GITHUB_STEP_SUMMARY, 'utf8')).toMatch(/^## clips.*### What needs attention/s);
    expect(await readFile(env.GITHUB_OUTPUT, 'utf8')).toMatch(
      /^before=1\nsaved<<(evolink_[0-9a-f-]{36})\n1\n\1\nup-to-date<<\1\n0\n\1\nsubmitted<<\1\n0\n\1\nfailed<<\1\n1\n\1\nskipped<<\1\n0\n\1\ncredits<<\1\n67.5\n\1\nreports<<\1\nr\.html\nb=c<<d\.xml\n\1\n$/,
    );
  });

  it('goes on where a file cannot be written', async () => {
    const folder = await tempFolder();
    const env = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: folder, GITHUB_OUTPUT: '' };
    const words = await publishToGithub(run, [], { env, cwd: folder, secrets });
    expect(words.warnings).toEqual([`cannot append to "${folder}": it is a folder`]);
  });
});
