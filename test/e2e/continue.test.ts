import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSystemClock } from '../../src/platform/clock.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/start-sandbox.ts';
import { hasTerminal, onTerminal } from '../helpers/on-terminal.ts';
import { type CliHome, createCliHome } from '../helpers/spawn-cli.ts';
import { tinyMp4 } from '../helpers/tiny-mp4.ts';

const KEY = 'sk-test-0123456789abcdef';
const SIZE = ['-d', '4', '-q', '480p'];
const REHEARSAL = [...SIZE, '--sandbox'];
/** A task that takes about half a minute of real time. */
const SLOW = { EVOLINK_INTERNAL_CLOCK_RATE: '1', EVOLINK_SANDBOX_FAULTS: 'task:slow@20' };
/** A task that is finished when the next process asks for it. */
const INSTANT = { EVOLINK_INTERNAL_CLOCK_RATE: '1', EVOLINK_SANDBOX_FAULTS: 'task:instant' };

let home: CliHome;

beforeEach(() => {
  home = createCliHome({ EVOLINK_INTERNAL_CLOCK_RATE: '20' });
});
afterEach(() => home.remove());

/** Makes a task and leaves it; returns its id. */
async function leave(prompt: string, ...flags: string[]): Promise<string> {
  const { stdout, code } = await home.run(['t2v', prompt, ...REHEARSAL, '--no-wait', ...flags], {
    env: INSTANT,
  });
  expect(code).toBe(0);
  return stdout.trim();
}

function isMp4(bytes: Buffer): boolean {
  return bytes.subarray(4, 8).toString('latin1') === 'ftyp';
}

/** The commands that a text names. */
function commandsIn(text: string): readonly string[][] {
  return [...text.matchAll(/evolink ((?:status|download|resume)[^`;,\n]*)/g)].map(([, words = '']) =>
    words.trim().split(' '),
  );
}

describe('a task that was made with -o -', () => {
  it.each([
    ['resume', 'one'],
    ['download --all', 'several'],
  ])('evolink %s (%s) saves to files', async (command, count) => {
    const ids = [await leave('a paper boat', '-o', '-')];
    if (count === 'several') ids.push(await leave('a tin boat', '-o', '-'));
    const { code, stdout } = await home.run([...command.split(' '), '--sandbox']);
    expect(code).toBe(0);
    const paths = stdout.trim().split('\n');
    expect(paths).toHaveLength(ids.length);
    for (const path of paths) {
      expect(path).toMatch(/-boat-[a-z0-9]+\.mp4$/);
      expect(isMp4(readFileSync(path))).toBe(true);
    }
  });

  it('leaves stdout to the JSON document', async () => {
    const id = await leave('a paper boat', '-o', '-');
    const { code, stdout } = await home.run(['download', id, '--json', '--sandbox']);
    expect(code).toBe(0);
    expect(isMp4(readFileSync(JSON.parse(stdout).path))).toBe(true);
  });

  it('goes to the configured folder', async () => {
    writeFileSync(join(home.work, '.evolinkrc'), 'output: clips/{id}.mp4\n');
    await leave('a paper boat', '-o', '-');
    const { stdout } = await home.run(['resume', '--sandbox']);
    expect(stdout).toMatch(/\/clips\/[a-z0-9]+\.mp4\n$/);
  });

  it('goes down the pipe where this command asks for it: by the id, or the same request again', async () => {
    const request = ['t2v', 'a paper boat', ...REHEARSAL, '-o', '-'];
    const id = (await home.run([...request, '--no-wait'], { env: SLOW })).stdout.trim();
    // It was to go to a file in between.
    expect((await home.run(['download', id, '--sandbox'], { env: SLOW })).code).toBe(7);
    const again = await home.run(request, { env: { EVOLINK_INTERNAL_CLOCK_RATE: '200' } });
    expect(again.stderr).toContain(`attached: ${id}`);
    expect(isMp4(again.stdoutBytes)).toBe(true);
    const once = await home.run(['download', id, '-o', '-', '--sandbox']);
    expect(once.stdoutBytes.equals(again.stdoutBytes)).toBe(true);
    expect(readdirSync(home.work)).toEqual([]);
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
      const { code, stdout } = await home.run([...args, '--sandbox']);
      expect([args, code]).toEqual([args, 2]);
      expect(stdout).not.toContain('ftyp');
    }
    expect((await home.run(['status', '--sandbox', '--json'])).stdout).toContain('"completed"');
  });

  it('the command that is named after a broken pipe saves it to a file', async () => {
    const { stderr } = await home.run(['t2v', 'a paper boat', ...REHEARSAL, '-o', '-'], {
      wrapper: ['bash', '--norc', '-c', '"$@" | head -c 10', 'piped'],
    });
    const [command = []] = commandsIn(stderr);
    expect(command).toEqual(['download', '--sandbox', expect.stringMatching(/^task-/)]);
    const { code, stdout } = await home.run(command);
    expect(code).toBe(0);
    expect(isMp4(readFileSync(stdout.trim()))).toBe(true);
  });
});

describe.skipIf(!hasTerminal)('-o - on a terminal', () => {
  it.each([
    ['a new request', ['t2v', 'boat', ...SIZE]],
    ['an earlier task', ['download', 'task-unified-1774857405-abc123']],
  ])('is refused for %s before anything is sent', async (_what, args) => {
    const { code, stdout } = await home.run([...args, '--sandbox', '-o', '-'], onTerminal());
    expect(code).toBe(2);
    expect(stdout).toContain('which is a terminal');
    expect(stdout).toContain('-o clip.mp4');
    expect((await home.run(['status', '--sandbox'])).stderr).toContain('nothing is unfinished');
  });
});

describe('in the sandbox, every command that is named works as it stands', () => {
  it('after --no-wait', async () => {
    const { stderr } = await home.run(['t2v', 'a paper boat', ...REHEARSAL, '--no-wait'], { env: INSTANT });
    const [command = []] = commandsIn(stderr);
    expect((await home.run(command)).code).toBe(0);
  });

  it('of several where one is uncertain: its commands are named', async () => {
    const lost = { EVOLINK_SANDBOX_FAULTS: 'submit:reset(read); list:404*' };
    const first = await home.run(['t2v', 'a lost boat', ...REHEARSAL, '--json'], { env: lost });
    expect(first.code).toBe(8);
    const localId: string = JSON.parse(first.stdout).error.local_id;
    await leave('a paper boat');
    const { code, stderr } = await home.run(['resume', '--sandbox']);
    expect(code).toBe(14);
    const named = commandsIn(stderr).map((words) => words.join(' '));
    expect(named).toEqual([
      `resume --sandbox ${localId} --task TASK_ID`,
      `resume --sandbox --resubmit ${localId}`,
      `resume ${localId} --sandbox`,
    ]);
    await leave('a tin boat');
    const { tasks } = JSON.parse((await home.run(['resume', '--sandbox', '--json'])).stdout);
    const resumes = tasks.map(({ error }: { error?: { resume: unknown } }) => error?.resume);
    expect(resumes).toContainEqual(['evolink', 'resume', localId, '--sandbox']);
    expect((await home.run(['resume', '--sandbox', '--resubmit', localId])).code).toBe(0);
  });
});

describe('the same request with another place', () => {
  const request = ['t2v', 'a paper boat', ...REHEARSAL];

  it('buys another, and says how to have the first one there', async () => {
    const id = (await home.run([...request, '-o', 'a.mp4', '--no-wait'], { env: SLOW })).stdout.trim();
    const { code, stderr } = await home.run([...request, '-o', 'b.mp4', '--dry-run'], { env: SLOW });
    expect(code).toBe(0);
    expect(stderr).toContain(`the same request is open already, for ${join(home.work, 'a.mp4')}`);
    expect(stderr).toContain(`evolink resume --sandbox ${id} -o PATH`);
    for (const quiet of [
      ['-o', 'a.mp4'],
      ['-o', 'b.mp4', '--new'],
    ])
      expect((await home.run([...request, ...quiet, '--dry-run'], { env: SLOW })).stderr).not.toContain(
        'is open',
      );
  });

  it('attaches where the first one was moved to this place', async () => {
    const id = (await home.run([...request, '-o', 'a.mp4', '--no-wait'], { env: SLOW })).stdout.trim();
    expect(
      (await home.run(['resume', id, '-o', 'b.mp4', '--timeout', '0', '--sandbox'], { env: SLOW })).code,
    ).toBe(7);
    const again = await home.run([...request, '-o', 'b.mp4'], {
      env: { EVOLINK_INTERNAL_CLOCK_RATE: '200' },
    });
    expect(again).toMatchObject({ code: 0, stdout: `${join(home.work, 'b.mp4')}\n` });
    expect(again.stderr).toContain(`attached: ${id}`);
    const kept = await home.run([...request, '-o', 'b.mp4']);
    expect(kept.code).toBe(0);
    expect(kept.stderr).toContain('is the clip of this very request');
  });

  it('attaches to the one that was moved here, whatever else is open', async () => {
    const first = (await home.run([...request, '-o', 'a.mp4', '--no-wait'], { env: SLOW })).stdout.trim();
    await home.run(['resume', first, '-o', 'b.mp4', '--timeout', '0', '--sandbox'], { env: SLOW });
    await home.run([...request, '-o', 'c.mp4', '--new', '--no-wait'], { env: SLOW });
    const again = await home.run([...request, '-o', 'b.mp4', '--no-wait'], { env: SLOW });
    expect(again.stdout.trim()).toBe(first);
  });

  it('attaches where it is open for this very file under another name of it', async () => {
    const args = ['--no-wait'];
    const first = (
      await home.run([...request, '-o', '{duration}.mp4', ...args], { env: SLOW })
    ).stdout.trim();
    const again = await home.run([...request, '-o', '4.mp4', ...args], { env: SLOW });
    expect(again.stdout.trim()).toBe(first);
  });

  it('a decision about a request makes no record', async () => {
    const id = (await home.run([...request, '-o', 'a.mp4', '--no-wait'], { env: SLOW })).stdout.trim();
    expect((await home.run(['resume', id, '--task', 'task-unified-1-other', '--sandbox'])).code).toBe(2);
    expect(
      (await home.run(['resume', 'task-unified-1-none', '--task', 'task-unified-1-other', '--sandbox'])).code,
    ).toBe(2);
    const dry = ['resume', 'task-unified-1-none', '--task', id, '--dry-run', '--sandbox'];
    expect((await home.run(dry)).code).toBe(2);
    const { tasks } = JSON.parse((await home.run(['status', '--sandbox', '--json'])).stdout);
    expect(tasks).toHaveLength(1);
  });
});

describe('the same command once more', () => {
  const command = ['t2v', 'a paper boat', ...REHEARSAL, '-o', 'boat.mp4'];

  it('finds the clip that it has saved; another request finds a file that is not its own', async () => {
    const first = await home.run(command);
    const again = await home.run([...command, '--json']);
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ state: 'skipped', path: first.stdout.trim() });
    expect((await home.run(['t2v', 'a tin boat', ...REHEARSAL, '-o', 'boat.mp4'])).code).toBe(11);
    writeFileSync(join(home.work, 'boat.mp4'), 'mine');
    expect((await home.run(command)).code).toBe(11);
  });

  it('--skip-existing makes no record, and names none', async () => {
    writeFileSync(join(home.work, 'boat.mp4'), 'mine');
    const { code, stdout } = await home.run([...command, '--skip-existing', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ state: 'skipped', local_id: null, task_id: null });
  });

  it('--skip-existing keeps a stranger file, and the clip that is paid for can still be had', async () => {
    const id = await leave('a paper boat', '-o', 'boat.mp4');
    writeFileSync(join(home.work, 'boat.mp4'), 'mine');
    const skipped = await home.run([...command, '--skip-existing']);
    expect(skipped).toMatchObject({ code: 0, stdout: `${join(home.work, 'boat.mp4')}\n` });
    expect((await home.run(['status', '--sandbox'])).stdout).toMatch(new RegExp(`${id} +completed`));
    const [told = []] = commandsIn(skipped.stderr);
    const saved = await home.run(told);
    expect(saved).toMatchObject({ code: 0, stdout: `${join(home.work, 'boat-2.mp4')}\n` });
    expect(isMp4(readFileSync(saved.stdout.trim()))).toBe(true);
    expect(readFileSync(join(home.work, 'boat.mp4'), 'utf8')).toBe('mine');
  });

  it('an earlier --overwrite replaces what was there then, not the clip of a later request', async () => {
    const path = join(home.work, 'boat.mp4');
    writeFileSync(path, 'an old draft');
    await leave('a paper boat', '-o', 'boat.mp4', '--overwrite');
    const later = ['t2v', 'a tin boat', ...REHEARSAL, '-o', 'boat.mp4', '--overwrite'];
    expect((await home.run(later, { env: INSTANT })).code).toBe(0);
    const tin = readFileSync(path);
    expect(isMp4(tin)).toBe(true);
    const { code } = await home.run(['resume', '--sandbox'], { env: INSTANT });
    expect(readFileSync(path).equals(tin)).toBe(true);
    expect(isMp4(readFileSync(join(home.work, 'boat-2.mp4')))).toBe(true);
    expect(code).toBe(11);
  });

  it('an earlier --overwrite still replaces the file that it was meant for', async () => {
    writeFileSync(join(home.work, 'boat.mp4'), 'an old draft');
    await leave('a paper boat', '-o', 'boat.mp4', '--overwrite');
    const { code, stdout } = await home.run(['resume', '--sandbox'], { env: INSTANT });
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${join(home.work, 'boat.mp4')}\n` });
    expect(isMp4(readFileSync(join(home.work, 'boat.mp4')))).toBe(true);
  });

  it('resume saves what --skip-existing would have left out', async () => {
    const id = await leave('a paper boat', '-o', 'boat.mp4', '--skip-existing');
    copyFileSync(process.execPath, join(home.work, 'boat.mp4'));
    const { code, stderr } = await home.run(['resume', id, '--sandbox']);
    expect(code).toBe(11);
    expect(stderr).toContain('saved as');
    expect(isMp4(readFileSync(join(home.work, 'boat-2.mp4')))).toBe(true);
  });
});

describe('two services', () => {
  let first: Sandbox;
  let second: Sandbox;

  function start(): Promise<Sandbox> {
    return startSandbox({
      clock: createSystemClock(),
      speed: 20_000,
      apiKeys: [KEY],
      videoMaker: async (spec) => tinyMp4(spec),
    });
  }

  const at = ({ apiUrl }: Sandbox) => ({ EVOLINK_API_KEY: KEY, EVOLINK_BASE_URL: apiUrl });
  const paid = ({ ledger }: Sandbox) => ledger.charges().length;
  const asked = ({ ledger }: Sandbox, id: string) =>
    ledger.requests().filter(({ path }) => path.includes(id));

  beforeEach(async () => {
    [first, second] = await Promise.all([start(), start()]);
  });
  afterEach(() => Promise.all([first.close(), second.close()]));

  it('a request to one is not a task of the other, and no id of one is sent to the other', async () => {
    const request = ['t2v', 'a paper boat', ...SIZE, '-o', 'boat.mp4'];
    const id = (await home.run([...request, '--no-wait'], { env: at(first) })).stdout.trim();
    const same = await home.run([...request, '--no-wait'], { env: at(second) });
    expect([same.code, paid(first), paid(second)]).toEqual([0, 1, 1]);
    expect(same.stderr).not.toContain('attached');

    const status = await home.run(['status', '--json'], { env: at(second) });
    const rows: { id: string; note: string | null }[] = JSON.parse(status.stdout).tasks;
    expect(rows.find((row) => row.id === id)?.note).toBe(`at ${first.apiUrl}`);
    const named = await home.run(['download', id], { env: at(second) });
    expect(named.code).toBe(2);
    expect(named.stderr).toContain(`EVOLINK_BASE_URL=${first.apiUrl} evolink download ${id}`);
    const all = await home.run(['resume'], { env: at(second) });
    expect(all.code).toBe(0);
    expect(all.stderr).toContain(`EVOLINK_BASE_URL=${first.apiUrl} evolink resume ${id}`);
    expect(asked(second, id)).toEqual([]);

    const attached = await home.run(request, { env: at(first) });
    expect(attached.stderr).toContain(`attached: ${id}`);
    expect([paid(first), paid(second)]).toEqual([1, 1]);
  });
});
