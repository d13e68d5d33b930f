import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Rig } from '../helpers/rig.ts';
import { useRig } from '../helpers/use-rig.ts';

const JOB = {
  type: 't2v',
  prompt: '{{k}}',
  tier: 'mini',
  quality: '480p',
  duration: 4,
  output: 'out/{index}.mp4',
};
const runOf = (job: object): string => JSON.stringify({ version: 1, jobs: { a: { ...JOB, ...job } } });
const NUL = String.fromCodePoint(0);

/** Input that is out of all proportion: the files it needs, the command, and the exit code. */
const CASES: readonly (readonly [
  string,
  (write: (name: string, text: string) => void) => void,
  readonly string[],
  number,
])[] = [
  [
    'more rows than a run may have',
    (write) => {
      write('rows.csv', `k\n${'a long cell of text, again and again\n'.replaceAll(',', ';').repeat(33_000)}`);
      write('jobs.json', runOf({ for_each: 'rows.csv' }));
    },
    ['run', 'jobs.json', '--dry-run'],
    2,
  ],
  [
    'a row of more than 1 MB',
    (write) => {
      write('rows.csv', `k\n"${'word '.repeat(240_000)}"\n`);
      write('jobs.json', runOf({ for_each: 'rows.csv' }));
    },
    ['run', 'jobs.json', '--dry-run'],
    2,
  ],
  [
    'rows of YAML of 4.9 MB',
    (write) => {
      write('rows.yaml', `- k: ${'word '.repeat(100)}\n`.repeat(9_600));
      write('jobs.json', runOf({ for_each: 'rows.yaml' }));
    },
    ['run', 'jobs.json', '--dry-run'],
    0,
  ],
  [
    'a job file of 6 MB',
    (write) => write('jobs.json', runOf({ prompt: 'x'.repeat(6_000_000) })),
    ['run', 'jobs.json', '--dry-run'],
    2,
  ],
  ['a settings file of 6 MB', (write) => write('.evolinkrc', `# ${'x'.repeat(6_000_000)}\n`), ['config'], 2],
  ['a prompt file of 70 MB', (write) => write('p.txt', '70 MB'), ['t2v', '--prompt-file', 'p.txt'], 2],
  ['an image of 70 MB', (write) => write('p.png', '70 MB'), ['i2v', 'x', '-i', 'p.png', '--dry-run'], 2],
  ['a video of 70 MB', (write) => write('p.mp4', '70 MB'), ['ref', 'x', '--video', 'p.mp4', '--dry-run'], 2],
  ['a file of 70 MB to upload', (write) => write('p.png', '70 MB'), ['upload', 'p.png'], 2],
  [
    'a report of 70 MB',
    (write) => write('p.json', '70 MB'),
    ['report', 'merge', 'p.json', '--report', 'r.html'],
    2,
  ],
  [
    '2,000 excludes',
    (write) => {
      const values = Array.from({ length: 100 }, (_, index) => `v${index}`);
      const exclude = Array.from({ length: 2_000 }, (_, index) => ({ a: `v${index % 100}`, b: `w${index}` }));
      write('jobs.json', runOf({ prompt: '{{a}} {{b}}', matrix: { a: values, b: values }, exclude }));
    },
    ['run', 'jobs.json', '--dry-run'],
    2,
  ],
  [
    'a million columns',
    (write) => {
      write('rows.csv', `${','.repeat(999_000)}\n${','.repeat(500)}\n`);
      write('jobs.json', runOf({ for_each: 'rows.csv' }));
    },
    ['run', 'jobs.json', '--dry-run'],
    2,
  ],
  [
    'many rows of many columns',
    (write) => {
      const line = `${','.repeat(900)}\n`;
      write('rows.csv', line.repeat(1_000));
      write('jobs.json', runOf({ for_each: 'rows.csv' }));
    },
    ['run', 'jobs.json', '--dry-run'],
    2,
  ],
  [
    'deep rows of JSON',
    (write) => {
      write('rows.json', `[{"k":${'['.repeat(300_000)}${']'.repeat(300_000)}}]`);
      write('jobs.json', runOf({ for_each: 'rows.json' }));
    },
    ['run', 'jobs.json', '--dry-run'],
    2,
  ],
  [
    'deep rows of YAML',
    (write) => {
      write('rows.yaml', `- k: ${'['.repeat(300_000)}${']'.repeat(300_000)}\n`);
      write('jobs.json', runOf({ for_each: 'rows.yaml' }));
    },
    ['run', 'jobs.json', '--dry-run'],
    2,
  ],
  [
    '300,000 control characters in a cell',
    (write) => {
      write('rows.csv', `k\n"${NUL.repeat(300_000)}"\n`);
      write('jobs.json', runOf({ for_each: 'rows.csv', output: 'out/{{k}}.mp4' }));
    },
    ['run', 'jobs.json', '--dry-run'],
    2,
  ],
  [
    '300,000 control characters in a job file',
    (write) =>
      write('jobs.yaml', `version: 1\njobs: { a: { prompt: "x", output: "${NUL.repeat(300_000)}" } }\n`),
    ['run', 'jobs.yaml', '--dry-run'],
    2,
  ],
  [
    '300,000 control characters as settings',
    (write) => write('.evolinkrc', `quality: "${'\\u0001'.repeat(100_000)}"\n`),
    ['config'],
    2,
  ],
  [
    '300,000 line breaks in a prompt',
    (write) => write('p.txt', `x${'\u0085\r'.repeat(150_000)}`),
    ['t2v', '--prompt-file', 'p.txt', '--dry-run'],
    2,
  ],
  [
    'a deep job file',
    (write) => write('jobs.json', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`),
    ['run', 'jobs.json', '--dry-run'],
    2,
  ],
  [
    'a deep report',
    (write) => write('p.json', `${'{"a":'.repeat(400_000)}1${'}'.repeat(400_000)}`),
    ['report', 'merge', 'p.json', '--report', 'r.html'],
    2,
  ],
];

function writeInto(rig: Rig): (name: string, text: string) => void {
  return (name, text) => {
    const path = join(rig.home.work, name);
    writeFileSync(path, text === '70 MB' ? '' : text);
    if (text === '70 MB') truncateSync(path, 70_000_000);
  };
}

describe('input out of all proportion ends with an error, within 5 s of CPU and 300 MB', () => {
  it.each(CASES)('%s', async (_name, prepare, args, exit) => {
    const rig = await useRig();
    prepare(writeInto(rig));
    const { code, stderr } = await rig.run(args, { faults: {} });
    const usage = rig.notes().at(-1);
    expect(code).toBe(exit);
    expect(stderr.length).toBeLessThan(20_000);
    expect(usage?.cpuMs).toBeLessThan(5_000);
    expect(usage?.maxRssKilobytes).toBeLessThan(300_000);
    expect(rig.posts()).toBe(0);
  });

  it('10,000 ordinary rows are work, and planned', async () => {
    const rig = await useRig();
    const write = writeInto(rig);
    write('rows.csv', `k\n${Array.from({ length: 10_000 }, (_, index) => `boat ${index}`).join('\n')}\n`);
    write('jobs.json', runOf({ for_each: 'rows.csv' }));
    const { code, stdout } = await rig.run(['run', 'jobs.json', '--dry-run', '--json'], { faults: {} });
    expect(code).toBe(0);
    expect(JSON.parse(stdout).jobs.length).toBe(10_000);
    expect(rig.notes().at(-1)?.maxRssKilobytes).toBeLessThan(300_000);
  });
});
