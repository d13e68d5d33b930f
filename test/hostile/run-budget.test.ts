import { afterEach, describe, expect, it } from 'vitest';
import { createRunRig, expectSaid, type Rig } from '../helpers/rig.ts';

/** What the service reserves for one clip of these jobs. */
const RESERVED = 5.022;

let rig: Rig;
afterEach(() => rig.close());

/** A rig whose person believes in a price that is `factor` times too low. */
async function open(factor: number): Promise<void> {
  rig = await createRunRig();
  const perSecond = RESERVED / 4 / factor;
  rig.writeConfig(`prices: [{ tier: mini, quality: 480p, without_video: ${perSecond} }]\n`);
}

function jobs(count: number): string {
  const names = Array.from({ length: count }, (_, index) => `j${index + 1}`);
  return `version: 1\ndefaults: { type: t2v, tier: mini, quality: 480p, duration: 4, output: "out/{job}.mp4" }\njobs:\n  p: { prompt: "A frog {{n}}", matrix: { n: [${names.join(', ')}] } }\n`;
}

const run = async (...args: string[]) => {
  const { code, stdout, stderr } = await rig.run(['run', 'r.yaml', '--json', ...args]);
  return { code, stderr, report: JSON.parse(stdout) };
};
const reserved = (): number => rig.sandbox.ledger.charges().length * RESERVED;
const errorsOf = (report: { jobs: { error: { code: string } | null }[] }) =>
  report.jobs.flatMap(({ error }) => (error === null ? [] : [error]));

describe('the budget of a run, against what the service reserves', () => {
  it('stops by the ratio of the answers, ends with 14 and names the rest not-sent', async () => {
    await open(3);
    rig.write('r.yaml', jobs(9));
    const { code, report } = await run('--max-credits', '16', '--concurrency', '8');
    expect(code).toBe(14);
    expect(rig.posts()).toBe(3);
    expect(reserved()).toBeLessThanOrEqual(16);
    expect(report.totals).toMatchObject({ saved: 3, not_sent: 6 });
    expect(new Set(errorsOf(report).map(({ code }) => code))).toEqual(new Set(['not-sent']));
  });

  it('lets pass it only what was outstanding: before the first answer the ratio is 1', async () => {
    await open(3);
    rig.write('r.yaml', jobs(4));
    expect((await run('--max-credits', '7')).code).toBe(14);
    expect(rig.posts()).toBe(1);
  });

  it('counts a reservation that is lower than the estimate as the estimate', async () => {
    await open(0.5);
    rig.write('r.yaml', jobs(4));
    expect((await run('--max-credits', '25', '--allow-partial')).code).toBe(14);
    expect(rig.posts()).toBe(2);
  });

  it('counts every attempt of --retry-failed, and gives nothing back for refunds', async () => {
    await open(1);
    rig.sandbox.addFaults('task:fail(service_error)*3');
    rig.write('r.yaml', jobs(3));
    const { code, report } = await run('--max-credits', '16', '--retry-failed', '3', '--concurrency', '1');
    expect(code).toBe(14);
    expect(rig.posts()).toBe(3);
    expect(report.totals).toMatchObject({ saved: 0 });
  });

  it('counts pending tasks that it attaches to, not clips that were saved before', async () => {
    await open(1);
    rig.write('r.yaml', jobs(4));
    expect((await run('--only', 'p/j1')).code).toBe(0);
    rig.sandbox.addFaults('task:slow@60*1');
    expect((await run('--only', 'p/j2', '--timeout', '0')).code).toBe(14);
    expectSaid(await run('--max-credits', '11'), 4, '5.022 credits are reserved by pending tasks');
    expect((await run('--max-credits', '11', '--allow-partial')).code).toBe(14);
    expect(rig.posts()).toBe(3);
  });

  it('ends with 4 where nothing was submitted', async () => {
    await open(1);
    rig.write('r.yaml', jobs(2));
    const { code, report } = await run('--max-credits', '3', '--allow-partial');
    expect(code).toBe(4);
    expect(report.error).toMatchObject({ charged: 'no' });
    expect(rig.posts()).toBe(0);
  });
});
