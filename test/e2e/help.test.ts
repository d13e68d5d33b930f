import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { fixture } from '../helpers/media-fixtures.ts';
import { homeForEach } from '../helpers/rig.ts';

const root = join(import.meta.dirname, '../..');
const tracer = join(root, 'test/helpers/trace-modules.mjs');
const built = <T>(name: string): Record<string, T> =>
  JSON.parse(readFileSync(join(root, 'dist', name), 'utf8'));

const home = homeForEach();
/** Runs a script with Node itself; what it says on stderr. */
const node = (args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}) =>
  spawnSync(process.execPath, args, { cwd, env: { PATH: process.env.PATH, ...env }, encoding: 'utf8' });

/** The files that a run compiles, their size, and the packages in them: the bundle names what its chunks were made of. */
async function loadedBy(line: string) {
  const trace = join(home.folder, 'modules.txt');
  const options = { nodeArgs: ['--import', tracer], env: { TRACE_MODULES: trace } };
  expect((await home.run(line, options)).code).toBe(0);
  const files = readFileSync(trace, 'utf8')
    .trim()
    .split('\n')
    .map((url) => fileURLToPath(url));
  const packages = built<string[]>('packages.json');
  const names = files.flatMap((file) => packages[relative(join(root, 'dist'), file)] ?? []);
  return {
    files: files.length,
    kib: files.reduce((sum, file) => sum + statSync(file).size, 0) / 1024,
    packages: [...new Set(names)].sort(),
  };
}

describe('version and help', () => {
  it.each(['--version', '-V'])('%s prints the version of the package', async (flag) => {
    expect(await home.run([flag])).toMatchObject({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
  });

  it.each([
    ...['--help', '-h', 'help', 't2v --help', 'help ref', 'config init --help'].map((line) => [
      line,
      'Usage: ',
    ]),
    ['help exit-codes', 'up to the service'],
    ['help environment', 'EVOLINK_API_KEY_FILE'],
    ['help job-files', 'image_urls'],
    ['help output', '--skip-existing'],
    // The words of a table, not how its columns are aligned.
    ['help output', 'reads a task'],
    ['help faults', 'submit:429*2(retry-after=1)'],
  ])('%s prints help on stdout, and writes nothing to the state folder', async (line = '', text = '') => {
    const { stdout, ...result } = await home.run(line);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(stdout).toMatch(text === 'Usage: ' ? /^Usage: evolink/ : text);
    expect(stdout).not.toContain('--:');
    expect(existsSync(home.state)).toBe(false);
  });

  it.each(['', 'report'])('"evolink %s" prints help on stderr and ends with 2', async (line) => {
    const stderr = expect.stringMatching(new RegExp(`^Usage: evolink ${line}`));
    expect(await home.run(line)).toMatchObject({ code: 2, stdout: '', stderr });
  });

  it('every command has examples', async () => {
    const { stdout } = await home.run(['--help']);
    const names = [...stdout.matchAll(/^ {2}([a-z0-9]+)(?: |$)/gm)].map(([, name = '']) => name);
    const commands = names.filter((name) => name !== 'help' && name !== 'evolink');
    expect(commands.length).toBeGreaterThan(9);
    for (const name of commands) {
      const help = await home.run([name, '--help']);
      expect(help.stdout, name).toContain('Examples:\n  ');
    }
  });
});

it('a checkout that was not built says so in one line', () => {
  mkdirSync(home.at('bin'));
  copyFileSync(join(root, 'bin/evolink.js'), home.at('bin/evolink.js'));
  const place = join(realpathSync(home.work), 'dist/main.js');
  const says = `error: evolink is not built: ${place} is missing\nhint: npm run build\n`;
  for (const line of ['t2v frog', '--help']) {
    const { status, stderr } = node(['bin/evolink.js', ...line.split(' ')], home.work);
    expect([status, stderr]).toEqual([11, says]);
  }
});

describe('what a command loads', () => {
  it.each(['--version', '--help', 't2v --help', 'completion bash'])('%s: one small file', async (line) => {
    const { files, kib, packages } = await loadedBy(line);
    expect({ files, packages }).toEqual({ files: 1, packages: [] });
    expect(kib).toBeLessThan(5);
  });

  it('that file answers what the whole program answers', async () => {
    const texts = built<string>('texts.json');
    expect(Object.keys(texts).length).toBeGreaterThan(20);
    for (const line of ['--help', 'ref --help', 'help --help', 'completion powershell']) {
      const { stdout } = await home.run([...line.split(' '), '--no-color']);
      expect(texts[line], line).toBe(stdout);
    }
  });

  it.each([
    { line: 'status', files: 6, kib: 108, never: ['zod'] },
    { line: 'status --json', files: 6, kib: 108, never: ['zod'] },
    { line: 't2v frog --dry-run', files: 8, kib: 244, never: ['got', 'yaml', 'ora', 'chalk', 'ipaddr.js'] },
    { line: 'run jobs.yaml --dry-run', files: 14, kib: 590, never: ['got', 'picomatch', 'ora', 'p-queue'] },
    { line: 'credits --sandbox', files: 15, kib: 530, never: ['yaml', 'mediabunny', 'h264-mp4-encoder'] },
  ])('$line: at most $files files of $kib KiB, without $never', async ({ line, ...most }) => {
    home.write('jobs.yaml', 'version: 1\njobs: { boat: { type: t2v, prompt: A boat } }\n');
    const { files, kib, packages } = await loadedBy(line);
    expect(files).toBeLessThanOrEqual(most.files);
    expect(kib).toBeLessThanOrEqual(most.kib);
    expect(packages.filter((name) => most.never.includes(name))).toEqual([]);
  });

  it.each([
    ['t2v "a paper boat" --dry-run', false],
    ['ref "like image 1" -i https://example.com/a.png --dry-run', false],
    // Another process reads it.
    ['ref "like image 1" -i png.png --dry-run', false],
    ['t2v "a paper boat" -d 4 -q 480p --sandbox --quiet', true],
  ])('%s: with the media libraries %o', async (line, isLoaded) => {
    copyFileSync(fixture('png.png'), home.at('png.png'));
    const { packages } = await loadedBy(line);
    const libraries = packages.filter((name) => ['mediabunny', 'file-type'].includes(name));
    expect(libraries.length > 0).toBe(isLoaded);
  });

  const LINES = ['status', 't2v frog --dry-run', 'run jobs.yaml --dry-run', 'credits --sandbox'];
  it.each(LINES)('%s runs compiled code that the package brings (used where Node keeps none)', (line) => {
    home.write('jobs.yaml', 'version: 1\njobs: { boat: { type: t2v, prompt: A } }\n');
    const load = `const { load, scripts } = require(${JSON.stringify(join(root, 'bin/load.js'))});
process.on('exit', () => console.error(JSON.stringify(scripts.map(({ script }) => script.cachedDataRejected))));
load(${JSON.stringify(join(root, 'dist/main.js'))});`;
    const env = { HOME: home.folder, EVOLINK_API_KEY: 'sandbox-key-0001' };
    const { stderr } = node(['-e', load, 'evolink', ...line.split(' ')], home.work, env);
    const rejected: boolean[] = JSON.parse(stderr.trim().split('\n').at(-1) ?? '');
    expect(rejected.length).toBeGreaterThan(3);
    expect(new Set(rejected)).toEqual(new Set([false]));
  });

  it('each chunk loads first as well as last: none needs another that still waits for it', () => {
    const chunks = readdirSync(join(root, 'dist/chunks')).filter((name) => name.endsWith('.js'));
    const load = `const { readdirSync } = require('node:fs');
for (const name of readdirSync('.').filter((each) => each.endsWith('.js'))) {
  for (const path of Object.keys(require.cache)) delete require.cache[path];
  const all = require('./' + name);
  for (const key of Object.keys(all)) all[key];
}`;
    const { stderr } = node(['--trace-warnings', '-e', load], join(root, 'dist/chunks'));
    expect(chunks.length).toBeGreaterThan(20);
    expect(stderr).toBe('');
  });
});
