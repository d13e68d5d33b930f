import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatJsonReport } from '../../../src/report/run-report.ts';
import { failedJob, sampleJob, sampleRun } from '../../helpers/sample-run-report.ts';
import { type CliHome, createCliHome } from '../../helpers/spawn-cli.ts';

let home: CliHome;

beforeAll(() => {
  home = createCliHome();
  for (const index of [1, 2]) {
    const folder = join(home.work, `runner ${index}`);
    mkdirSync(folder);
    const job = index === 1 ? sampleJob({ path: join(folder, 'out', 'a b.mp4') }) : failedJob();
    const run = sampleRun([job], {
      shard: { index, count: 2 },
      credits: { used: index, estimated: null, reserved: null },
    });
    writeFileSync(join(folder, 'report.json'), formatJsonReport(run, { folder }));
  }
});
afterAll(() => home.remove());

describe('evolink report merge', () => {
  const both = ['report', 'merge', 'runner 1/report.json', 'runner 2/report.json'];

  it('writes one report of all, and names the files on stdout', async () => {
    const result = await home.run([...both, '--report', 'all.html', '--report', 'sub/all.json']);
    expect(result).toMatchObject({ code: 0, stdout: 'all.html\nsub/all.json\n', stderr: '' });
    expect(readFileSync(join(home.work, 'all.html'), 'utf8')).toContain(
      'src="runner%201/out/a%20b.mp4#t=0.001"',
    );
    const merged = JSON.parse(readFileSync(join(home.work, 'sub', 'all.json'), 'utf8'));
    expect(merged).toMatchObject({ totals: { planned: 2, saved: 1, failed: 1 }, credits: { used: 3 } });
    expect(merged.jobs[0].relative_path).toBe('../runner 1/out/a b.mp4');
  });

  it.each([
    [['runner 1/report.json'], 'no file to write the merged report to'],
    [['runner 1/report.json', '--report', 'x.pdf'], '--report "x.pdf": the ending names no report format'],
    [['gone.json', '--report', 'x.md'], 'cannot read the report'],
    [['all.html', '--report', 'x.md'], '"all.html" is not a JSON report of a run: it is not valid JSON'],
  ])('refuses %j', async (args, message) => {
    const result = await home.run(['report', 'merge', ...args]);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain(message);
  });
});
