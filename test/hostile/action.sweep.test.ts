import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { jobFile, rigForAll } from '../helpers/rig.ts';
import { cloneProject, createStubRunner, projectRoot, type StubRunner } from '../helpers/stub-runner.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

const KEY = 'sk-test-1234567890';
const JOBS = jobFile([...'abcdef'].map((name) => `${name}: { prompt: "a boat, ${name}" }`).join('\n  '));

const github = join(projectRoot, '.github');
const parsed = (name: string, text = readFileSync(join(github, name), 'utf8')) => ({
  name,
  document: parse(text, { strict: true }),
});
const names = readdirSync(github, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.yml'),
);
const readme = readFileSync(join(projectRoot, 'README.md'), 'utf8');
const [, printed] = /^```yaml \.github\/workflows\/clips\.yml\n([\s\S]*?)^```$/m.exec(readme) ?? [];
const workflows = [...names.map((name) => parsed(name)), parsed('README.md', printed ?? '')];
const example = workflows.find(({ name }) => name.endsWith('clips.example.yml'))?.document;

/** Every value under a key of this name, anywhere. */
function valuesOf(node: unknown, key: string): unknown[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) => [
    ...(name === key ? [value] : []),
    ...valuesOf(value, key),
  ]);
}

describe('actions and workflows, as text', () => {
  it.each(workflows)('$name: no expression in a script, pins by commit, few rights, state apart', (each) => {
    const scripts = valuesOf(each.document, 'run').filter((value) => typeof value === 'string');
    const uses = valuesOf(each.document, 'uses');
    expect(Math.min(scripts.length, uses.length)).toBeGreaterThan(0);
    for (const script of scripts) expect(script).not.toMatch(/\$\{\{|npx|npm (?:install|i|exec) .*evolink/);
    for (const action of uses)
      expect(action).toMatch(/^actions\/[\w./-]+@[0-9a-f]{40}$|^OWNER\/REPOSITORY\/\S+@COMMIT$/);
    const rights = [each.document.permissions, ...valuesOf(each.document.jobs, 'permissions')];
    const isAction = each.name.endsWith('action.yml');
    for (const right of isAction ? [] : rights) expect([{}, { contents: 'read' }]).toContainEqual(right);
    for (const folder of valuesOf(each.document, 'EVOLINK_STATE_DIR'))
      expect(folder).toMatch(/^\$\{\{ runner\.temp \}\}\/evolink-state$/);
  });
});

describe('on a runner', () => {
  const rig = rigForAll();
  let folder: string;
  let tool: string;

  beforeAll(() => {
    folder = join(rig.folder, '한글 & co');
    tool = join(folder, 'tool');
    cloneProject(tool);
  });

  function machine(name: string, checkout: (workspace: string) => void = () => undefined): StubRunner {
    const { EVOLINK_BASE_URL, EVOLINK_FILES_URL, EVOLINK_INTERNAL_CLOCK_RATE } = rig.env;
    const env = { EVOLINK_BASE_URL, EVOLINK_FILES_URL, EVOLINK_INTERNAL_CLOCK_RATE };
    const actionPath = join(tool, '.github/actions/generate');
    const artifacts = join(folder, 'artifacts');
    return createStubRunner({ folder: join(folder, name), artifacts, env, checkout, actionPath });
  }

  /** Runs steps, all of which, and so many, must be good. */
  async function expectGood(runner: StubRunner, steps: readonly object[], contexts: object, count: number) {
    const isGood = await runner.runSteps(steps, { ...contexts });
    const codes = runner.results.map(({ code, output }) => (code === 0 ? 0 : output));
    expect(codes).toEqual(Array(count).fill(0));
    expect(isGood).toBe(true);
  }

  it('the workflow of the README runs as it is printed, from a clean clone', async () => {
    const { document } = workflows.at(-1) ?? {};
    const runner = machine('readme', (workspace) => {
      cpSync(tool, join(workspace, 'tools/evolink-cli'), { recursive: true });
      writeFileSync(join(workspace, 'clips.yaml'), JOBS);
    });
    const before = rig.charged();
    await expectGood(runner, document.jobs.clips.steps, { 'secrets.EVOLINK_API_KEY': KEY }, 2);
    const clips = readdirSync(join(runner.workspace, 'out')).filter((name) => name.endsWith('.mp4'));
    expect([clips.length, rig.charged() - before]).toEqual([6, 6]);
    expect(existsSync(join(runner.temp, 'evolink-state/tasks'))).toBe(true);
    const files = ['clips.yaml', 'junit.xml', 'out', 'report.html', 'tools'];
    expect(readdirSync(runner.workspace).sort()).toEqual(files);
  });

  it('the example workflow makes every clip once in four shards, with the action of its own checkout, and one gallery', async () => {
    const before = rig.charged();
    for (const shard of ['1', '2', '3', '4']) {
      const runner = machine(`shard ${shard}`, (workspace) => {
        mkdirSync(join(workspace, 'clips'));
        writeFileSync(join(workspace, 'clips/products.yaml'), JOBS);
      });
      const place = { 'github.ref_name': 'main', 'github.action_repository': '' };
      const matrix = { 'matrix.shard': shard, 'strategy.job-total': '4' };
      const contexts = { 'secrets.EVOLINK_API_KEY': KEY, ...matrix, ...place };
      await expectGood(runner, example.jobs.generate.steps, contexts, 2);
      expect(runner.contexts['steps.run.outputs.failed']).toBe('0');
    }
    expect(rig.charged() - before).toBe(6);
    const runner = machine('gallery');
    await expectGood(runner, example.jobs.gallery.steps, {}, 3);
    const gallery = readFileSync(join(runner.workspace, 'gallery.html'), 'utf8');
    expect(gallery.match(/<article /g)).toHaveLength(6);
    expect(readFileSync(join(folder, 'gallery/summary'), 'utf8')).toContain('| jobs | saved |');
    // The checkout of the action stays as it was.
    expect(['node_modules', 'dist'].filter((name) => existsSync(join(tool, name)))).toEqual([]);
  });

  it.each([
    [{ path: 'x', version: '1.2.3' }, 'exclude each other'],
    [{ path: 'nowhere' }, 'must name a checkout of the tool'],
    [{ version: '1; touch hit' }, 'must look like 1.2.3'],
    [{ version: '--upload-pack=hit' }, 'must look like 1.2.3'],
    [{ version: '1.2.3' }, 'name a "path" instead'],
  ])('refuses %j before anything is installed', async (inputs, message) => {
    const runner = machine(`refused ${JSON.stringify(inputs).replace(/\W/g, '')}`);
    const step = { uses: 'o/r/.github/actions/generate@c', with: inputs };
    expect(await runner.runSteps([step], {})).toBe(false);
    expect(runner.results).toMatchObject([{ code: 2, output: expect.stringContaining(message) }]);
  });

  it('takes another version from the tag of its own repository', async () => {
    const repository = join(folder, 'server/owner/tool');
    cpSync(tool, repository, { recursive: true });
    const author = ['-c', 'user.name=t', '-c', 'user.email=t@example.com'];
    for (const line of ['init --quiet', 'add --all', 'commit --quiet --message x', 'tag v1.2.3'])
      execFileSync('git', [...author, ...line.split(' ')], { cwd: repository });
    const env = { GITHUB_SERVER_URL: `file://${folder}/server` };
    const step = { uses: 'o/r/.github/actions/generate@c', with: { version: '1.2.3' }, env };
    const again = { run: 'evolink --version', env: { GITHUB_SERVER_URL: '' } };
    const contexts = { 'github.action_repository': 'owner/tool' };
    await expectGood(machine('version'), [step, again], contexts, 2);
  });
});

/** Runs the script that hands the inputs over, with a program that prints its arguments. */
async function runScript(inputs: Readonly<Record<string, string>>) {
  const folder = await tempFolder();
  mkdirSync(join(folder, 'evolink-cli/bin'), { recursive: true });
  const program = "process.stdout.write(process.argv.slice(2).map((word) => '<' + word + '>').join(''));\n";
  writeFileSync(join(folder, 'evolink-cli/bin/evolink.js'), program);
  const env = { PATH: process.env.PATH ?? '', RUNNER_TEMP: folder, ...inputs };
  const script = join(github, 'actions/generate/run.sh');
  const run = () =>
    execFileSync('bash', ['--norc', script], { env, cwd: folder, encoding: 'utf8', stdio: 'pipe' });
  return { run, list: () => readdirSync(folder).sort() };
}

describe('run.sh', () => {
  it('hands every line over as one word', async () => {
    const files = { INPUT_FILES: 'a.yaml\r\n\n  b c.yaml  \n', INPUT_REPORT: 'r.json\nr.html' };
    const more = { INPUT_ARGS: '--max-credits=5\n--only=hero *', INPUT_SHARD: '2/4' };
    const { run } = await runScript({ ...files, ...more });
    const reports = '<--report=r.json><--report=r.html>';
    const args = `<run><--shard=2/4>${reports}<--max-credits=5><--only=hero *>`;
    expect(run()).toBe(`${args}<--><a.yaml><b c.yaml>`);
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
    [{ INPUT_FILES: 'a', INPUT_SHARD: '1/2 --yes' }, 'must look like'],
  ])('refuses %j', async (inputs, message) => {
    const { run } = await runScript(inputs);
    expect(run).toThrow(expect.objectContaining({ status: 2, stderr: expect.stringContaining(message) }));
  });
});
