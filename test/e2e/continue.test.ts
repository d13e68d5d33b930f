import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasTerminal, onTerminal } from '../helpers/on-terminal.ts';
import { errorOf, expectSaid, isMp4, jsonOf, rigForEach, sha256, useRig, useRunRig } from '../helpers/rig.ts';
import { tinyMp4 } from '../helpers/tiny-mp4.ts';

const SIZE = '-d 4 -q 480p';
const REQUEST = `t2v "a paper boat" ${SIZE}`;

const rig = rigForEach();

const run = (line: string) => rig.run(line);

/** Makes a task and leaves it, ended or still running; returns its id. */
async function leave(prompt: string, flags = '', fault = 'task:instant'): Promise<string> {
  rig.sandbox.addFaults(fault);
  const { stdout, code } = await run(`t2v "${prompt}" ${SIZE} --no-wait ${flags}`);
  expect(code).toBe(0);
  rig.sandbox.advanceClock(1_000);
  return stdout.trim();
}
const leaveRunning = (flags: string) => leave('a paper boat', flags, 'task:slow@1000');
const endTasks = () => rig.passTime(10 * 3_600_000);

/** The commands that a text names. */
const commandsIn = (text: string): readonly string[] =>
  [...text.matchAll(/evolink ((?:status|download|resume)[^`;,\n]*)/g)].map(([, line = '']) => line.trim());

describe('a task that was made with -o -', () => {
  it.each([
    ['resume', ['a paper boat']],
    ['download --all', ['a paper boat', 'a tin boat']],
  ])('evolink %s saves to files (%j)', async (command, prompts) => {
    for (const prompt of prompts) await leave(prompt, '-o -');
    const { code, stdout } = await run(command);
    const paths = stdout.trim().split('\n');
    expect([code, paths.length, paths.every(isMp4)]).toEqual([0, prompts.length, true]);
    for (const path of paths) expect(path).toMatch(/-boat-[a-z0-9]+\.mp4$/);
  });

  it('leaves stdout to the JSON document, and goes to the configured folder', async () => {
    rig.write('.evolinkrc', 'output: clips/{id}.mp4\n');
    const result = await run(`download ${await leave('a paper boat', '-o -')} --json`);
    const { path } = jsonOf(result);
    expect([result.code, isMp4(path)]).toEqual([0, true]);
    expect(path).toMatch(/\/clips\/[a-z0-9]+\.mp4$/);
  });

  it('goes down the pipe where this command asks for it: by the id, or the same request again', async () => {
    const id = await leaveRunning('-o -');
    // It was to go to a file in between.
    expect((await run(`download ${id}`)).code).toBe(7);
    endTasks();
    const again = await run(`${REQUEST} -o -`);
    expectSaid(again, 0, `attached: ${id}`);
    expect(isMp4(again.stdoutBytes)).toBe(true);
    const once = await run(`download ${id} -o -`);
    expect(once.stdoutBytes.equals(again.stdoutBytes)).toBe(true);
    expect(readdirSync(rig.work)).toEqual([]);
  });

  it('is refused beside JSON, for several, and for whatever is open', async () => {
    const [first, second] = [await leave('a paper boat'), await leave('a tin boat')];
    const machine = [`download ${first} -o - --json`, `resume ${first} -o - --events`];
    const several = [`download ${first} ${second} -o -`, 'download --all -o -', 'resume -o -'];
    for (const line of [...machine, ...several]) {
      const { code, stdout } = await run(line);
      expect([line, code, stdout.includes('ftyp')]).toEqual([line, 2, false]);
    }
    expect((await run('status --json')).stdout).toContain('"completed"');
  });

  it('the command that is named after a broken pipe saves it to a file', async () => {
    // More than a pipe holds.
    const large = await useRunRig({ videoMaker: async () => tinyMp4({ dataBytes: 500_000 }) });
    const wrapper = ['bash', '--norc', '-c', '"$@" | head -c 10', 'piped'];
    const { stderr } = await large.run(`${REQUEST} -o -`, { wrapper });
    const [command = ''] = commandsIn(stderr);
    expect(command).toMatch(/^download task-\S+$/);
    const { code, stdout } = await large.run(command);
    expect([code, isMp4(stdout.trim())]).toEqual([0, true]);
  });
});

it.skipIf(!hasTerminal).each([
  ['a new request', REQUEST],
  ['an earlier task', 'download task-unified-1774857405-abc123'],
])('-o - on a terminal is refused for %s before anything is sent', async (_what, line) => {
  const { code, stdout: stderr } = await rig.run(`${line} -o -`, onTerminal());
  expectSaid({ code, stderr }, 2, 'which is a terminal', '-o clip.mp4');
  expect(rig.sandbox.ledger.requests()).toEqual([]);
});

it('in the sandbox, every command that is named works as it stands: after --no-wait, and of several where one is uncertain', async () => {
  const named = (line: string, faults = '') =>
    // Clips are really made, which a busy machine may take long for.
    rig.run(line, { env: { EVOLINK_SANDBOX_FAULTS: `task:instant${faults}`, EVOLINK_TIMEOUT: '24h' } });
  const make = (prompt: string, flags = '--no-wait') => `t2v "${prompt}" ${SIZE} --sandbox ${flags}`;
  const [download = ''] = commandsIn((await named(make('a paper boat'))).stderr);
  // Exit 7 until the task has ended.
  await expect.poll(async () => (await named(download)).code).toBe(0);
  const lost = await named(make('a lost boat', '--json'), '; submit:reset(read); list:404*');
  expect(lost.code).toBe(8);
  const { local_id: localId } = errorOf(lost);
  await named(make('a tin boat'));
  const { code, stderr } = await named('resume --sandbox');
  expect(code).toBe(14);
  expect(commandsIn(stderr)).toEqual([
    `resume --sandbox ${localId} --task TASK_ID`,
    `resume --sandbox --resubmit ${localId}`,
    `resume ${localId} --sandbox`,
  ]);
  await named(make('a tin drum'));
  const { tasks } = jsonOf(await named('resume --sandbox --json'));
  const resumes = tasks.map(({ error }: { error?: { resume: unknown } }) => error?.resume);
  expect(resumes).toContainEqual(['evolink', 'resume', localId, '--sandbox']);
  expect((await named(`resume --sandbox --resubmit ${localId}`)).code).toBe(0);
});

describe('the same request with another place', () => {
  it('submits another, and says how to have the first one there', async () => {
    const id = await leaveRunning('-o a.mp4');
    const plan = (place: string) => run(`${REQUEST} -o ${place} --dry-run`);
    const first = `the same request is open already, for ${rig.at('a.mp4')}`;
    expectSaid(await plan('b.mp4'), 0, first, `evolink resume ${id} -o PATH`);
    for (const place of ['a.mp4', 'b.mp4 --new']) expect((await plan(place)).stderr).not.toContain('is open');
  });

  it('attaches where the first one was moved to this place, whatever else is open', async () => {
    const id = await leaveRunning('-o a.mp4');
    expect((await run(`resume ${id} -o b.mp4 --timeout 0`)).code).toBe(7);
    await leaveRunning('-o c.mp4 --new');
    endTasks();
    const again = await run(`${REQUEST} -o b.mp4`);
    expectSaid(again, 0, `attached: ${id}`);
    expect(again.stdout).toBe(`${rig.at('b.mp4')}\n`);
    expectSaid(await run(`${REQUEST} -o b.mp4`), 0, id);
    expect(rig.posts()).toBe(2);
  });

  it('attaches where it is open for this very file under another name of it', async () => {
    const first = await leaveRunning('-o {duration}.mp4');
    expect(await leaveRunning('-o 4.mp4')).toBe(first);
    expect(rig.posts()).toBe(1);
  });

  it('a decision about a request makes no record', async () => {
    const id = await leaveRunning('-o a.mp4');
    const [other, none] = ['task-unified-1-other', 'task-unified-1-none'];
    for (const line of [`${id} --task ${other}`, `${none} --task ${other}`, `${none} --task ${id} --dry-run`])
      expect((await run(`resume ${line}`)).code).toBe(2);
    expect(jsonOf(await run('status --json')).tasks).toHaveLength(1);
  });
});

describe('the same command once more', () => {
  const command = `${REQUEST} -o boat.mp4`;

  it('finds the clip that it has saved; another request finds a file that is not its own', async () => {
    const first = await run(command);
    const again = await run(`${command} --json`);
    const skipped = { state: 'skipped', path: first.stdout.trim() };
    expect([again.code, jsonOf(again)]).toMatchObject([0, skipped]);
    expect((await run(`t2v "a tin boat" ${SIZE} -o boat.mp4`)).code).toBe(11);
    rig.write('boat.mp4', 'mine');
    expect([(await run(command)).code, rig.posts()]).toEqual([11, 1]);
  });

  it('--skip-existing makes no record, and names none', async () => {
    rig.write('boat.mp4', 'mine');
    const result = await run(`${command} --skip-existing --json`);
    expect([result.code, rig.posts()]).toEqual([0, 0]);
    expect(jsonOf(result)).toMatchObject({ state: 'skipped', local_id: null, task_id: null });
  });

  it("--skip-existing keeps someone else's file, and the clip that is paid for can still be had", async () => {
    const id = await leave('a paper boat', '-o boat.mp4');
    rig.write('boat.mp4', 'mine');
    const skipped = await run(`${command} --skip-existing`);
    expect(skipped).toMatchObject({ code: 0, stdout: `${rig.at('boat.mp4')}\n` });
    expect((await run('status')).stdout).toMatch(new RegExp(`${id} +completed`));
    const saved = await run(commandsIn(skipped.stderr)[0] ?? '');
    expect(saved).toMatchObject({ code: 0, stdout: `${rig.at('boat-2.mp4')}\n` });
    expect(isMp4(rig.at('boat-2.mp4'))).toBe(true);
    expect(rig.read('boat.mp4')).toBe('mine');
  });

  it('an earlier --overwrite replaces what was there then, not the clip of a later request', async () => {
    // At the rate of the clock that files are stamped by.
    const real = await useRig({ rate: 1, charges: 2 });
    const overwrite = (prompt: string, flags = '') =>
      real.run(`t2v "${prompt}" ${SIZE} -o clip.mp4 --overwrite ${flags}`);
    real.write('clip.mp4', 'an old draft');
    expect((await overwrite('a paper boat', '--no-wait')).code).toBe(0);
    expect((await overwrite('a tin boat')).code).toBe(0);
    const tin = sha256(readFileSync(real.at('clip.mp4')));
    expectSaid(await real.run('resume'), 11, 'clip-2.mp4');
    expect(sha256(readFileSync(real.at('clip.mp4')))).toBe(tin);
    expect(isMp4(real.at('clip-2.mp4'))).toBe(true);
  });

  it('an earlier --overwrite still replaces the file that it was meant for', async () => {
    rig.write('boat.mp4', 'an old draft');
    await leave('a paper boat', '-o boat.mp4 --overwrite');
    expect(await run('resume')).toMatchObject({ code: 0, stdout: `${rig.at('boat.mp4')}\n` });
    expect(isMp4(rig.at('boat.mp4'))).toBe(true);
  });

  it('resume saves what --skip-existing would have left out', async () => {
    const id = await leave('a paper boat', '-o boat.mp4 --skip-existing');
    rig.write('boat.mp4', 'mine');
    expectSaid(await run(`resume ${id}`), 11, 'saved as');
    expect(isMp4(rig.at('boat-2.mp4'))).toBe(true);
  });
});

it('a request to one service is not a task of another, and no id of one is sent to the other', async () => {
  // Of another seed: tasks of one id would be one task.
  const other = await useRunRig({ seed: 8 });
  const { EVOLINK_BASE_URL, EVOLINK_FILES_URL } = other.env;
  const there = (line: string) => rig.run(line, { env: { EVOLINK_BASE_URL, EVOLINK_FILES_URL } });
  const here = `EVOLINK_BASE_URL=${rig.sandbox.apiUrl} evolink`;
  const id = await leave('a paper boat', '-o boat.mp4');
  const same = await there(`${REQUEST} -o boat.mp4 --no-wait`);
  expect([same.code, rig.charged(), other.charged()]).toEqual([0, 1, 1]);
  expect(same.stderr).not.toContain('attached');
  const { tasks } = jsonOf(await there('status --json'));
  expect(tasks).toContainEqual(expect.objectContaining({ id, note: `at ${rig.sandbox.apiUrl}` }));
  const spent = jsonOf(await there('credits --json')).journal;
  expect([spent.open.tasks, spent.ended.tasks]).toEqual([1, 0]);
  expectSaid(await there(`download ${id}`), 2, `${here} download ${id}`);
  expectSaid(await there('resume'), 0, `${here} resume ${id}`);
  expect(other.sandbox.ledger.requests().filter(({ path }) => path.includes(id))).toEqual([]);
  expect((await run(`${REQUEST} -o boat.mp4`)).stderr).toContain(`attached: ${id}`);
  expect([rig.charged(), other.charged()]).toEqual([1, 1]);
});
