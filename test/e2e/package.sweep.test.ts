import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliHome, createCliHome } from '../helpers/spawn-cli.ts';

const MIB = 1024 ** 2;
const root = fileURLToPath(new URL('../..', import.meta.url));
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
    const chunks: Record<string, string[]> = JSON.parse(
      readFileSync(join(root, 'dist/packages.json'), 'utf8'),
    );
    const { packages }: { packages: Record<string, { version: string }> } = JSON.parse(
      readFileSync(join(root, 'package-lock.json'), 'utf8'),
    );
    const versionsOf = (name: string) =>
      Object.entries(packages).flatMap(([path, { version }]) =>
        path.endsWith(`node_modules/${name}`) ? [version] : [],
      );
    const names = [...new Set(Object.values(chunks).flat())];
    expect(names.length).toBeGreaterThan(20);
    const isNamed = (name: string) =>
      versionsOf(name).some((version) => licences.includes(`Name: ${name}\nVersion: ${version}\nLicense: `));
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
  const wrapperOf = (name: string) => [
    'bash',
    '--norc',
    '-c',
    'node=$0; script=$1; shift 3; exec "$node" "$script" "$@"',
    node,
    bin(name),
  ];
  const run = (name: string, ...args: string[]) => home.run(args, { wrapper: wrapperOf(name) });
  const isMp4 = (name: string) => readFileSync(home.at(name)).subarray(4, 8).toString('latin1') === 'ftyp';

  it('says its version under both names', async () => {
    const { version: own } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const name of ['evolink', 'evolink-video'])
      expect(await run(name, '--version')).toMatchObject({ code: 0, stdout: `${own}\n`, stderr: '' });
  });

  it('makes a clip, runs a job file with local media, and completes', async () => {
    const folder = `on-${version}`;
    mkdirSync(home.at(folder));
    writeFileSync(
      join(home.work, folder, 'first.png'),
      readFileSync(join(root, 'test/fixtures/media/png.png')),
    );
    const size = ['-d', '4', '-q', '480p', '--sandbox'];
    const clip = await run('evolink', 't2v', 'a green glass frog', ...size, '-o', `${folder}/clip.mp4`);
    expect([clip.code, clip.stdout]).toEqual([0, `${join(home.work, folder, 'clip.mp4')}\n`]);
    expect(isMp4(`${folder}/clip.mp4`)).toBe(true);
    writeFileSync(
      join(home.work, folder, 'jobs.yaml'),
      'version: 1\ndefaults: { duration: 4, quality: 480p, output: "{job}.mp4" }\njobs:\n  text: { type: t2v, prompt: a boat }\n  image: { type: i2v, prompt: zoom in, first: first.png }\n',
    );
    expect((await run('evolink', 'run', `${folder}/jobs.yaml`, '--sandbox')).code).toBe(0);
    for (const name of ['text', 'image']) expect(isMp4(`${folder}/${name}.mp4`)).toBe(true);
    expect((await run('evolink', '__complete', 'bash', ' ', 'evolink t2')).stdout).toContain('t2v');
  });

  it('is a sandbox for others', async () => {
    const sandbox = home.start(['sandbox', '--json'], { wrapper: wrapperOf('evolink') });
    await sandbox.sees(/"api_url":"http/);
    sandbox.child.kill('SIGINT');
    const { signal, stdout } = await sandbox.done;
    expect(signal).toBe('SIGINT');
    expect(JSON.parse(stdout)).toMatchObject({ ok: true });
  });
});
