import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CliHome, createCliHome } from '../helpers/spawn-cli.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tracer = fileURLToPath(new URL('../helpers/trace-modules.mjs', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

let home: CliHome;

beforeEach(() => {
  home = createCliHome();
});
afterEach(() => home.remove());

/** The packages that a run loads: on their own, or as a part of our bundle, which names the files it was made of. */
async function packagesOf(args: readonly string[]): Promise<readonly string[]> {
  const trace = join(home.folder, 'modules.txt');
  const { code } = await home.run(args, {
    nodeArgs: ['--import', tracer],
    env: { TRACE_MODULES: trace },
  });
  expect(code).toBe(0);
  const urls = readFileSync(trace, 'utf8').split('\n');
  const packages: Record<string, string[]> = JSON.parse(
    readFileSync(join(root, 'dist/packages.json'), 'utf8'),
  );
  const bundled = urls.flatMap((url) => packages[url.replace(/^file:.*\/dist\//, '')] ?? []);
  const own = urls.flatMap((url) => /\/node_modules\/((?:@[^/\s]+\/)?[^/\s]+)\//.exec(url)?.[1] ?? []);
  const names = [...bundled, ...own];
  return [...new Set(names)].sort();
}

describe('version and help', () => {
  it.each(['--version', '-V'])('%s prints the version of the package', async (flag) => {
    expect(await home.run([flag])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it.each([['--help'], ['-h'], ['help'], ['t2v', '--help'], ['help', 'ref'], ['config', 'init', '--help']])(
    '%s %s prints help on stdout',
    async (...args) => {
      const { code, stdout, stderr } = await home.run(args.filter((word) => word !== undefined));
      expect(code).toBe(0);
      expect(stdout).toMatch(/^Usage: evolink/);
      expect(stderr).toBe('');
    },
  );

  it('no arguments print help on stderr and end with 2', async () => {
    const { code, stdout, stderr } = await home.run([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^Usage: evolink/);
  });

  it('a command that needs a subcommand does the same', async () => {
    const { code, stdout, stderr } = await home.run(['report']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^Usage: evolink report/);
  });

  it.each([
    ['exit-codes', 'the submission may or may not have been taken'],
    ['environment', 'EVOLINK_API_KEY_FILE'],
    ['job-files', 'image_urls'],
    ['output', '--skip-existing'],
    ['faults', 'submit:429*2(retry-after=1)'],
  ])('help %s is a topic', async (topic, text) => {
    const { code, stdout } = await home.run(['help', topic]);
    expect(code).toBe(0);
    expect(stdout).toContain(text);
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

  it('writes nothing to the state or config folder', async () => {
    await home.run(['--help']);
    expect(() => readFileSync(home.state)).toThrow(/ENOENT/);
  });
});

describe('what help loads', () => {
  it.each([
    { args: ['--help'] },
    { args: ['t2v', '--help'] },
    { args: ['help', 'exit-codes'] },
    { args: ['completion', 'bash'] },
  ])('$args load commander and nothing else', async ({ args }) => {
    expect(await packagesOf(args)).toEqual(['commander']);
  });

  it('--version loads nothing', async () => {
    expect(await packagesOf(['--version'])).toEqual([]);
  });

  it('the probe sees what a dry run loads', async () => {
    const packages = await packagesOf(['t2v', 'a frog', '--dry-run']);
    expect(packages).toContain('zod');
    expect(packages).not.toContain('got');
  });
});
