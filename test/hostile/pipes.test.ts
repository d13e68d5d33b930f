import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectSaid, GENERATION, jobFile, until, useRig } from '../helpers/rig.ts';

/** A pipe that nobody writes into: whoever opens it to read waits for ever. */
function makePipe(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  execFileSync('mkfifo', [path]);
}

/** Each place that a file is read from, as a path in the working folder, and the command that reads it. */
const PLACES: readonly (readonly [what: string, path: string, line: string])[] = [
  ['the project file', '.evolinkrc', 'config'],
  ['the user file', '../config/evolink/config.yaml', 'config'],
  ['a job file', 'p.yaml', 't2v -f p.yaml'],
  ['a job file of a run', 'p.yaml', 'run p.yaml'],
  ['a job file to check', 'p.yaml', 'check p.yaml'],
  ['a prompt file', 'p.txt', 't2v --prompt-file p.txt'],
  ['an image', 'p.png', 'i2v x -i p.png'],
  ['an image to check', 'p.png', 'check p.png'],
  ['an image to upload', 'p.png', 'upload p.png'],
  ['a reference video', 'p.mp4', 'ref x --video p.mp4'],
  ['a report to merge', 'p.json', 'report merge p.json --report r.html'],
  ['the rows of a job', 'rows.csv', 'run jobs.yaml --dry-run'],
];

const hasPipes = process.platform === 'linux' || process.platform === 'darwin';
describe.runIf(hasPipes)('a pipe or a device where a file is read', () => {
  it.each(PLACES)('%s: refused at once', async (_what, path, line) => {
    const rig = await useRig();
    rig.write('jobs.yaml', jobFile('a: { prompt: "{{k}}", for_each: rows.csv }', '{k}.mp4'));
    makePipe(rig.at(path));
    expectSaid(await rig.run(line), 2, /not a regular file/);
    rmSync(rig.at(path));
    symlinkSync('/dev/zero', rig.at(path));
    expectSaid(await rig.run(line), 2, /not a regular file|symbolic link/);
    expect(rig.posts()).toBe(0);
  });

  it('the key file: refused at once', async () => {
    const rig = await useRig();
    makePipe(rig.at('key'));
    const env = { EVOLINK_API_KEY_FILE: rig.at('key') };
    const wrapper = ['env', '-u', 'EVOLINK_API_KEY'];
    expectSaid(await rig.run('credits', { env, wrapper }), 3, 'not a regular file');
  });

  it('a pipe of the shell is read where a person names it', async () => {
    const rig = await useRig();
    const script = '"$0" "$@" --prompt-file <(echo a paper boat) --dry-run --json';
    const { code, stdout } = await rig.run('t2v', { wrapper: ['bash', '--norc', '-c', script] });
    expect([code, stdout]).toEqual([0, expect.stringContaining('"prompt":"a paper boat"')]);
  });

  it.each([
    ['the record of a part: the download starts anew', '.part.json', [0]],
    ['a part: the download goes to a name of its own, or says so', '.part', [0, 11]],
  ])('%s', async (_what, end, exits) => {
    const faults = 'link:cut@3000000(stall)';
    const rig = await useRig({ rate: 5, clipBytes: 4_000_000, sandbox: { faults } });
    const running = rig.start(GENERATION);
    await until('a part is there', () => rig.partName() !== undefined);
    running.child.kill('SIGKILL');
    await running.done;
    const name = readdirSync(rig.work).find((each) => each.endsWith(end));
    expect(name).toBeDefined();
    makePipe(rig.at(name ?? ''));
    expect(exits).toContain((await rig.run('resume --json')).code);
    expect(rig.posts()).toBe(1);
  });

  it('a sidecar, a lock and a record of a task: nothing waits for them', async () => {
    const rig = await useRig();
    makePipe(rig.at('clip.mp4.json'));
    expectSaid(await rig.run('t2v "a boat" -d 4 -q 480p -o clip.mp4 --sidecar'), 11, 'clip.mp4.json');
    expect(rig.posts()).toBe(0);
    rmSync(rig.at('clip.mp4.json'));
    await rig.run([...GENERATION, '--no-wait']);
    const open = join(rig.state, 'tasks/open');
    const [name = ''] = readdirSync(open).filter((each) => each.endsWith('.json'));
    renameSync(join(open, name), join(open, `${name}.kept`));
    makePipe(join(open, name));
    for (const line of [GENERATION, 'status']) expect((await rig.run(line)).code).not.toBe(1);
    expect(rig.charges()).toBe(1);
  });
});
