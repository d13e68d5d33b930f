import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { expectSaid, jsonOf, rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();

const run = (...args: string[]) => rig.run(['run', 'r.yaml', ...args]);
const out = (name: string): string => join(rig.work, 'out', name);

function write(...rows: string[]): void {
  rig.write('rows.csv', `what\n${rows.join('\n')}\n`);
  rig.write(
    'r.yaml',
    'version: 1\ndefaults: { type: t2v, tier: mini, quality: 480p, duration: 4 }\njobs:\n  row: { prompt: "A {{what}}", output: "out/clip-{index}.mp4", for_each: rows.csv }\n',
  );
}

interface Sidecar {
  readonly task_id: string;
  readonly request: { readonly prompt: string };
  readonly file: { readonly sha256: string };
}

function sidecar(name: string): Sidecar {
  return JSON.parse(readFileSync(out(`${name}.json`), 'utf8'));
}

/** The prompts of the clips by name; each clip is what its sidecar says. */
function clips(): Record<string, string> {
  const names = readdirSync(rig.at('out')).filter((name) => name.endsWith('.mp4'));
  return Object.fromEntries(
    names.sort().map((name) => {
      const { request, file } = sidecar(name);
      expect(
        createHash('sha256')
          .update(readFileSync(out(name)))
          .digest('hex'),
      ).toBe(file.sha256);
      return [name, request.prompt];
    }),
  );
}

describe('rows that come and go, with numbered outputs', () => {
  beforeEach(async () => {
    write('ant', 'bee', 'cat');
    expect((await run()).code).toBe(0);
    expect(rig.posts()).toBe(3);
  });

  it('removes a row: keeps its clip under a free name, and sends nothing', async () => {
    const { task_id: bee } = sidecar('clip-2.mp4');
    write('ant', 'cat');
    const plan = await run('--dry-run');
    expect(plan.code).toBe(0);
    expect(`${plan.stdout}${plan.stderr}`).toContain(`clip-2.${bee}.mp4`);
    expect((await run()).code).toBe(0);
    expect(rig.posts()).toBe(3);
    expect(clips()).toEqual({
      'clip-1.mp4': 'A ant',
      'clip-2.mp4': 'A cat',
      [`clip-2.${bee}.mp4`]: 'A bee',
      'clip-3.mp4': 'A cat',
    });
    write('ant', 'bee', 'cat');
    expect((await run()).code).toBe(0);
    expect(rig.posts()).toBe(3);
    expect(clips()).toMatchObject({ 'clip-2.mp4': 'A bee', 'clip-3.mp4': 'A cat' });
  });

  it('inserts a row: submits that one only', async () => {
    write('ant', 'owl', 'bee', 'cat');
    expect((await run()).code).toBe(0);
    expect(rig.posts()).toBe(4);
    expect(clips()).toEqual({
      'clip-1.mp4': 'A ant',
      'clip-2.mp4': 'A owl',
      'clip-3.mp4': 'A bee',
      'clip-4.mp4': 'A cat',
    });
  });

  it('swaps rows and turns them in a circle, and sends nothing', async () => {
    write('bee', 'ant', 'cat');
    expect((await run()).code).toBe(0);
    expect(clips()).toEqual({ 'clip-1.mp4': 'A bee', 'clip-2.mp4': 'A ant', 'clip-3.mp4': 'A cat' });
    write('cat', 'bee', 'ant');
    expect((await run()).code).toBe(0);
    expect(clips()).toEqual({ 'clip-1.mp4': 'A cat', 'clip-2.mp4': 'A bee', 'clip-3.mp4': 'A ant' });
    expect((await run()).stderr).toContain('3 up to date');
    expect(rig.posts()).toBe(3);
  });

  it('keeps the clip of a request that was changed', async () => {
    const { task_id: bee } = sidecar('clip-2.mp4');
    write('ant', 'owl', 'cat');
    expect((await run()).code).toBe(0);
    expect(rig.posts()).toBe(4);
    expect(clips()).toMatchObject({ 'clip-2.mp4': 'A owl', [`clip-2.${bee}.mp4`]: 'A bee' });
    write('ant', 'bee', 'cat');
    expect((await run()).code).toBe(0);
    expect(rig.posts()).toBe(4);
    expect(clips()).toMatchObject({ 'clip-2.mp4': 'A bee' });
  });

  it('downloads a deleted clip again, and does not submit it', async () => {
    const { task_id: bee } = sidecar('clip-2.mp4');
    rmSync(out('clip-2.mp4'));
    rmSync(out('clip-2.mp4.json'));
    const plan = await run('--dry-run', '--json');
    expect(jsonOf(plan)).toMatchObject({ totals: { restore: 1, new: 0 } });
    expect((await run()).code).toBe(0);
    expect(rig.posts()).toBe(3);
    expect(sidecar('clip-2.mp4').task_id).toBe(bee);
    // Without the state folder the sidecar still names the task.
    rmSync(rig.state, { recursive: true });
    rmSync(out('clip-3.mp4'));
    expect((await run()).code).toBe(0);
    expect(rig.posts()).toBe(3);
    expect(existsSync(out('clip-3.mp4'))).toBe(true);
  });

  it('restores one damaged clip and does not stop the run; with --force it is made again', async () => {
    writeFileSync(out('clip-2.mp4'), 'damaged');
    write('ant', 'bee', 'cat', 'dog');
    const plan = jsonOf(await run('--dry-run', '--json'));
    expect(plan).toMatchObject({ ok: true, totals: { restore: 1, new: 1, up_to_date: 2 } });
    expect((await run()).code).toBe(0);
    expect(rig.posts()).toBe(4);
    // The file that was changed may be an edit: it is kept.
    const { task_id: bee } = sidecar('clip-2.mp4');
    expect(readFileSync(out(`clip-2.${bee}.mp4`), 'utf8')).toBe('damaged');
    rmSync(out(`clip-2.${bee}.mp4`));
    expect(clips()).toMatchObject({ 'clip-2.mp4': 'A bee', 'clip-4.mp4': 'A dog' });
    writeFileSync(out('clip-2.mp4'), 'damaged');
    expect((await run('--force', '--only', 'row/bee')).code).toBe(0);
    expect(rig.posts()).toBe(5);
  });

  it('says what a damaged clip costs whose task is gone, and goes on with the rest', async () => {
    writeFileSync(out('clip-2.mp4'), 'damaged');
    write('ant', 'bee', 'cat', 'dog');
    rig.sandbox.addFaults('poll:404(code=task_not_found)*; batch:404*');
    expectSaid(await run(), 14, /^row\/bee: .*--force --only row\/bee$/m);
    expect(rig.posts()).toBe(4);
  });

  it('makes the clips of each date, and says what that costs', async () => {
    rig.write(
      'r.yaml',
      'version: 1\ndefaults: { type: t2v, tier: mini, quality: 480p, duration: 4 }\njobs:\n  daily: { prompt: "A ant", output: "out/{date}.mp4" }\n',
    );
    const plan = await run('--dry-run');
    expect(plan.stdout).toMatch(/^daily +new /m);
    expect(plan.stderr).toContain('{date}');
    expect(plan.stderr).toMatch(/each day .*5\.022 credits/);
  });
});
