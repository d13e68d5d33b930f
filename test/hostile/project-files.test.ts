import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectSaid, homeForEach } from '../helpers/rig.ts';
import { createCliHome } from '../helpers/spawn-cli.ts';

const KEY = 'sk-test-0123456789abcdef';
/** Only ends what hangs. */
const HANG_MS = 60_000;

const home = homeForEach({ EVOLINK_API_KEY: KEY, EVOLINK_INTERNAL_CLOCK_RATE: '40' });

function writeProject(text: string): string {
  const path = join(home.work, '.evolinkrc');
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

function writeUser(text: string): void {
  const folder = join(home.folder, 'config', 'evolink');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.yaml'), text, { mode: 0o600 });
}

async function dryRun(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await home.run(['t2v', 'a boat', '--dry-run', '--json', ...args], { env });
  return { code, stderr, document: stdout === '' ? undefined : JSON.parse(stdout) };
}

describe('a hostile repository starts no program', () => {
  const commands: readonly (readonly string[])[] = [
    ['config'],
    ['credits'],
    ['doctor'],
    ['status'],
    ['resume'],
    ['t2v', 'a boat', '--dry-run'],
    ['t2v', 'a boat', '-d', '4', '-q', '480p', '--sandbox', '-o', 'clip.mp4'],
    ['run', 'jobs.yaml', '--dry-run'],
    ['upload', 'first.png'],
    ['check', 'first.png'],
    ['download', 'task-unified-1-abc'],
  ];

  it.each(commands.map((args) => [args.join(' '), args] as const))(
    '%s',
    async (_name, args) => {
      const programs = join(home.folder, 'programs');
      const mark = join(home.folder, 'started');
      mkdirSync(programs);
      for (const name of ['git', 'ffmpeg', 'sh', 'node', 'open', 'pass']) {
        const path = join(programs, name);
        writeFileSync(path, `#!/bin/sh\necho ${name} "$@" >> ${mark}\nexit 0\n`);
        chmodSync(path, 0o755);
        writeFileSync(join(home.work, name), readFileSync(path), { mode: 0o755 });
      }
      execFileSync('git', ['init', '-q', home.work]);
      writeProject(`api_key: ${KEY}\nbase_url: http://127.0.0.1:9\nfiles_url: http://127.0.0.1:9\n`);
      chmodSync(join(home.work, '.evolinkrc'), 0o644);
      writeFileSync(join(home.work, 'jobs.yaml'), 'version: 1\njobs:\n  a: {type: t2v, prompt: x}\n');
      writeFileSync(join(home.work, 'first.png'), readFileSync('test/fixtures/media/png.png'));
      const env = { PATH: `${programs}:.:${process.env.PATH}` };
      const bare = createCliHome({ EVOLINK_INTERNAL_CLOCK_RATE: '40' });
      try {
        await bare.run(args, { cwd: home.work, env, asProcess: true });
        expect(existsSync(mark) ? readFileSync(mark, 'utf8') : '').toBe('');
      } finally {
        bare.remove();
      }
    },
    HANG_MS,
  );
});

describe('a project file may only tighten', () => {
  const CHEAP = 'prices: [{ tier: standard, quality: 720p, without_video: 0.01 }]\n';

  it('raises an estimate with its prices, and never lowers one', async () => {
    const list = (await dryRun()).document.estimate.credits;
    writeProject(CHEAP);
    expect((await dryRun()).document.estimate.credits).toBe(list);
    expect((await dryRun(['--max-credits', '1'])).code).toBe(4);
    writeProject('prices: [{ tier: standard, quality: 720p, without_video: 100 }]\n');
    expect((await dryRun()).document.estimate.credits).toBe(500);
  });

  it("lowers no price of the user's own, and gives an unknown model no price", async () => {
    writeUser('prices: [{ tier: standard, quality: 720p, without_video: 20 }]\n');
    writeProject(
      `${CHEAP.trim().slice(0, -1)}, { tier: new-text-to-video, quality: 720p, without_video: 0.01 }]\n`,
    );
    expect((await dryRun()).document.estimate.credits).toBe(100);
    const unknown = await dryRun(['--model', 'new-text-to-video', '-q', '720p', '-d', '5']);
    expect(unknown.document.estimate.credits).toBe(null);
  });

  it.each([
    ['flag over both files', { project: 10, user: 20, flag: '5000' }, 0],
    ['variable over both files', { project: 10, user: 20, env: '5000' }, 0],
    ['smaller in the project', { project: 10, user: 5000 }, 4],
    ['smaller of the user', { project: 5000, user: 10 }, 4],
    ['only in the project', { project: 10 }, 4],
  ] as const)('%s: max_credits', async (_what, limits: Record<string, unknown>, code) => {
    if (limits.project !== undefined) writeProject(`max_credits: ${limits.project}\n`);
    if (limits.user !== undefined) writeUser(`max_credits: ${limits.user}\n`);
    const args = limits.flag === undefined ? [] : ['--max-credits', String(limits.flag)];
    const result = await dryRun(
      args,
      limits.env === undefined ? {} : { EVOLINK_MAX_CREDITS: String(limits.env) },
    );
    expect(result.code).toBe(code);
  });

  it.each([
    ['quality: 4k', 'quality 4k'],
    ['duration: 15', 'duration 15'],
    ['content_filter: false', 'content_filter false'],
    ['web_search: true', 'web_search true'],
    ['callback_url: https://hooks.example.com/x', 'callback_url https://hooks.example.com/x'],
    ['model: dear-text-to-video', 'model dear-text-to-video'],
  ])('names what costs more or calls somebody: %s', async (line, named) => {
    const path = writeProject(`${line}\n`);
    for (const args of [[], ['--quiet']]) {
      expectSaid(
        await home.run(['t2v', 'a boat', '--dry-run', ...args]),
        0,
        new RegExp(`^warning: .*${named} .*${path}:1`, 'm'),
      );
    }
    const shown = await home.run(['t2v', 'a boat', '-o', 'clip.mp4', '--sandbox', '--dry-run']);
    expect(shown.stderr).toContain(`from .evolinkrc: ${named}`);
  });

  it('says nothing of what a flag replaces or what costs no more', async () => {
    writeProject('quality: 4k\nduration: 4\n');
    const { stderr } = await home.run(['t2v', 'a boat', '--dry-run', '-q', '480p']);
    expect(stderr).not.toMatch(/warning/);
  });

  it('is named in the plan line of a single command and in the plan of a run', async () => {
    writeProject('quality: 480p\nduration: 6\ncallback_url: https://hooks.example.com/x\n');
    const single = await home.run(['t2v', 'a boat', '-o', 'clip.mp4', '--sandbox'], {
      env: { EVOLINK_INTERNAL_CLOCK_RATE: '40' },
    });
    expect(single.stderr).toMatch(/^plan: .*from \.evolinkrc: duration 6, callback_url/m);
    writeFileSync(
      join(home.work, 'jobs.yaml'),
      'version: 1\njobs:\n  a: {type: t2v, prompt: x}\n  b: {type: t2v, prompt: y, duration: 4}\n',
    );
    for (const args of [[], ['--quiet']]) {
      expectSaid(
        await home.run(['run', 'jobs.yaml', '--dry-run', ...args]),
        0,
        /^warning: .*duration 6.*\.evolinkrc:2/m,
        /^warning: .*callback_url https:\/\/hooks\.example\.com\/x.*\.evolinkrc:3/m,
      );
    }
    const plan = await home.run(['run', 'jobs.yaml', '--dry-run']);
    expect(plan.stderr).toMatch(/^plan: 2 jobs: 2 new \(from \.evolinkrc: duration 6, callback_url/m);
  });
});

describe('the key of the user', () => {
  let server: Server;
  let origin: string;
  const seen: string[] = [];

  beforeEach(async () => {
    seen.length = 0;
    server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''}`);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    origin = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  it.each([
    ['base_url', ['credits']],
    ['base_url', ['t2v', 'a boat', '-d', '4', '-o', 'clip.mp4']],
    ['files_url', ['upload', 'first.png']],
  ] as const)('never goes to the %s on this machine that a project file names', async (setting, args) => {
    writeProject(`${setting}: ${origin}\n`);
    writeFileSync(join(home.work, 'first.png'), readFileSync('test/fixtures/media/png.png'));
    const result = await home.run(args);
    expect(seen).toEqual([]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(setting === 'base_url' ? 'EVOLINK_BASE_URL' : 'EVOLINK_FILES_URL');
    await home.run(args, {
      env: { [setting === 'base_url' ? 'EVOLINK_BASE_URL' : 'EVOLINK_FILES_URL']: origin },
    });
    expect(seen[0]).toContain(KEY);
  });

  it('stays home from a name below localhost too', async () => {
    writeProject(`base_url: ${origin.replace('127.0.0.1', 'a.localhost')}\n`);
    await home.run(['credits']);
    expect(seen).toEqual([]);
  });
});

describe.runIf(process.getuid?.() === 0)('root', () => {
  it('takes a project file of root, or of the owner of the working folder, and no other', async () => {
    const path = writeProject('duration: 6\n');
    const duration = async () =>
      JSON.parse((await home.run(['config', '--json'])).stdout).settings.duration.value;
    expect(await duration()).toBe(6);
    chownSync(path, 4321, 4321);
    expect(await duration()).toBe(5);
    const quiet = await home.run(['config', '--quiet']);
    expect(quiet.stderr).toContain('belongs to another user (uid 4321)');
    chownSync(home.work, 4321, 4321);
    expect(await duration()).toBe(6);
  });
});

describe('warnings about trust', () => {
  it('are shown with --quiet too', async () => {
    writeProject('base_url: https://elsewhere.example\noutput: ../clips/\n');
    const { stderr } = await home.run(['t2v', 'a boat', '--dry-run', '--quiet']);
    expect(stderr).toMatch(/^warning: base_url from .* is ignored/m);
    expect(stderr).toMatch(/^warning: output from .* is ignored/m);
  });

  it('leave other warnings out', async () => {
    const { stderr } = await home.run(['t2v', 'a boat', '--dry-run', '--quiet'], {
      env: { EVOLINK_MAX_CREDIT: '5' },
    });
    expect(stderr).toBe('');
  });
});

describe('an output that no shell has filled in', () => {
  const outputs = [
    '~/clips/',
    '~bob/a.mp4',
    '~',
    '$HOME/a.mp4',
    '$' + '{HOME}/a.mp4',
    'C:\\clips\\a.mp4',
    'c:/a.mp4',
    'a\nb.mp4',
    'a\x1b[31m.mp4',
  ];

  it.each(outputs)('%j is refused before paying, as flag, setting and in a job file', async (output) => {
    const args = ['-d', '4', '-q', '480p', '--sandbox'];
    const flag = await home.run(['t2v', 'a boat', ...args, '-o', output]);
    expect([flag.code, flag.stdout]).toEqual([2, '']);
    expect(flag.stderr).toMatch(/~|HOME|variable|drive|control/);
    expect(flag.stderr).not.toContain('\x1b');
    expect((await home.run(['t2v', 'a boat', ...args], { env: { EVOLINK_OUTPUT: output } })).code).toBe(2);
    writeFileSync(
      join(home.work, 'jobs.json'),
      JSON.stringify({ version: 1, jobs: { a: { type: 't2v', prompt: 'x', duration: 4, output } } }),
    );
    expect((await home.run(['run', 'jobs.json', '--yes', '--sandbox'])).code).toBe(2);
  });
});
