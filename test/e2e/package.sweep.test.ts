import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { fixture } from '../helpers/media-fixtures.ts';
import { isMp4, jobFile } from '../helpers/rig.ts';
import { type CliHome, createCliHome } from '../helpers/spawn-cli.ts';

const MIB = 1024 ** 2;
const root = join(import.meta.dirname, '../..');
const jsonIn = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8'));
/** The oldest that is promised, and the newest of the two lines that are used most. */
const NODES = ['20.19.0', '22', '24'];

let home: CliHome;
let tarball: string;

const npm = (...args: string[]) =>
  execFileSync('npm', ['--no-audit', '--no-fund', '--loglevel=error', ...args], {
    cwd: home.folder,
    encoding: 'utf8',
  });
const installed = () => join(home.folder, 'global/lib/node_modules');
const bin = (name: string) => join(home.folder, 'global/bin', name);

beforeAll(() => {
  home = createCliHome({ EVOLINK_INTERNAL_CLOCK_RATE: '20' });
  // The bundle is there: tests beside this one run it, so it is not built again.
  const name = npm('pack', '--ignore-scripts', '--silent', '--pack-destination', home.folder, root);
  tarball = join(home.folder, name.trim().split('\n').at(-1) ?? '');
  npm('install', '--global', '--prefix', join(home.folder, 'global'), '--offline', tarball);
});
afterAll(() => home.remove());

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

describe('the packed tarball', () => {
  it('is small, and installs as one package without the network', () => {
    expect(statSync(tarball).size).toBeLessThanOrEqual(3.5 * MIB);
    expect(readdirSync(installed())).toEqual(['evolink-cli']);
    const folder = join(installed(), 'evolink-cli');
    expect(readdirSync(folder)).not.toContain('node_modules');
    expect(sizeOf(folder)).toBeLessThanOrEqual(8 * MIB);
  });

  it('names every package that is bundled, with its version and licence', () => {
    const licences = readFileSync(join(installed(), 'evolink-cli/dist/THIRD-PARTY-LICENSES'), 'utf8');
    const chunks: Record<string, string[]> = jsonIn('dist/packages.json');
    const locked = Object.entries<{ version: string }>(jsonIn('package-lock.json').packages);
    const names = [...new Set(Object.values(chunks).flat())];
    expect(names.length).toBeGreaterThan(20);
    const isNamed = (name: string) =>
      locked
        .filter(([path]) => path.endsWith(`node_modules/${name}`))
        .some(([, { version }]) => licences.includes(`Name: ${name}\nVersion: ${version}\nLicense: `));
    expect(names.filter((name) => !isNamed(name))).toEqual([]);
  });
});

describe.each(NODES)('the installed program on Node.js %s', (version) => {
  let node: string;
  beforeAll(() => {
    const folder = join(home.folder, `node-${version}`);
    npm('install', '--prefix', folder, `node@${version}`);
    node = join(folder, 'node_modules/node/bin/node');
    expect(execFileSync(node, ['--version'], { encoding: 'utf8' })).toContain(`v${version}`);
  });
  /** Puts this Node and the installed script in the place of those of the tests. */
  const asInstalled = (name = 'evolink') => {
    const script = 'node=$0; script=$1; shift 3; exec "$node" "$script" "$@"';
    return { wrapper: ['bash', '--norc', '-c', script, node, bin(name)] };
  };
  const run = (line: string) => home.run(line, asInstalled());

  it('says its version under both names', async () => {
    const says = { code: 0, stdout: `${packageJson.version}\n`, stderr: '' };
    for (const name of ['evolink', 'evolink-video'])
      expect(await home.run('--version', asInstalled(name))).toMatchObject(says);
  });

  it('makes a clip, runs a job file with local media, and completes', async () => {
    const inFolder = (name: string) => `on-${version}/${name}`;
    home.write(inFolder('first.png'), readFileSync(fixture('png.png')));
    const clip = await run(`t2v "a green glass frog" -d 4 -q 480p --sandbox -o ${inFolder('clip.mp4')}`);
    expect([clip.code, clip.stdout]).toEqual([0, `${home.at(inFolder('clip.mp4'))}\n`]);
    const image = 'image: { type: i2v, prompt: zoom in, first: first.png }';
    home.write(inFolder('jobs.yaml'), jobFile(`text: { prompt: a boat }\n  ${image}`, '{job}.mp4'));
    expect((await run(`run ${inFolder('jobs.yaml')} --sandbox`)).code).toBe(0);
    for (const name of ['clip', 'text', 'image']) expect(isMp4(home.at(inFolder(`${name}.mp4`)))).toBe(true);
    expect((await run('__complete bash " " "evolink t2"')).stdout).toContain('t2v');
  });

  it('is a sandbox for others', async () => {
    const sandbox = home.start('sandbox --json', asInstalled());
    await sandbox.sees(/"api_url":"http/);
    sandbox.child.kill('SIGINT');
    const { signal, stdout } = await sandbox.done;
    expect(signal).toBe('SIGINT');
    expect(JSON.parse(stdout)).toMatchObject({ ok: true });
  });
});
