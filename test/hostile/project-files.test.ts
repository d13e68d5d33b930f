import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { expectSaid, homeForEach, jsonOf } from '../helpers/rig.ts';
import { serve } from '../helpers/serve.ts';

const KEY = 'sk-test-0123456789abcdef';

const home = homeForEach({ EVOLINK_API_KEY: KEY, EVOLINK_INTERNAL_CLOCK_RATE: '40' });

type Env = Readonly<Record<string, string>>;
const run = (line: string, env: Env = {}) => home.run(line, { env });
function writeProject(text: string): string {
  home.write('.evolinkrc', text);
  chmodSync(home.at('.evolinkrc'), 0o600);
  return home.at('.evolinkrc');
}
const writeJobs = (more = {}) =>
  home.write('jobs.json', {
    version: 1,
    jobs: { a: { type: 't2v', prompt: 'x' }, b: { type: 't2v', prompt: 'y', duration: 4 }, ...more },
  });
const creditsOf = async (flags = '') =>
  jsonOf(await run(`t2v "a boat" --dry-run --json ${flags}`)).estimate.credits;

describe('a hostile repository starts no program', () => {
  it.each([
    ...['config', 'credits', 'doctor', 'status', 'resume', 't2v "a boat" --dry-run', 'upload first.png'],
    ...['run jobs.json --dry-run', 'check first.png', 'download task-unified-1-abc'],
    't2v "a boat" -d 4 -q 480p --sandbox -o clip.mp4',
  ])('%s', async (line) => {
    const programs = join(home.folder, 'programs');
    const mark = join(home.folder, 'started');
    mkdirSync(programs);
    for (const name of ['git', 'ffmpeg', 'sh', 'node', 'open', 'pass']) {
      home.write(name, `#!/bin/sh\necho ${name} "$@" >> ${mark}\nexit 0\n`);
      chmodSync(home.at(name), 0o755);
      copyFileSync(home.at(name), join(programs, name));
    }
    execFileSync('git', ['init', '-q', home.work]);
    const nobody = 'http://127.0.0.1:9';
    chmodSync(writeProject(`api_key: ${KEY}\nbase_url: ${nobody}\nfiles_url: ${nobody}\n`), 0o644);
    writeJobs();
    copyFileSync(fixture('png.png'), home.at('first.png'));
    const PATH = `${programs}:.:${process.env.PATH}`;
    // No key but that of the project.
    const wrapper = ['env', '-u', 'EVOLINK_API_KEY'];
    await home.run(line, { env: { PATH }, wrapper });
    expect(existsSync(mark) ? readFileSync(mark, 'utf8') : '').toBe('');
  });
});

describe('a project file may only tighten', () => {
  const CHEAP = '{ tier: standard, quality: 720p, without_video: 0.01 }';

  it('raises an estimate with its prices, and never lowers one', async () => {
    const list = await creditsOf();
    writeProject(`prices: [${CHEAP}]\n`);
    expect(await creditsOf()).toBe(list);
    expect((await run('t2v "a boat" --dry-run --max-credits 1')).code).toBe(4);
    writeProject('prices: [{ tier: standard, quality: 720p, without_video: 100 }]\n');
    expect(await creditsOf()).toBe(500);
  });

  it("lowers no price of the user's own, and gives an unknown model no price", async () => {
    home.writeConfig('prices: [{ tier: standard, quality: 720p, without_video: 20 }]\n');
    writeProject(`prices: [${CHEAP}, { tier: new-text-to-video, quality: 720p, without_video: 0.01 }]\n`);
    expect(await creditsOf()).toBe(100);
    expect(await creditsOf('--model new-text-to-video -q 720p -d 5')).toBe(null);
  });

  const MUCH: Env = { EVOLINK_MAX_CREDITS: '5000' };
  it.each<[string, project: number, user: number, code: number, flag?: string, env?: Env]>([
    ['flag over both files', 10, 20, 0, '--max-credits 5000'],
    ['variable over both files', 10, 20, 0, '', MUCH],
    ['smaller in the project', 10, 5000, 4],
    ['smaller of the user', 5000, 10, 4],
    ['only in the project', 10, 0, 4],
  ])('%s: max_credits', async (_what, project, user, code, flag = '', env = {}) => {
    writeProject(`max_credits: ${project}\n`);
    if (user > 0) home.writeConfig(`max_credits: ${user}\n`);
    expect((await run(`t2v "a boat" --dry-run ${flag}`, env)).code).toBe(code);
  });

  it.each([
    ...['quality: 4k', 'duration: 15', 'content_filter: false', 'web_search: true'],
    ...['callback_url: https://hooks.example.com/x', 'model: dear-text-to-video'],
  ])('names what costs more or calls somebody: %s', async (line) => {
    const named = line.replace(':', '');
    const path = writeProject(`${line}\n`);
    const warning = new RegExp(`^warning: .*${named} .*${path}:1`, 'm');
    for (const flag of ['', '--quiet']) expectSaid(await run(`t2v "a boat" --dry-run ${flag}`), 0, warning);
    const shown = await run('t2v "a boat" -o clip.mp4 --sandbox --dry-run');
    expect(shown.stderr).toContain(`from .evolinkrc: ${named}`);
  });

  it('says nothing of what a flag replaces or what costs no more', async () => {
    writeProject('quality: 4k\nduration: 4\n');
    expect((await run('t2v "a boat" --dry-run -q 480p')).stderr).not.toMatch(/warning/);
  });

  it('is named in the plan line of a single command and in the plan of a run', async () => {
    writeProject('quality: 480p\nduration: 6\ncallback_url: https://hooks.example.com/x\n');
    const single = await run('t2v "a boat" -o clip.mp4 --sandbox --no-wait');
    expect(single.stderr).toMatch(/^plan: .*from \.evolinkrc: duration 6, callback_url/m);
    writeJobs();
    const duration = /^warning: .*duration 6.*\.evolinkrc:2/m;
    const callback = /^warning: .*callback_url https:\/\/hooks\.example\.com\/x.*\.evolinkrc:3/m;
    for (const flag of ['', '--quiet'])
      expectSaid(await run(`run jobs.json --dry-run ${flag}`), 0, duration, callback);
    const plan = await run('run jobs.json --dry-run');
    expect(plan.stderr).toMatch(/^plan: 2 jobs: 2 new \(from \.evolinkrc: duration 6, callback_url/m);
  });
});

describe('the key of the user', () => {
  let origin: string;
  let keys: (string | undefined)[];

  beforeEach(async () => {
    keys = [];
    origin = await serve((request, response) => {
      keys.push(request.headers.authorization);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });

  it.each([
    ['base_url', 'credits'],
    ['base_url', 't2v "a boat" -d 4 -o clip.mp4'],
    ['files_url', 'upload first.png'],
  ])('never goes to the %s on this machine that a project file names: %s', async (setting, line) => {
    writeProject(`${setting}: ${origin}\n`);
    copyFileSync(fixture('png.png'), home.at('first.png'));
    const variable = `EVOLINK_${setting.toUpperCase()}`;
    expectSaid(await run(line), 2, variable);
    expect(keys).toEqual([]);
    await run(line, { [variable]: origin });
    expect(keys[0]).toContain(KEY);
  });

  it('stays home from a name below localhost too', async () => {
    writeProject(`base_url: ${origin.replace('127.0.0.1', 'a.localhost')}\n`);
    await run('credits');
    expect(keys).toEqual([]);
  });
});

const isRoot = process.getuid?.() === 0;
it.runIf(isRoot)('root takes a project file of root or the owner of the folder, no other', async () => {
  const path = writeProject('duration: 6\n');
  const duration = async () => jsonOf(await run('config --json')).settings.duration.value;
  expect(await duration()).toBe(6);
  chownSync(path, 4321, 4321);
  expect(await duration()).toBe(5);
  expect((await run('config --quiet')).stderr).toContain('belongs to another user (uid 4321)');
  chownSync(home.work, 4321, 4321);
  expect(await duration()).toBe(6);
});

it('warnings about trust are shown with --quiet too, others are not', async () => {
  const quiet = async (env: Env = {}) => (await run('t2v "a boat" --dry-run --quiet', env)).stderr;
  expect(await quiet({ EVOLINK_MAX_CREDIT: '5' })).toBe('');
  writeProject('base_url: https://elsewhere.example\noutput: ../clips/\n');
  expect(await quiet()).toMatch(/^warning: base_url from .* is ignored/m);
  expect(await quiet()).toMatch(/^warning: output from .* is ignored/m);
});

it.each([
  ...['~/clips/', '~bob/a.mp4', '~', '$HOME/a.mp4', '$' + '{HOME}/a.mp4', 'C:\\clips\\a.mp4', 'c:/a.mp4'],
  ...['a\nb.mp4', 'a\x1b[31m.mp4'],
])('an output that no shell has filled in is refused unpaid, wherever it stands: %j', async (output) => {
  const line = ['t2v', 'a boat', '-d', '4', '-q', '480p', '--sandbox'];
  const flag = await home.run([...line, '-o', output]);
  expectSaid(flag, 2, /~|HOME|variable|drive|control/);
  expect([flag.stdout, flag.stderr.includes('\x1b')]).toEqual(['', false]);
  expect((await home.run(line, { env: { EVOLINK_OUTPUT: output } })).code).toBe(2);
  home.write('jobs.json', { version: 1, jobs: { a: { type: 't2v', prompt: 'x', duration: 4, output } } });
  expect((await run('run jobs.json --yes --sandbox')).code).toBe(2);
});
