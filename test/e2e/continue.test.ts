import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasTerminal, onTerminal } from '../helpers/on-terminal.ts';
import { rigForEach, sha256, useRig, useRunRig } from '../helpers/rig.ts';
import { tinyMp4 } from '../helpers/tiny-mp4.ts';

const SIZE = ['-d', '4', '-q', '480p'];
const REQUEST = ['t2v', 'a paper boat', ...SIZE];

const rig = rigForEach();

const run = (...args: string[]) => rig.run(args);
const at = (name: string) => join(rig.work, name);
const bytesOf = (name: string) => readFileSync(at(name));

function isMp4(bytes: Buffer): boolean {
  return bytes.subarray(4, 8).toString('latin1') === 'ftyp';
}

/** Makes a task and leaves it, ended or still running; returns its id. */
async function leave(prompt: string, flags: readonly string[] = [], fault = 'task:instant'): Promise<string> {
  rig.sandbox.addFaults(fault);
  const { stdout, code } = await run('t2v', prompt, ...SIZE, '--no-wait', ...flags);
  expect(code).toBe(0);
  rig.sandbox.advanceClock(1_000);
  return stdout.trim();
}
const leaveRunning = (...flags: string[]) => leave('a paper boat', flags, 'task:slow@1000');
const endTasks = () => rig.passTime(10 * 3_600_000);

/** The commands that a text names. */
function commandsIn(text: string): readonly string[][] {
  return [...text.matchAll(/evolink ((?:status|download|resume)[^`;,\n]*)/g)].map(([, words = '']) =>
    words.trim().split(' '),
  );
}

describe('a task that was made with -o -', () => {
  it.each([
    ['resume', ['a paper boat']],
    ['download --all', ['a paper boat', 'a tin boat']],
  ])('evolink %s saves to files (%j)', async (command, prompts) => {
    for (const prompt of prompts) await leave(prompt, ['-o', '-']);
    const { code, stdout } = await run(...command.split(' '));
    expect(code).toBe(0);
    const paths = stdout.trim().split('\n');
    expect(paths).toHaveLength(prompts.length);
    for (const path of paths) {
      expect(path).toMatch(/-boat-[a-z0-9]+\.mp4$/);
      expect(isMp4(readFileSync(path))).toBe(true);
    }
  });

  it('leaves stdout to the JSON document, and goes to the configured folder', async () => {
    rig.write('.evolinkrc', 'output: clips/{id}.mp4\n');
    const id = await leave('a paper boat', ['-o', '-']);
    const { code, stdout } = await run('download', id, '--json');
    expect(code).toBe(0);
    const { path } = JSON.parse(stdout);
    expect(path).toMatch(/\/clips\/[a-z0-9]+\.mp4$/);
    expect(isMp4(readFileSync(path))).toBe(true);
  });

  it('goes down the pipe where this command asks for it: by the id, or the same request again', async () => {
    const id = await leaveRunning('-o', '-');
    // It was to go to a file in between.
    expect((await run('download', id)).code).toBe(7);
    endTasks();
    const again = await run(...REQUEST, '-o', '-');
    expect(again.stderr).toContain(`attached: ${id}`);
    expect(isMp4(again.stdoutBytes)).toBe(true);
    const once = await run('download', id, '-o', '-');
    expect(once.stdoutBytes.equals(again.stdoutBytes)).toBe(true);
    expect(readdirSync(rig.work)).toEqual([]);
  });

  it('is refused beside JSON, for several, and for whatever is open', async () => {
    const ids = [await leave('a paper boat'), await leave('a tin boat')];
    for (const args of [
      ['download', ids[0] ?? '', '-o', '-', '--json'],
      ['resume', ids[0] ?? '', '-o', '-', '--events'],
      ['download', ...ids, '-o', '-'],
      ['download', '--all', '-o', '-'],
      ['resume', '-o', '-'],
    ]) {
      const { code, stdout } = await run(...args);
      expect([args, code]).toEqual([args, 2]);
      expect(stdout).not.toContain('ftyp');
    }
    expect((await run('status', '--json')).stdout).toContain('"completed"');
  });

  it('the command that is named after a broken pipe saves it to a file', async () => {
    // More than a pipe holds.
    const large = await useRunRig({ videoMaker: async () => tinyMp4({ dataBytes: 500_000 }) });
    const wrapper = ['bash', '--norc', '-c', '"$@" | head -c 10', 'piped'];
    const { stderr } = await large.run([...REQUEST, '-o', '-'], { wrapper });
    const [command = []] = commandsIn(stderr);
    expect(command).toEqual(['download', expect.stringMatching(/^task-/)]);
    const { code, stdout } = await large.run(command);
    expect(code).toBe(0);
    expect(isMp4(readFileSync(stdout.trim()))).toBe(true);
  });
});

describe.skipIf(!hasTerminal)('-o - on a terminal', () => {
  it.each([
    ['a new request', REQUEST],
    ['an earlier task', ['download', 'task-unified-1774857405-abc123']],
  ])('is refused for %s before anything is sent', async (_what, args) => {
    const { code, stdout } = await rig.run([...args, '-o', '-'], onTerminal());
    expect(code).toBe(2);
    expect(stdout).toContain('which is a terminal');
    expect(stdout).toContain('-o clip.mp4');
    expect(rig.sandbox.ledger.requests()).toEqual([]);
  });
});

describe('in the sandbox, every command that is named works as it stands', () => {
  it('after --no-wait, and of several where one is uncertain', async () => {
    const named = (args: readonly string[], faults = '') =>
      rig.run(args, { env: { EVOLINK_SANDBOX_FAULTS: `task:instant${faults}` } });
    const make = (prompt: string) => ['t2v', prompt, ...SIZE, '--sandbox'];
    const first = await named([...make('a paper boat'), '--no-wait']);
    const [download = []] = commandsIn(first.stderr);
    // Exit 7 until the task has ended.
    await expect.poll(async () => (await named(download)).code).toBe(0);
    const lost = await named([...make('a lost boat'), '--json'], '; submit:reset(read); list:404*');
    expect(lost.code).toBe(8);
    const { local_id: localId } = JSON.parse(lost.stdout).error;
    await named([...make('a tin boat'), '--no-wait']);
    const { code, stderr } = await named(['resume', '--sandbox']);
    expect(code).toBe(14);
    expect(commandsIn(stderr).map((words) => words.join(' '))).toEqual([
      `resume --sandbox ${localId} --task TASK_ID`,
      `resume --sandbox --resubmit ${localId}`,
      `resume ${localId} --sandbox`,
    ]);
    await named([...make('a tin drum'), '--no-wait']);
    const { tasks } = JSON.parse((await named(['resume', '--sandbox', '--json'])).stdout);
    const resumes = tasks.map(({ error }: { error?: { resume: unknown } }) => error?.resume);
    expect(resumes).toContainEqual(['evolink', 'resume', localId, '--sandbox']);
    expect((await named(['resume', '--sandbox', '--resubmit', localId])).code).toBe(0);
  });
});

describe('the same request with another place', () => {
  const moveTo = (id: string, place: string) => run('resume', id, '-o', place, '--timeout', '0');

  it('submits another, and says how to have the first one there', async () => {
    const id = await leaveRunning('-o', 'a.mp4');
    const { code, stderr } = await run(...REQUEST, '-o', 'b.mp4', '--dry-run');
    expect(code).toBe(0);
    expect(stderr).toContain(`the same request is open already, for ${at('a.mp4')}`);
    expect(stderr).toContain(`evolink resume ${id} -o PATH`);
    for (const place of [['a.mp4'], ['b.mp4', '--new']])
      expect((await run(...REQUEST, '-o', ...place, '--dry-run')).stderr).not.toContain('is open');
  });

  it('attaches where the first one was moved to this place, whatever else is open', async () => {
    const id = await leaveRunning('-o', 'a.mp4');
    expect((await moveTo(id, 'b.mp4')).code).toBe(7);
    await leaveRunning('-o', 'c.mp4', '--new');
    endTasks();
    const again = await run(...REQUEST, '-o', 'b.mp4');
    expect(again).toMatchObject({ code: 0, stdout: `${at('b.mp4')}\n` });
    expect(again.stderr).toContain(`attached: ${id}`);
    const kept = await run(...REQUEST, '-o', 'b.mp4');
    expect(kept.code).toBe(0);
    expect(kept.stderr).toContain(id);
    expect(rig.posts()).toBe(2);
  });

  it('attaches where it is open for this very file under another name of it', async () => {
    const first = await leaveRunning('-o', '{duration}.mp4');
    expect(await leaveRunning('-o', '4.mp4')).toBe(first);
    expect(rig.posts()).toBe(1);
  });

  it('a decision about a request makes no record', async () => {
    const id = await leaveRunning('-o', 'a.mp4');
    for (const args of [
      [id, '--task', 'task-unified-1-other'],
      ['task-unified-1-none', '--task', 'task-unified-1-other'],
      ['task-unified-1-none', '--task', id, '--dry-run'],
    ])
      expect((await run('resume', ...args)).code).toBe(2);
    expect(JSON.parse((await run('status', '--json')).stdout).tasks).toHaveLength(1);
  });
});

describe('the same command once more', () => {
  const command = [...REQUEST, '-o', 'boat.mp4'];

  it('finds the clip that it has saved; another request finds a file that is not its own', async () => {
    const first = await run(...command);
    const again = await run(...command, '--json');
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ state: 'skipped', path: first.stdout.trim() });
    expect((await run('t2v', 'a tin boat', ...SIZE, '-o', 'boat.mp4')).code).toBe(11);
    rig.write('boat.mp4', 'mine');
    expect((await run(...command)).code).toBe(11);
    expect(rig.posts()).toBe(1);
  });

  it('--skip-existing makes no record, and names none', async () => {
    rig.write('boat.mp4', 'mine');
    const { code, stdout } = await run(...command, '--skip-existing', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ state: 'skipped', local_id: null, task_id: null });
    expect(rig.posts()).toBe(0);
  });

  it("--skip-existing keeps someone else's file, and the clip that is paid for can still be had", async () => {
    const id = await leave('a paper boat', ['-o', 'boat.mp4']);
    rig.write('boat.mp4', 'mine');
    const skipped = await run(...command, '--skip-existing');
    expect(skipped).toMatchObject({ code: 0, stdout: `${at('boat.mp4')}\n` });
    expect((await run('status')).stdout).toMatch(new RegExp(`${id} +completed`));
    const saved = await run(...(commandsIn(skipped.stderr)[0] ?? []));
    expect(saved).toMatchObject({ code: 0, stdout: `${at('boat-2.mp4')}\n` });
    expect(isMp4(bytesOf('boat-2.mp4'))).toBe(true);
    expect(rig.read('boat.mp4')).toBe('mine');
  });

  it('an earlier --overwrite replaces what was there then, not the clip of a later request', async () => {
    // At the rate of the clock that files are stamped by.
    const real = await useRig({ rate: 1, charges: 2 });
    const overwrite = [...SIZE, '-o', 'clip.mp4', '--overwrite'];
    real.write('clip.mp4', 'an old draft');
    expect((await real.run(['t2v', 'a paper boat', ...overwrite, '--no-wait'])).code).toBe(0);
    expect((await real.run(['t2v', 'a tin boat', ...overwrite])).code).toBe(0);
    const tin = sha256(readFileSync(real.clipPath()));
    const { code, stderr } = await real.run(['resume']);
    expect([code, stderr]).toEqual([11, expect.stringContaining('clip-2.mp4')]);
    expect(sha256(readFileSync(real.clipPath()))).toBe(tin);
    expect(isMp4(readFileSync(real.clipPath('clip-2.mp4')))).toBe(true);
  });

  it('an earlier --overwrite still replaces the file that it was meant for', async () => {
    rig.write('boat.mp4', 'an old draft');
    await leave('a paper boat', ['-o', 'boat.mp4', '--overwrite']);
    expect(await run('resume')).toMatchObject({ code: 0, stdout: `${at('boat.mp4')}\n` });
    expect(isMp4(bytesOf('boat.mp4'))).toBe(true);
  });

  it('resume saves what --skip-existing would have left out', async () => {
    const id = await leave('a paper boat', ['-o', 'boat.mp4', '--skip-existing']);
    rig.write('boat.mp4', 'mine');
    const { code, stderr } = await run('resume', id);
    expect([code, stderr]).toEqual([11, expect.stringContaining('saved as')]);
    expect(isMp4(bytesOf('boat-2.mp4'))).toBe(true);
  });
});

it('a request to one service is not a task of another, and no id of one is sent to the other', async () => {
  // Of another seed: tasks of one id would be one task.
  const other = await useRunRig({ seed: 8 });
  const there = {
    env: { EVOLINK_BASE_URL: other.sandbox.apiUrl, EVOLINK_FILES_URL: other.sandbox.filesUrl },
  };
  const here = rig.sandbox.apiUrl;
  const request = [...REQUEST, '-o', 'boat.mp4'];
  const id = await leave('a paper boat', ['-o', 'boat.mp4']);
  const same = await rig.run([...request, '--no-wait'], there);
  expect([same.code, rig.charged(), other.charged()]).toEqual([0, 1, 1]);
  expect(same.stderr).not.toContain('attached');
  const { tasks } = JSON.parse((await rig.run(['status', '--json'], there)).stdout);
  expect(tasks).toContainEqual(expect.objectContaining({ id, note: `at ${here}` }));
  const spent = JSON.parse((await rig.run(['credits', '--json'], there)).stdout).journal;
  expect([spent.open.tasks, spent.ended.tasks]).toEqual([1, 0]);
  const named = await rig.run(['download', id], there);
  expect([named.code, named.stderr]).toEqual([
    2,
    expect.stringContaining(`EVOLINK_BASE_URL=${here} evolink download ${id}`),
  ]);
  const all = await rig.run(['resume'], there);
  expect([all.code, all.stderr]).toEqual([
    0,
    expect.stringContaining(`EVOLINK_BASE_URL=${here} evolink resume ${id}`),
  ]);
  expect(other.sandbox.ledger.requests().filter(({ path }) => path.includes(id))).toEqual([]);
  expect((await run(...request)).stderr).toContain(`attached: ${id}`);
  expect([rig.charged(), other.charged()]).toEqual([1, 1]);
});
