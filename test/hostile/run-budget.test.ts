import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { expectSaid, jobFile, jsonOf, rigForEach } from '../helpers/rig.ts';

/** What the service reserves for one clip of these jobs. */
const RESERVED = 5.022;

const rig = rigForEach();

/** So many jobs of a person who believes in a price that is `factor` times too low. */
function setUp(count: number, factor = 1): void {
  const perSecond = RESERVED / 4 / factor;
  rig.writeConfig(`prices: [{ tier: mini, quality: 480p, without_video: ${perSecond} }]\n`);
  const names = Array.from({ length: count }, (_, index) => `j${index + 1}`).join(', ');
  rig.write('r.yaml', jobFile(`p: { prompt: "A frog {{n}}", matrix: { n: [${names}] } }`));
}

const run = async (flags: string) => {
  const result = await rig.run(`run r.yaml --json ${flags}`);
  return { ...result, report: jsonOf(result) };
};
/** How it ends, after how many paid requests. */
async function expectRun(flags: string, exit: number, posts: number) {
  const { code, report } = await run(flags);
  expect([code, rig.posts()]).toEqual([exit, posts]);
  return report;
}

describe('the budget of a run, against what the service reserves', () => {
  it('stops by the ratio of the answers, ends with 14 and names the rest not-sent', async () => {
    setUp(9, 3);
    const report = await expectRun('--max-credits 16 --concurrency 8', 14, 3);
    expect(rig.charges() * RESERVED).toBeLessThanOrEqual(16);
    expect(report.totals).toMatchObject({ saved: 3, not_sent: 6 });
    const codes = report.jobs.flatMap(({ error }: { error: { code: string } | null }) => error?.code ?? []);
    expect(new Set(codes)).toEqual(new Set(['not-sent']));
  });

  it('lets pass it only what was outstanding: before the first answer the ratio is 1', async () => {
    setUp(4, 3);
    await expectRun('--max-credits 7', 14, 1);
  });

  it('counts a reservation that is lower than the estimate as the estimate', async () => {
    setUp(4, 0.5);
    await expectRun('--max-credits 25 --allow-partial', 14, 2);
  });

  it('counts every attempt of --retry-failed, and gives nothing back for refunds', async () => {
    setUp(3);
    rig.sandbox.addFaults('task:fail(service_error)*3');
    const { totals } = await expectRun('--max-credits 16 --retry-failed 3 --concurrency 1', 14, 3);
    expect(totals).toMatchObject({ saved: 0 });
  });

  it('counts pending tasks that it attaches to, not clips that were saved before', async () => {
    setUp(4);
    await expectRun('--only p/j1', 0, 1);
    rig.sandbox.addFaults('task:slow@60*1');
    await expectRun('--only p/j2 --timeout 0', 14, 2);
    expectSaid(await run('--max-credits 11'), 4, '5.022 credits are reserved by pending tasks');
    await expectRun('--max-credits 11 --allow-partial', 14, 3);
  });

  it('counts nothing for a deleted clip that is only downloaded again', async () => {
    setUp(3);
    await expectRun('--only p/j1', 0, 1);
    rmSync(rig.at('out/p-j1.mp4'));
    rig.sandbox.addFaults('task:slow@10*1');
    await expectRun('--max-credits 11 --concurrency 1', 0, 3);
  });

  it('ends with 4 where nothing was submitted', async () => {
    setUp(2);
    const { error } = await expectRun('--max-credits 3 --allow-partial', 4, 0);
    expect(error).toMatchObject({ charged: 'no' });
  });
});
