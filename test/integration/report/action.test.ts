import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { tempFolder } from '../../helpers/temp-folder.ts';

const github = fileURLToPath(new URL('../../../.github', import.meta.url));
const files = readdirSync(github, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.yml'))
  .map((name) => ({ name, document: parse(readFileSync(join(github, name), 'utf8'), { strict: true }) }));

/** Every value under a key of this name, anywhere. */
function valuesOf(node: unknown, key: string): unknown[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) => [
    ...(name === key ? [value] : []),
    ...valuesOf(value, key),
  ]);
}

describe('actions and workflows', () => {
  it('are those we know', () => {
    expect(files.map(({ name }) => name).sort()).toEqual([
      'actions/generate/action.yml',
      'actions/generate/clips.example.yml',
      'workflows/ci.yml',
    ]);
  });

  it.each(files)('$name puts no expression into a script', ({ document }) => {
    const scripts = valuesOf(document, 'run').filter((value) => typeof value === 'string');
    expect(scripts.length).toBeGreaterThan(0);
    for (const script of scripts) expect(script).not.toContain('${{');
  });

  it.each(files)('$name pins every action by a version', ({ document }) => {
    const uses = valuesOf(document, 'uses');
    expect(uses.length).toBeGreaterThan(0);
    for (const action of uses) expect(action).toMatch(/^[\w.-]+\/[\w./-]+@v\d+$/);
  });

  it.each(files.filter(({ name }) => !name.endsWith('action.yml')))(
    '$name has no rights but those it names',
    ({ document }) => {
      expect(document.permissions).toEqual({});
      for (const rights of valuesOf(document.jobs, 'permissions'))
        expect([{}, { contents: 'read' }]).toContainEqual(rights);
    },
  );

  it('takes the key from the environment alone', () => {
    const action = files.find(({ name }) => name.endsWith('action.yml'))?.document;
    expect(Object.keys(action.inputs)).toEqual([
      'files',
      'args',
      'shard',
      'report',
      'version',
      'node-version',
      'working-directory',
      'cache-paths',
      'cache-key',
    ]);
    expect(JSON.stringify(action)).not.toMatch(/secrets\.|inputs\.[\w-]*key(?!-)(?<!cache-key)/i);
  });
});

/** Runs the script of the action with an `npm` that installs a program which prints its arguments. */
async function runScript(inputs: Readonly<Record<string, string>>) {
  const folder = await tempFolder();
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const program = `#!/bin/sh\nfor word in "$@"; do printf '<%s>' "$word"; done\n`;
  writeFileSync(join(folder, 'program'), program);
  const npm = `#!/bin/sh\nmkdir -p "$4/bin"\ncp "${join(folder, 'program')}" "$4/bin/evolink"\nchmod +x "$4/bin/evolink"\n`;
  writeFileSync(join(bin, 'npm'), npm);
  chmodSync(join(bin, 'npm'), 0o755);
  const env = { PATH: `${bin}:${process.env.PATH ?? ''}`, RUNNER_TEMP: folder, ...inputs };
  const run = (): string =>
    execFileSync('bash', [join(github, 'actions/generate/run.sh')], {
      env,
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  return { run, list: () => readdirSync(folder).sort() };
}

describe('run.sh', () => {
  it('hands every line over as one word', async () => {
    const { run } = await runScript({
      INPUT_FILES: 'a.yaml\r\n\n  b c.yaml  \n',
      INPUT_ARGS: '--max-credits=5\n--only=hero *',
      INPUT_SHARD: '2/4',
      INPUT_REPORT: 'r.json\nr.html',
      INPUT_VERSION: '1.2.3',
    });
    expect(run()).toBe(
      '<run><--shard=2/4><--report=r.json><--report=r.html><--max-credits=5><--only=hero *><--><a.yaml><b c.yaml>',
    );
  });

  it('runs nothing that stands in an input', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is meant for the shell
    const evil = '$(touch hit) `touch hit` "; touch hit; \' && touch hit ${IFS} *';
    const { run, list } = await runScript({ INPUT_FILES: evil, INPUT_ARGS: evil, INPUT_REPORT: evil });
    expect(run()).toBe(`<run><--report=${evil}><${evil}><--><${evil}>`);
    expect(list()).not.toContain('hit');
  });

  it.each([
    [{ INPUT_FILES: '' }, 'names no job file'],
    [{ INPUT_FILES: 'a', INPUT_VERSION: '1; touch hit' }, 'must be a version'],
    [{ INPUT_FILES: 'a', INPUT_VERSION: '--registry=http://x' }, 'must be a version'],
    [{ INPUT_FILES: 'a', INPUT_SHARD: '1/2 --yes' }, 'must look like'],
  ])('refuses %j', async (inputs, message) => {
    const { run } = await runScript(inputs);
    expect(run).toThrow(expect.objectContaining({ status: 2, stderr: expect.stringContaining(message) }));
  });
});
