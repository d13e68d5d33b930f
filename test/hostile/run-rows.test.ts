import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { expectSaid, jobFile, jsonOf, rigForEach, sha256 } from '../helpers/rig.ts';

const rig = rigForEach();

const run = (flags = '') => rig.run(`run r.yaml ${flags}`);
const out = (name: string): string => rig.at(`out/${name}`);
const sidecar = (name: string) => rig.readJson(`out/${name}.json`);
/** The name under which a clip that is in the way is kept. */
const keptName = (name: string, taskId: string) => `${name}.${taskId}.mp4`;

function write(...rows: string[]): void {
  rig.write('rows.csv', `what\n${rows.join('\n')}\n`);
  rig.write('r.yaml', jobFile('row: { prompt: "A {{what}}", for_each: rows.csv }', 'out/clip-{index}.mp4'));
}

/** The prompts of the clips by name; each clip is what its sidecar says. */
function clips(): Record<string, string> {
  const promptOf = (name: string): string => {
    const { request, file } = sidecar(name);
    expect(sha256(readFileSync(out(name)))).toBe(file.sha256);
    return request.prompt;
  };
  return Object.fromEntries(rig.clips().map((name) => [name, promptOf(name)]));
}

/** Rows are written, and run with exit 0: so many paid requests in all, and what lies there then. */
async function expectRun(rows: readonly string[], posts: number): Promise<Record<string, string>> {
  write(...rows);
  expect([(await run()).code, rig.posts()]).toEqual([0, posts]);
  return clips();
}

const numbered = (...rows: string[]) =>
  Object.fromEntries(rows.map((row, index) => [`clip-${index + 1}.mp4`, `A ${row}`]));

describe('rows that come and go, with numbered outputs', () => {
  let bee: string;
  beforeEach(async () => {
    await expectRun(['ant', 'bee', 'cat'], 3);
    bee = keptName('clip-2', sidecar('clip-2.mp4').task_id);
  });

  it('removes a row: keeps its clip under a free name, and sends nothing', async () => {
    write('ant', 'cat');
    const plan = await run('--dry-run');
    expect([plan.code, `${plan.stdout}${plan.stderr}`]).toEqual([0, expect.stringContaining(bee)]);
    expect(await expectRun(['ant', 'cat'], 3)).toEqual({ ...numbered('ant', 'cat', 'cat'), [bee]: 'A bee' });
    expect(await expectRun(['ant', 'bee', 'cat'], 3)).toMatchObject(numbered('ant', 'bee', 'cat'));
  });

  it('inserts a row: submits that one only', async () => {
    const rows = ['ant', 'owl', 'bee', 'cat'];
    expect(await expectRun(rows, 4)).toEqual(numbered(...rows));
  });

  it('swaps rows and turns them in a circle, and sends nothing', async () => {
    for (const line of ['bee ant cat', 'cat bee ant'])
      expect(await expectRun(line.split(' '), 3)).toEqual(numbered(...line.split(' ')));
    expect((await run()).stderr).toContain('3 up to date');
    expect(rig.posts()).toBe(3);
  });

  it('keeps the clip of a request that was changed', async () => {
    const changed = { 'clip-2.mp4': 'A owl', [bee]: 'A bee' };
    expect(await expectRun(['ant', 'owl', 'cat'], 4)).toMatchObject(changed);
    expect(await expectRun(['ant', 'bee', 'cat'], 4)).toMatchObject({ 'clip-2.mp4': 'A bee' });
  });

  it('downloads a deleted clip again, and does not submit it', async () => {
    for (const name of ['clip-2.mp4', 'clip-2.mp4.json']) rmSync(out(name));
    expect(jsonOf(await run('--dry-run --json'))).toMatchObject({ totals: { restore: 1, new: 0 } });
    expect([(await run()).code, rig.posts()]).toEqual([0, 3]);
    expect(keptName('clip-2', sidecar('clip-2.mp4').task_id)).toBe(bee);
    // Without the state folder the sidecar still names the task.
    rmSync(rig.state, { recursive: true });
    rmSync(out('clip-3.mp4'));
    expect([(await run()).code, rig.posts(), existsSync(out('clip-3.mp4'))]).toEqual([0, 3, true]);
  });

  it('restores one damaged clip and does not stop the run; with --force it is made again', async () => {
    writeFileSync(out('clip-2.mp4'), 'damaged');
    write('ant', 'bee', 'cat', 'dog');
    const totals = { restore: 1, new: 1, up_to_date: 2 };
    expect(jsonOf(await run('--dry-run --json'))).toMatchObject({ ok: true, totals });
    expect([(await run()).code, rig.posts()]).toEqual([0, 4]);
    // The file that was changed may be an edit: it is kept.
    expect(rig.read(`out/${bee}`)).toBe('damaged');
    rmSync(out(bee));
    expect(clips()).toMatchObject({ 'clip-2.mp4': 'A bee', 'clip-4.mp4': 'A dog' });
    writeFileSync(out('clip-2.mp4'), 'damaged');
    expect([(await run('--force --only row/bee')).code, rig.posts()]).toEqual([0, 5]);
  });

  it('says what a damaged clip costs whose task is gone, and goes on with the rest', async () => {
    writeFileSync(out('clip-2.mp4'), 'damaged');
    write('ant', 'bee', 'cat', 'dog');
    rig.sandbox.addFaults('poll:404(code=task_not_found)*; batch:404*');
    expectSaid(await run(), 14, /^row\/bee: .*--force --only row\/bee$/m);
    expect(rig.posts()).toBe(4);
  });

  it('makes the clips of each date, and says what that costs', async () => {
    rig.write('r.yaml', jobFile('daily: { prompt: "A ant" }', 'out/{date}.mp4'));
    const plan = await run('--dry-run');
    expect(plan.stdout).toMatch(/^daily +new /m);
    expectSaid(plan, 0, '{date}', /each day .*5\.022 credits/);
  });
});
