import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rigForEach } from '../helpers/rig.ts';
import { binPath, createCliHome } from '../helpers/spawn-cli.ts';

const KEY = 'sk-test-0123456789abcdef';
const SMALL = ['-d', '4', '-q', '480p'];

const rig = rigForEach();

const run = (...args: string[]) => rig.run(args);
const tasksOf = async (...args: string[]) =>
  JSON.parse((await run('status', '--json', ...args)).stdout).tasks;

function isMp4(path: string): boolean {
  return readFileSync(path).subarray(4, 8).toString('latin1') === 'ftyp';
}

/** Makes a task that has ended, unless a fault says otherwise; returns its id. */
async function submit(prompt: string, fault = 'task:instant'): Promise<string> {
  rig.sandbox.addFaults(fault);
  const { stdout, code } = await run('t2v', prompt, ...SMALL, '--no-wait');
  expect(code).toBe(0);
  rig.sandbox.advanceClock(1_000);
  return stdout.trim();
}
const SLOW = 'task:slow@1000';

describe('status', () => {
  it('says on stderr that nothing is open, and leaves stdout empty', async () => {
    expect(await run('status')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'nothing is unfinished or unsaved\n',
    });
  });

  it('lists what is open until it is saved', async () => {
    const id = await submit('a paper boat');
    const { stdout } = await run('status');
    expect(stdout).toContain(id);
    expect(stdout).toContain('a paper boat');
    expect(await tasksOf()).toMatchObject([{ id, prompt: 'a paper boat' }]);
    await run('download', id);
    expect(await tasksOf()).toEqual([]);
    expect(await tasksOf(id)).toMatchObject([{ id, state: 'saved' }]);
  });

  it('names the command that saves what is ready, and what of the sandbox can be continued', async () => {
    expect((await run('status')).stderr).not.toContain('hint:');
    await submit('a paper boat');
    expect((await run('status')).stderr).toBe('hint: finished clips can be saved: evolink download --all\n');
    await run('download', '--all');
    await run('t2v', 'a tin boat', ...SMALL, '--sandbox', '--no-wait');
    const hint = 'hint: a task of the sandbox can be continued: evolink resume --sandbox\n';
    for (const command of ['status', 'resume']) expect((await run(command)).stderr).toContain(hint);
    for (const command of ['status', 'resume'])
      expect((await run(command, '--sandbox')).stderr).not.toContain('of the sandbox');
  });

  it('--watch ends when everything has ended', async () => {
    const id = await submit('a paper boat', '');
    const { code, stdout } = await run('status', '--watch');
    expect(code).toBe(0);
    expect(stdout.trim().split('\n').at(-1)).toMatch(new RegExp(`${id} +completed`));
  });

  it('knows tasks by a short form of the id, and refuses one that nobody knows', async () => {
    const id = await submit('a paper boat');
    expect(await tasksOf(id.slice(-8))).toMatchObject([{ prompt: 'a paper boat' }]);
    expect(await run('status', 'task-unified-1-nobody')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('task-unified-1-nobody'),
    });
  });

  it('--prune removes ended records only', async () => {
    await run('t2v', 'a saved boat', ...SMALL);
    const open = await submit('an open boat');
    expect((await run('status', '--prune', '0s')).stderr).toBe('removed 1 record of an ended task\n');
    expect(await tasksOf()).toMatchObject([{ id: open }]);
  });
});

describe('download', () => {
  it('--all saves what is finished, and takes what still runs as no failure', async () => {
    await submit('a finished boat');
    await submit('a running boat', SLOW);
    const { code, stdout, stderr } = await run('download', '--all');
    expect([code, stderr]).toEqual([0, expect.stringContaining('1 saved, 1 still running')]);
    expect(stdout).toMatch(/^\S+a-finished-boat-\S+\.mp4\n$/);
    expect(isMp4(stdout.trim())).toBe(true);
  });

  it('saves several into a folder, one path a line', async () => {
    const ids = [await submit('the first boat'), await submit('the second boat')];
    const { code, stdout } = await run('download', ...ids, '-o', 'clips/');
    expect(code).toBe(0);
    const paths = stdout.trim().split('\n');
    expect(paths).toHaveLength(2);
    expect(paths.every((path) => path.includes('/clips/') && isMp4(path))).toBe(true);
  });

  it('saves one under the name that is asked for; does not wait for one that still runs', async () => {
    const id = await submit('a paper boat');
    expect(await run('download', id, '-o', 'mine.mp4')).toMatchObject({
      code: 0,
      stdout: `${rig.clipPath('mine.mp4')}\n`,
    });
    const running = await submit('a running boat', SLOW);
    const { code, stderr } = await run('download', running);
    expect([code, stderr]).toEqual([7, expect.stringContaining(`continue with: evolink resume ${running}`)]);
  });
});

describe('resume', () => {
  it('has nothing to do', async () => {
    expect(await run('resume')).toMatchObject({ code: 0, stdout: '', stderr: 'nothing is unfinished\n' });
  });

  it('saves everything that is open; --dry-run only says so', async () => {
    await submit('the first boat', '');
    await submit('the second boat', '');
    const plan = await run('resume', '--dry-run');
    expect(plan.stdout.match(/pending: wait and save/g)).toHaveLength(2);
    const { code, stdout, stderr } = await run('resume');
    expect([code, stderr]).toEqual([0, expect.stringContaining('2 saved')]);
    expect(stdout.trim().split('\n').every(isMp4)).toBe(true);
    expect(rig.posts()).toBe(2);
  });

  it('settles a lost answer by looking, and submits nothing', async () => {
    rig.sandbox.addFaults('submit:reset(after); list:404');
    const lost = await run('t2v', 'a lost boat', ...SMALL, '--json');
    expect(lost.code).toBe(8);
    expect(JSON.parse(lost.stdout).error).toMatchObject({
      code: 'unknown',
      charged: 'unknown',
      retryable: false,
    });
    const { code, stdout } = await run('resume');
    expect([code, rig.posts(), rig.charged()]).toEqual([0, 1, 1]);
    expect(isMp4(stdout.trim())).toBe(true);
  });

  it.each(['resume', 'download'])(
    '%s says of a refused request why it has ended, and what it cost',
    async (verb) => {
      rig.sandbox.addFaults('submit:402');
      expect((await run('t2v', 'a refused boat', ...SMALL)).code).toBe(4);
      const [record] = rig.records();
      const { code, stdout } = await run(verb, record?.localId ?? '', '--json');
      expect([code, rig.posts()]).toEqual([4, 1]);
      expect(JSON.parse(stdout).error).toMatchObject({ code: 'credits', charged: 'no', retryable: false });
    },
  );

  it('picks up a command that was killed', async () => {
    rig.sandbox.addFaults(SLOW);
    const running = rig.start(['t2v', 'a paper boat', ...SMALL]);
    await running.sees('accepted:');
    running.child.kill('SIGKILL');
    expect((await running.done).signal).toBe('SIGKILL');
    rig.passTime(10 * 3_600_000);
    const { code, stdout } = await run('resume');
    expect([code, rig.posts()]).toEqual([0, 1]);
    expect(isMp4(stdout.trim())).toBe(true);
  });
});

describe('signals while waiting', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s ends by itself; the command it names continues',
    async (signal) => {
      rig.sandbox.addFaults(SLOW);
      const running = rig.start(['t2v', 'a paper boat', ...SMALL]);
      await running.sees('accepted:');
      running.child.kill(signal);
      const { code, signal: by, stdout, stderr } = await running.done;
      expect({ code, by, stdout }).toEqual({ code: null, by: signal, stdout: '' });
      expect(stderr).toContain('keeps running and will be billed');
      const [, command = ''] = /continue with: evolink (.+)/.exec(stderr) ?? [];
      rig.passTime(10 * 3_600_000);
      const again = await run(...command.split(' '));
      expect([again.code, rig.posts()]).toEqual([0, 1]);
      expect(isMp4(again.stdout.trim())).toBe(true);
    },
  );

  it('ends the sandbox', async () => {
    const running = rig.start(['sandbox'], { env: { EVOLINK_INTERNAL_CLOCK_RATE: '1' } });
    await running.sees('the sandbox is running');
    running.child.kill('SIGINT');
    const { signal, stdout } = await running.done;
    expect(signal).toBe('SIGINT');
    expect(stdout).toMatch(/^export EVOLINK_BASE_URL=http:\/\/127\.0\.0\.1:\d+\n/);
  });
});

/** A line of bash with `evolink` as a function, in the embedded sandbox. */
function bash(script: string) {
  const { status, stdout, stderr } = spawnSync(
    'bash',
    ['--norc', '-c', `evolink() { "${process.execPath}" "${binPath}" "$@"; }\n${script}`],
    {
      cwd: rig.work,
      encoding: 'utf8',
      env: {
        PATH: process.env.PATH,
        HOME: rig.folder,
        LANG: 'C.UTF-8',
        EVOLINK_INTERNAL_CLOCK_RATE: '20',
      },
    },
  );
  return { status, stdout, stderr };
}

describe('streams that are gone', () => {
  const make = `evolink t2v "a paper boat" ${SMALL.join(' ')} --sandbox -o boat.mp4`;

  it('`| head -1` gets its line, and nothing is said of pipes', () => {
    const { stdout, stderr } = bash(
      `set -o pipefail; evolink help environment | head -1; echo "\${PIPESTATUS[0]}"`,
    );
    expect([stdout, stderr]).toEqual(['ENVIRONMENT VARIABLES\n0\n', '']);
  });

  it.each([
    ['a reader that has gone does not keep the clip from being saved', `${make} 2>/dev/null | true`, ''],
    ['closed stderr leaves the path on stdout', `${make} 2>&-`, 'boat.mp4\n'],
    ['closed stdout does not keep the clip from being saved', `${make} >&-`, ''],
  ])('%s', (_what, script, said) => {
    const { stdout } = bash(`${script}; echo "\${PIPESTATUS[0]}"`);
    expect(stdout).toBe(said === '' ? '0\n' : `${join(rig.work, said)}0\n`);
    expect(isMp4(rig.clipPath('boat.mp4'))).toBe(true);
  });

  it('errors are said without stdout, and exits are kept', () => {
    expect(bash('evolink t2v "a frog" -d 99 >&-')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--duration "99"'),
    });
    expect(bash('evolink t2v "a frog" -d 99 2>&-').status).toBe(2);
  });
});

it('the key is shown nowhere, also when the service sends it back', async () => {
  const server = createServer((request, response) => {
    const echo = `${request.headers.authorization} ${Buffer.from(KEY).toString('base64')}`;
    response.writeHead(401, { 'content-type': 'application/json', 'x-request-id': KEY });
    response.end(JSON.stringify({ error: { code: 'unauthorized', message: `bad key ${echo}`, type: KEY } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const env = {
    EVOLINK_API_KEY: KEY,
    EVOLINK_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  };
  try {
    for (const args of [
      ['t2v', 'a frog'],
      ['t2v', 'a frog', '--debug'],
      ['t2v', 'a frog', '--json'],
      ['t2v', 'a frog', '--events', '--verbose'],
      ['t2v', `a frog with ${KEY}`, '--dry-run'],
      ['credits', '--debug'],
      ['doctor', '--debug'],
      ['status', 'task-unified-1-abc', '--debug'],
      ['config', '--debug'],
    ]) {
      const { code, stdout, stderr } = await rig.run(args, { env });
      expect(code, args.join(' ')).toBe(args[0] === 'config' || args.includes('--dry-run') ? 0 : 3);
      expect(stdout + stderr, args.join(' ')).not.toMatch(/0123456789abcdef|MDEyMzQ1Njc4OWFiY2RlZ/);
    }
    const { stdout: files } = spawnSync('grep', ['-rl', KEY, rig.folder], { encoding: 'utf8' });
    expect(files).toBe('');
  } finally {
    server.close();
  }
});

it('a clip can be saved by its bare id from another machine', async () => {
  const id = await submit('a paper boat');
  const other = createCliHome({
    EVOLINK_BASE_URL: rig.sandbox.apiUrl,
    EVOLINK_API_KEY: KEY,
    EVOLINK_INTERNAL_CLOCK_RATE: '40',
  });
  expect((await other.run(['resume', id, '-o', 'boat.mp4'])).code).toBe(0);
  expect(isMp4(join(other.work, 'boat.mp4'))).toBe(true);
  other.remove();
});
