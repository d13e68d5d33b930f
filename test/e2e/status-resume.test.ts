import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { binPath, type CliHome, createCliHome } from '../helpers/spawn-cli.ts';

const KEY = 'sk-test-0123456789abcdef';
const SMALL = ['-d', '4', '-q', '480p', '--sandbox'];
/** A task that takes about half a minute of real time, so that there is time to stop the waiting for it. */
const SLOW = { EVOLINK_INTERNAL_CLOCK_RATE: '1', EVOLINK_SANDBOX_FAULTS: 'task:slow@20' };
/** A task that is finished when the next process asks for it: each process starts at the time of the wall. */
const INSTANT = { EVOLINK_INTERNAL_CLOCK_RATE: '1', EVOLINK_SANDBOX_FAULTS: 'task:instant' };
const HASTE = { EVOLINK_INTERNAL_CLOCK_RATE: '200', EVOLINK_TIMEOUT: '7d' };

let home: CliHome;

beforeEach(() => {
  home = createCliHome({ EVOLINK_INTERNAL_CLOCK_RATE: '20' });
});
afterEach(() => home.remove());

function isMp4(path: string): boolean {
  return readFileSync(path).subarray(4, 8).toString('latin1') === 'ftyp';
}

async function submit(prompt: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { stdout, code } = await home.run(['t2v', prompt, ...SMALL, '--no-wait'], { env });
  expect(code).toBe(0);
  return stdout.trim();
}

describe('status', () => {
  it('says on stderr that nothing is open, and leaves stdout empty', async () => {
    expect(await home.run(['status', '--sandbox'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'nothing is unfinished or unsaved\n',
    });
  });

  it('lists what is open until it is saved', async () => {
    const id = await submit('a paper boat', INSTANT);
    const table = await home.run(['status', '--sandbox']);
    expect(table.stdout).toContain(id);
    expect(table.stdout).toContain('a paper boat');
    const listed = await home.run(['status', '--sandbox', '--json']);
    expect(JSON.parse(listed.stdout).tasks).toMatchObject([{ id, prompt: 'a paper boat' }]);
    await home.run(['download', id, '--sandbox']);
    const after = await home.run(['status', '--sandbox', '--json']);
    expect(JSON.parse(after.stdout).tasks).toEqual([]);
    const named = await home.run(['status', id, '--sandbox', '--json']);
    expect(JSON.parse(named.stdout).tasks).toMatchObject([{ id, state: 'saved' }]);
  });

  it('--watch ends when everything has ended', async () => {
    const id = await submit('a paper boat');
    const { code, stdout } = await home.run(['status', '--watch', '--sandbox'], { env: HASTE });
    expect(code).toBe(0);
    expect(stdout.trim().split('\n').at(-1)).toMatch(new RegExp(`${id} +completed`));
  });

  it('knows tasks by a short form of the id, and refuses one that nobody knows', async () => {
    const id = await submit('a paper boat');
    const short = await home.run(['status', id.slice(-8), '--sandbox', '--json']);
    expect(JSON.parse(short.stdout).tasks).toMatchObject([{ prompt: 'a paper boat' }]);
    const unknown = await home.run(['status', 'task-unified-1-nobody', '--sandbox']);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('task-unified-1-nobody');
  });

  it('--prune removes ended records only', async () => {
    // A record of a fast clock would lie in the future of the next process.
    await home.run(['t2v', 'a saved boat', ...SMALL], { env: { EVOLINK_INTERNAL_CLOCK_RATE: '1' } });
    const open = await submit('an open boat');
    const { stderr } = await home.run(['status', '--prune', '0s', '--sandbox']);
    expect(stderr).toBe('removed 1 record of an ended task\n');
    const { stdout } = await home.run(['status', '--sandbox', '--json']);
    expect(JSON.parse(stdout).tasks).toMatchObject([{ id: open }]);
  });
});

describe('download', () => {
  it('--all saves what is finished, and takes what still runs as no failure', async () => {
    await submit('a finished boat', INSTANT);
    await submit('a running boat', SLOW);
    const { code, stdout, stderr } = await home.run(['download', '--all', '--sandbox']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\S+a-finished-boat-\S+\.mp4\n$/);
    expect(isMp4(stdout.trim())).toBe(true);
    expect(stderr).toContain('1 saved, 1 still running');
  });

  it('saves several into a folder, one path a line', async () => {
    const ids = [await submit('the first boat', INSTANT), await submit('the second boat', INSTANT)];
    const { code, stdout } = await home.run(['download', ...ids, '-o', 'clips/', '--sandbox']);
    expect(code).toBe(0);
    const paths = stdout.trim().split('\n');
    expect(paths).toHaveLength(2);
    expect(paths.every(isMp4)).toBe(true);
  });

  it('saves one under the name that is asked for', async () => {
    const id = await submit('a paper boat', INSTANT);
    const { code, stdout } = await home.run(['download', id, '-o', 'mine.mp4', '--sandbox']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${join(home.work, 'mine.mp4')}\n` });
  });

  it('does not wait for one that still runs', async () => {
    const id = await submit('a running boat', SLOW);
    const { code, stderr } = await home.run(['download', id, '--sandbox'], { env: SLOW });
    expect(code).toBe(7);
    expect(stderr).toContain(`continue with: evolink resume ${id} --sandbox`);
  });
});

describe('resume', () => {
  it('has nothing to do', async () => {
    expect(await home.run(['resume', '--sandbox'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'nothing is unfinished\n',
    });
  });

  it('saves everything that is open; --dry-run only says so', async () => {
    await submit('the first boat');
    await submit('the second boat');
    const plan = await home.run(['resume', '--dry-run', '--sandbox']);
    expect(plan.stdout.match(/accepted: wait and save/g)).toHaveLength(2);
    const { code, stdout, stderr } = await home.run(['resume', '--sandbox']);
    expect(code).toBe(0);
    expect(stdout.trim().split('\n').every(isMp4)).toBe(true);
    expect(stderr).toContain('2 saved');
  });

  it('settles a lost answer by looking, and buys nothing', async () => {
    const faults = { EVOLINK_SANDBOX_FAULTS: 'submit:reset(after); list:404' };
    const lost = await home.run(['t2v', 'a lost boat', ...SMALL, '--json'], { env: faults });
    expect(lost.code).toBe(8);
    expect(JSON.parse(lost.stdout).error).toMatchObject({
      code: 'unknown',
      charged: 'unknown',
      retryable: false,
    });
    const { code, stdout } = await home.run(['resume', '--sandbox']);
    expect(code).toBe(0);
    expect(isMp4(stdout.trim())).toBe(true);
    const credits = await home.run(['credits', '--sandbox', '--json']);
    expect(JSON.parse(credits.stdout).user.used).toBe(25.11);
  });

  it('picks up a run that was killed', async () => {
    const run = home.start(['t2v', 'a paper boat', ...SMALL], { env: SLOW });
    await run.sees('accepted:');
    run.child.kill('SIGKILL');
    expect((await run.done).signal).toBe('SIGKILL');
    const { code, stdout } = await home.run(['resume', '--sandbox'], { env: HASTE });
    expect(code).toBe(0);
    expect(isMp4(stdout.trim())).toBe(true);
  });
});

describe('signals while waiting', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s ends by itself; the command it names continues',
    async (signal) => {
      const run = home.start(['t2v', 'a paper boat', ...SMALL], { env: SLOW });
      await run.sees('accepted:');
      run.child.kill(signal);
      const { code, signal: by, stdout, stderr } = await run.done;
      expect({ code, by, stdout }).toEqual({ code: null, by: signal, stdout: '' });
      expect(stderr).toContain('generation and billing go on');
      const [, command = ''] = /continue with: evolink (.+)/.exec(stderr) ?? [];
      const again = await home.run(command.split(' '), { env: HASTE });
      expect(again.code).toBe(0);
      expect(isMp4(again.stdout.trim())).toBe(true);
    },
  );

  it('says the same as JSON', async () => {
    const run = home.start(['t2v', 'a paper boat', ...SMALL, '--json'], { env: SLOW });
    // With --json nothing shows when the task is accepted, but for its record.
    const open = join(home.state, 'sandbox', 'tasks', 'open');
    const isAccepted = (): boolean =>
      existsSync(open) &&
      readdirSync(open).some(
        (name) => name.endsWith('.json') && readFileSync(join(open, name), 'utf8').includes('"accepted"'),
      );
    await expect.poll(isAccepted).toBe(true);
    run.child.kill('SIGTERM');
    const { signal, stdout } = await run.done;
    expect(signal).toBe('SIGTERM');
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      error: { code: 'signal', exit: 143, charged: 'yes', retryable: true },
    });
  });

  it('ends the sandbox', async () => {
    const run = home.start(['sandbox'], { env: { EVOLINK_INTERNAL_CLOCK_RATE: '1' } });
    await run.sees('the sandbox is running');
    run.child.kill('SIGINT');
    const { signal, stdout } = await run.done;
    expect(signal).toBe('SIGINT');
    expect(stdout).toMatch(/^export EVOLINK_BASE_URL=http:\/\/127\.0\.0\.1:\d+\n/);
  });
});

/** A line of bash, with \`evolink\` as a function. */
function bash(script: string) {
  const { status, stdout, stderr } = spawnSync(
    'bash',
    ['--norc', '-c', `evolink() { "${process.execPath}" "${binPath}" "$@"; }\n${script}`],
    {
      cwd: home.work,
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: home.folder, LANG: 'C.UTF-8', EVOLINK_INTERNAL_CLOCK_RATE: '20' },
    },
  );
  return { status, stdout, stderr };
}

describe('streams that are gone', () => {
  it('`| head -1` gets its line, and nothing is said of pipes', () => {
    const { stdout, stderr } = bash(
      `set -o pipefail; evolink help environment | head -1; echo "\${PIPESTATUS[0]}"`,
    );
    expect(stdout).toBe('ENVIRONMENT VARIABLES\n0\n');
    expect(stderr).toBe('');
  });

  it('a reader that has gone does not keep the clip from being saved', () => {
    const { stdout } = bash(
      `evolink t2v "a paper boat" ${SMALL.join(' ')} -o boat.mp4 2>/dev/null | true; echo "\${PIPESTATUS[0]}"`,
    );
    expect(stdout).toBe('0\n');
    expect(isMp4(join(home.work, 'boat.mp4'))).toBe(true);
  });

  it('closed stderr leaves the path on stdout', () => {
    const { status, stdout } = bash(`evolink t2v "a paper boat" ${SMALL.join(' ')} -o boat.mp4 2>&-`);
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${join(home.work, 'boat.mp4')}\n` });
  });

  it('closed stdout does not keep the clip from being saved', () => {
    const { status } = bash(`evolink t2v "a paper boat" ${SMALL.join(' ')} -o boat.mp4 >&-`);
    expect(status).toBe(0);
    expect(isMp4(join(home.work, 'boat.mp4'))).toBe(true);
  });

  it('errors are said without stdout, and exits are kept', () => {
    expect(bash('evolink t2v "a frog" -d 99 >&-')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--duration "99"'),
    });
    expect(bash('evolink t2v "a frog" -d 99 2>&-').status).toBe(2);
  });
});

describe('the key', () => {
  it('is shown nowhere, also when the service sends it back', async () => {
    const server = createServer((request, response) => {
      const echo = `${request.headers.authorization} ${Buffer.from(KEY).toString('base64')}`;
      response.writeHead(401, { 'content-type': 'application/json', 'x-request-id': KEY });
      response.end(
        JSON.stringify({ error: { code: 'unauthorized', message: `bad key ${echo}`, type: KEY } }),
      );
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
        const { code, stdout, stderr } = await home.run(args, { env });
        expect(code, args.join(' ')).toBe(args[0] === 'config' || args.includes('--dry-run') ? 0 : 3);
        expect(stdout + stderr, args.join(' ')).not.toMatch(/0123456789abcdef|MDEyMzQ1Njc4OWFiY2RlZ/);
      }
      const { stdout: files } = spawnSync('grep', ['-rl', KEY, home.folder], { encoding: 'utf8' });
      expect(files).toBe('');
    } finally {
      server.close();
    }
  });
});

describe('two machines', () => {
  it('a clip can be saved by its bare id from another machine', async () => {
    const run = home.start(['sandbox', '--speed', '600'], { env: { EVOLINK_INTERNAL_CLOCK_RATE: '1' } });
    const other = createCliHome();
    try {
      let exports = '';
      run.child.stdout?.on('data', (chunk: Buffer) => {
        exports += chunk.toString();
      });
      await run.sees('the sandbox is running');
      await expect.poll(() => exports).toContain('EVOLINK_API_KEY=');
      const env = Object.fromEntries(
        [...exports.matchAll(/^export (\w+)=(.+)$/gm)].map(([, name = '', value = '']) => [name, value]),
      );
      const { stdout } = await home.run(['t2v', 'a paper boat', '-d', '4', '-q', '480p', '--no-wait'], {
        env,
      });
      rmSync(home.state, { recursive: true, force: true });
      const saved = await other.run(['resume', stdout.trim(), '-o', 'boat.mp4'], { env });
      expect(saved.code).toBe(0);
      expect(isMp4(join(other.work, 'boat.mp4'))).toBe(true);
    } finally {
      run.child.kill('SIGINT');
      await run.done;
      other.remove();
    }
  });
});
