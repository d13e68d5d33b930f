import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { errorOf, expectSaid, isMp4, jsonOf, rigForEach } from '../helpers/rig.ts';
import { serve } from '../helpers/serve.ts';
import { createCliHome } from '../helpers/spawn-cli.ts';

const KEY = 'sk-test-0123456789abcdef';
const SMALL = '-d 4 -q 480p';
const SLOW = 'task:slow@1000';

const rig = rigForEach();

const run = (line: string) => rig.run(line);
const said = async (line: string) => (await run(line)).stderr;
const tasksOf = async (id = '') => jsonOf(await run(`status --json ${id}`)).tasks;

/** Makes a task that has ended, unless a fault says otherwise; returns its id. */
async function submit(prompt: string, fault = 'task:instant'): Promise<string> {
  rig.sandbox.addFaults(fault);
  const { stdout, code } = await run(`t2v "${prompt}" ${SMALL} --no-wait`);
  expect(code).toBe(0);
  rig.sandbox.advanceClock(1_000);
  return stdout.trim();
}

/** So many paths were printed, a line each, of clips that are there. */
function expectClips(stdout: string, count = 1): readonly string[] {
  const paths = stdout.trim().split('\n');
  expect([paths.length, paths.every(isMp4)]).toEqual([count, true]);
  return paths;
}

it.each([
  ['status', 'nothing is unfinished or unsaved\n'],
  ['resume', 'nothing is unfinished\n'],
])('%s says on stderr that there is nothing to do, and leaves stdout empty', async (line, stderr) => {
  expect(await run(line)).toMatchObject({ code: 0, stdout: '', stderr });
});

describe('status', () => {
  it('lists what is open until it is saved, also by a short form of the id', async () => {
    const id = await submit('a paper boat');
    expect((await run('status')).stdout).toMatch(new RegExp(`${id}.*a paper boat`));
    expect(await tasksOf()).toMatchObject([{ id, prompt: 'a paper boat' }]);
    expect(await tasksOf(id.slice(-8))).toMatchObject([{ prompt: 'a paper boat' }]);
    await run(`download ${id}`);
    expect(await tasksOf()).toEqual([]);
    expect(await tasksOf(id)).toMatchObject([{ id, state: 'saved' }]);
    expectSaid(await run('status task-unified-1-nobody'), 2, 'task-unified-1-nobody');
  });

  it('names the command that saves what is ready, and what of the sandbox can be continued', async () => {
    expect(await said('status')).not.toContain('hint:');
    await submit('a paper boat');
    expect(await said('status')).toBe('hint: finished clips can be saved: evolink download --all\n');
    await run('download --all');
    await run(`t2v "a tin boat" ${SMALL} --sandbox --no-wait`);
    const hint = 'hint: a task of the sandbox can be continued: evolink resume --sandbox\n';
    for (const command of ['status', 'resume']) expect(await said(command)).toContain(hint);
    for (const command of ['status --sandbox', 'resume --sandbox --timeout 0'])
      expect(await said(command)).not.toContain('of the sandbox');
  });

  it('--watch ends when everything has ended', async () => {
    const id = await submit('a paper boat', '');
    const { code, stdout } = await run('status --watch');
    expect([code, stdout]).toEqual([0, expect.stringMatching(new RegExp(`${id} +completed.*\n$`))]);
  });

  it('--prune removes ended records only', async () => {
    await run(`t2v "a saved boat" ${SMALL}`);
    const open = await submit('an open boat');
    expect(await said('status --prune 0s')).toBe('removed 1 record of an ended task\n');
    expect(await tasksOf()).toMatchObject([{ id: open }]);
  });
});

describe('download', () => {
  it('--all saves what is finished, and takes what still runs as no failure', async () => {
    await submit('a finished boat');
    await submit('a running boat', SLOW);
    const result = await run('download --all');
    expectSaid(result, 0, '1 saved, 1 still running');
    expect(result.stdout).toMatch(/^\S+a-finished-boat-\S+\.mp4\n$/);
    expectClips(result.stdout);
  });

  it('saves several into a folder, one path a line', async () => {
    const ids = [await submit('the first boat'), await submit('the second boat')];
    const { code, stdout } = await run(`download ${ids.join(' ')} -o clips/`);
    const areThere = expectClips(stdout, 2).every((path) => path.includes('/clips/'));
    expect([code, areThere]).toEqual([0, true]);
  });

  it('saves one under the name that is asked for; does not wait for one that still runs', async () => {
    const id = await submit('a paper boat');
    const saved = await run(`download ${id} -o mine.mp4`);
    expect(saved).toMatchObject({ code: 0, stdout: `${rig.at('mine.mp4')}\n` });
    const running = await submit('a running boat', SLOW);
    expectSaid(await run(`download ${running}`), 7, `continue with: evolink resume ${running}`);
  });
});

describe('resume', () => {
  it('saves everything that is open; --dry-run only says so', async () => {
    await submit('the first boat', '');
    await submit('the second boat', '');
    expect((await run('resume --dry-run')).stdout.match(/pending: wait and save/g)).toHaveLength(2);
    const result = await run('resume');
    expectSaid(result, 0, '2 saved');
    expectClips(result.stdout, 2);
    expect(rig.posts()).toBe(2);
  });

  it('settles a lost answer by looking, and submits nothing', async () => {
    rig.sandbox.addFaults('submit:reset(after); list:404');
    const lost = await run(`t2v "a lost boat" ${SMALL} --json`);
    expect(lost.code).toBe(8);
    expect(errorOf(lost)).toMatchObject({ code: 'unknown', charged: 'unknown', retryable: false });
    const { code, stdout } = await run('resume');
    expect([code, rig.posts(), rig.charged()]).toEqual([0, 1, 1]);
    expectClips(stdout);
  });

  it.each(['resume', 'download'])('%s says why a refused request ended, and its cost', async (verb) => {
    rig.sandbox.addFaults('submit:402');
    expect((await run(`t2v "a refused boat" ${SMALL}`)).code).toBe(4);
    const result = await run(`${verb} ${rig.records()[0]?.localId} --json`);
    expect([result.code, rig.posts()]).toEqual([4, 1]);
    expect(errorOf(result)).toMatchObject({ code: 'credits', charged: 'no', retryable: false });
  });

  it('saves a clip by its bare id from another machine', async () => {
    const id = await submit('a paper boat');
    const other = createCliHome({ ...rig.env, EVOLINK_API_KEY: KEY });
    expect((await other.run(`resume ${id} -o boat.mp4`)).code).toBe(0);
    expect(isMp4(other.at('boat.mp4'))).toBe(true);
    other.remove();
  });
});

it('Ctrl-C ends the sandbox', async () => {
  const running = rig.start('sandbox', { env: { EVOLINK_INTERNAL_CLOCK_RATE: '1' } });
  await running.sees('the sandbox is running');
  running.child.kill('SIGINT');
  const { signal, stdout } = await running.done;
  expect(signal).toBe('SIGINT');
  expect(stdout).toMatch(/^export EVOLINK_BASE_URL=http:\/\/127\.0\.0\.1:\d+\n/);
});

it('the key is shown nowhere, also when the service sends it back', async () => {
  const origin = await serve((request, response) => {
    const echo = `${request.headers.authorization} ${Buffer.from(KEY).toString('base64')}`;
    response.writeHead(401, { 'content-type': 'application/json', 'x-request-id': KEY });
    response.end(JSON.stringify({ error: { code: 'unauthorized', message: `bad key ${echo}`, type: KEY } }));
  });
  const env = { EVOLINK_API_KEY: KEY, EVOLINK_BASE_URL: origin };
  const refused = ['', '--debug', '--json', '--events --verbose'].map((flags) => `t2v "a frog" ${flags}`);
  const reads = ['credits', 'doctor', 'status task-unified-1-abc'].map((line) => `${line} --debug`);
  const good = [`t2v "a frog with ${KEY}" --dry-run`, 'config --debug'];
  for (const line of [...refused, ...reads, ...good]) {
    const { code, stdout, stderr } = await rig.run(line, { env });
    expect(code, line).toBe(good.includes(line) ? 0 : 3);
    expect(stdout + stderr, line).not.toMatch(/0123456789abcdef|MDEyMzQ1Njc4OWFiY2RlZ/);
  }
  expect(spawnSync('grep', ['-rl', KEY, rig.folder], { encoding: 'utf8' }).stdout).toBe('');
});
