import { truncateSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { useRig } from '../helpers/rig.ts';

const SMALL = { tier: 'mini', quality: '480p', duration: 4 };
const JOB = { type: 't2v', prompt: '{{k}}', output: 'out/{index}.mp4', ...SMALL };
const jobOf = (job: object): string => JSON.stringify({ version: 1, jobs: { a: { ...JOB, ...job } } });
const withRows = (name: string, text: string, job: object = {}): Files => ({
  [name]: text,
  'jobs.json': jobOf({ for_each: name, ...job }),
});
const nested = (open: string, close: string, depth: number, core = '') =>
  `${open.repeat(depth)}${core}${close.repeat(depth)}`;
const NUL = String.fromCodePoint(0);
/** 70 MB of nothing. */
const LARGE = Symbol('70 MB');
type Files = Readonly<Record<string, string | typeof LARGE>>;

const ROWS = Array.from({ length: 10_000 }, (_, index) => `boat ${index}\n`).join('');
const MANY_ROWS = `k\n${'a long cell of text\n'.repeat(33_000)}`;
const SIGNS = { '.evolinkrc': `quality: "${'\\u0001'.repeat(100_000)}"\n` };
const CELL = withRows('rows.csv', `k\n"${NUL.repeat(300_000)}"\n`, { output: 'out/{{k}}.mp4' });
const BREAKS = { 'p.txt': `x${'\u0085\r'.repeat(150_000)}` };
const VALUES = Array.from({ length: 100 }, (_, index) => `v${index}`);
const EXCLUDES = Array.from({ length: 2_000 }, (_, index) => ({ a: `v${index % 100}`, b: `w${index}` }));
const EXCLUDING = { prompt: '{{a}} {{b}}', matrix: { a: VALUES, b: VALUES }, exclude: EXCLUDES };
const PLAN = 'run jobs.json --dry-run';
const MERGE = 'report merge p.json --report r.html';

/** Input that is out of all proportion: the files, the command, and the exit code. */
const CASES: readonly (readonly [what: string, files: Files, line: string, exit?: number])[] = [
  ['more rows than a run may have', withRows('rows.csv', MANY_ROWS), PLAN],
  ['a row of more than 1 MB', withRows('rows.csv', `k\n"${'word '.repeat(240_000)}"\n`), PLAN],
  ['a row of more than 1 MB of JSON', withRows('rows.json', `[{"k":"${'y'.repeat(1_100_000)}"}]`), PLAN],
  ['rows of YAML of 4.9 MB', withRows('rows.yaml', `- k: ${'word '.repeat(100)}\n`.repeat(9_600)), PLAN, 0],
  ['a job file of 6 MB', { 'jobs.json': jobOf({ prompt: 'x'.repeat(6_000_000) }) }, PLAN],
  ['a settings file of 6 MB', { '.evolinkrc': `# ${'x'.repeat(6_000_000)}\n` }, 'config'],
  ['a prompt file of 70 MB', { 'p.txt': LARGE }, 't2v --prompt-file p.txt'],
  ['an image of 70 MB', { 'p.png': LARGE }, 'i2v x -i p.png --dry-run'],
  ['a video of 70 MB', { 'p.mp4': LARGE }, 'ref x --video p.mp4 --dry-run'],
  ['a file of 70 MB to upload', { 'p.png': LARGE }, 'upload p.png'],
  ['a report of 70 MB', { 'p.json': LARGE }, MERGE],
  ['2,000 excludes', { 'jobs.json': jobOf(EXCLUDING) }, PLAN],
  ['a million columns', withRows('rows.csv', `${','.repeat(999_000)}\n${','.repeat(500)}\n`), PLAN],
  ['many rows of many columns', withRows('rows.csv', `${','.repeat(900)}\n`.repeat(1_000)), PLAN],
  ['deep rows of JSON', withRows('rows.json', `[{"k":${nested('[', ']', 300_000)}}]`), PLAN],
  ['deep rows of YAML', withRows('rows.yaml', `- k: ${nested('[', ']', 300_000)}\n`), PLAN],
  ['300,000 control characters in a cell', CELL, PLAN],
  ['300,000 control characters in a job file', { 'jobs.json': jobOf({ output: NUL.repeat(300_000) }) }, PLAN],
  ['300,000 control characters as settings', SIGNS, 'config'],
  ['300,000 line breaks in a prompt', BREAKS, 't2v --prompt-file p.txt --dry-run'],
  ['a deep job file', { 'jobs.json': nested('{"a":', '}', 100_000, '1') }, PLAN],
  ['a deep report', { 'p.json': nested('{"a":', '}', 400_000, '1') }, MERGE],
  ['10,000 ordinary rows, which are work', withRows('rows.csv', `k\n${ROWS}`), `${PLAN} --json`, 0],
];

describe('input out of all proportion ends within 5 s of CPU and 300 MB', () => {
  const rows = CASES.map(([what, files, line, exit = 2]) => ({ what, files, line, exit }));
  it.each(rows)('$what: exit $exit', async ({ what, files, line, exit }) => {
    const rig = await useRig({ isOdd: true });
    for (const [name, content] of Object.entries(files)) {
      rig.write(name, content === LARGE ? '' : content);
      if (content === LARGE) truncateSync(rig.at(name), 70_000_000);
    }
    const { code, stdout, stderr } = await rig.run(line, { faults: {} });
    expect([code, stderr.slice(0, 500)]).toEqual([exit, expect.any(String)]);
    expect(stderr.length).toBeLessThan(20_000);
    if (line.endsWith('--json')) expect(JSON.parse(stdout).jobs).toHaveLength(10_000);
    const usage = rig.notes().at(-1);
    if (!what.startsWith('10,000')) expect(usage?.cpuMs).toBeLessThan(5_000);
    expect(usage?.maxRssKilobytes).toBeLessThan(300_000);
    expect(rig.posts()).toBe(0);
  });
});
