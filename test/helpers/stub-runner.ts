import { execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export const projectRoot = join(import.meta.dirname, '../..');

/** The files under version control, and nothing else: no modules, no build. */
export function cloneProject(target: string): void {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const names = execFileSync('git', list, { cwd: projectRoot, encoding: 'utf8' }).split('\0');
  for (const name of names.filter((each) => each !== '' && existsSync(join(projectRoot, each))))
    cpSync(join(projectRoot, name), join(target, name));
}

type Values = Readonly<Record<string, string>>;

type TextOfStep = 'id' | 'if' | 'uses' | 'run' | 'working-directory';
type Step = Readonly<Partial<Record<TextOfStep, string> & Record<'with' | 'env', object>>>;

interface StubRunnerOptions {
  /** A folder of its own for the machine. */
  readonly folder: string;
  /** Where artefacts of all machines are kept. */
  readonly artifacts: string;
  /** Environment of every step. */
  readonly env: Values;
  /** Fills the workspace where a workflow checks its repository out. */
  readonly checkout: (workspace: string) => void;
  /** The folder of an action that a repository holds. */
  readonly actionPath: string;
}

export type StubRunner = ReturnType<typeof createStubRunner>;

/**
 * Runs `run:` steps of workflows and composite actions as the runner of GitHub does, as far as ours need it; the actions
 * of others are played. `npm` is the real one without its network: it installs by linking the modules of this project,
 * and fails where it has the key, may run scripts, or is asked for a package by name.
 */
export function createStubRunner(options: StubRunnerOptions) {
  const { folder, artifacts, actionPath } = options;
  const at = (name: string): string => join(folder, name);
  const [workspace, temp, bin, home] = [at('work space'), at('temp'), at('bin'), at('home')];
  for (const path of [workspace, temp, bin, home]) mkdirSync(path, { recursive: true });
  writeFileSync(join(bin, 'npm'), stubNpm(), { mode: 0o755 });
  symlinkSync(process.execPath, join(bin, 'node'));
  const results: { readonly code: number | null; readonly output: string }[] = [];
  /** The outputs of the steps that have an id, as `steps.ID.outputs.NAME`. */
  const contexts: Record<string, string> = {};

  async function runShell({ id, run = '' }: Step, env: Values, cwd: string): Promise<boolean> {
    const output = at(`output-${results.length}`);
    const added = existsSync(at('path')) ? readFileSync(at('path'), 'utf8').trim().split('\n') : [];
    writeFileSync(at('step.sh'), run);
    const child = spawn('bash', ['--noprofile', '--norc', '-eo', 'pipefail', at('step.sh')], {
      cwd: join(workspace, cwd),
      env: {
        PATH: [...added, bin, join(home, 'prefix', 'bin'), '/usr/bin', '/bin'].join(':'),
        HOME: home,
        NPM_CONFIG_PREFIX: join(home, 'prefix'),
        GITHUB_ACTIONS: 'true',
        GITHUB_WORKSPACE: workspace,
        GITHUB_PATH: at('path'),
        GITHUB_OUTPUT: output,
        GITHUB_STEP_SUMMARY: at('summary'),
        RUNNER_TEMP: temp,
        CI: 'true',
        ...options.env,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    results.push({ code, output: said });
    const outputs = id !== undefined && existsSync(output) ? readFileSync(output, 'utf8') : '';
    for (const [, name, , value = ''] of outputs.matchAll(/^(\S+)<<(\S+)\n([\s\S]*?)\n\2$/gm))
      contexts[`steps.${id}.outputs.${name}`] = value;
    return code === 0;
  }

  function playAction(name: string, { path = '', name: artifact = '' }: Values): void {
    const copy = (from: string, to: string) => existsSync(from) && cpSync(from, to, { recursive: true });
    if (name === 'actions/checkout') options.checkout(workspace);
    if (name === 'actions/upload-artifact')
      for (const each of path.trim().split(/\s*\n\s*/))
        copy(join(workspace, each), join(artifacts, artifact, each));
    if (name === 'actions/download-artifact')
      for (const each of readdirSync(artifacts)) copy(join(artifacts, each), workspace);
  }

  /** Runs the steps of a job; true when none failed. */
  async function runSteps(steps: readonly Step[], given: Values, outer: Values = {}): Promise<boolean> {
    const known = { 'runner.temp': temp, 'github.workspace': workspace, 'github.run_id': '1', ...given };
    const fill = (value: unknown): string =>
      String(value ?? '').replace(
        /\$\{\{\s*([\w.-]+)\s*\}\}/g,
        (_, name: string) => ({ ...known, ...contexts })[name] ?? '',
      );
    const filled = (values = {}): Record<string, string> =>
      Object.fromEntries(Object.entries(values).map(([key, value]) => [key, fill(value)]));
    let isGood = true;
    for (const step of steps) {
      const terms = (step.if ?? '').split('&&').map((term) => term.trim());
      const hasFiles = !terms.includes("inputs.files != ''") || given['inputs.files'] !== '';
      if (!hasFiles || !(isGood || terms.includes('always()'))) continue;
      const env = { ...outer, ...filled(step.env) };
      const [name = ''] = (step.uses ?? '').split('@');
      if (step.run !== undefined)
        isGood = (await runShell(step, env, fill(step['working-directory'] ?? '.'))) && isGood;
      else if (!name.includes('/.github/actions/')) playAction(name, filled(step.with));
      else {
        const action = parse(readFileSync(join(actionPath, 'action.yml'), 'utf8'));
        const inputs: Record<string, string> = {};
        for (const [key, { default: value }] of Object.entries<{ default: string }>(action.inputs))
          inputs[`inputs.${key}`] = String(value);
        for (const [key, value] of Object.entries(filled(step.with))) inputs[`inputs.${key}`] = value;
        const within = { GITHUB_ACTION_PATH: actionPath, ...env };
        isGood = (await runSteps(action.runs.steps, { ...given, ...inputs }, within)) && isGood;
      }
    }
    return isGood;
  }

  return { workspace, temp, results, contexts, runSteps };
}

function stubNpm(): string {
  const real = execFileSync('bash', ['--norc', '-c', 'command -v npm'], { encoding: 'utf8' }).trim();
  return `#!/bin/bash
set -e
if [ -n "\${EVOLINK_API_KEY:-}" ]; then echo 'npm has the key' >&2; exit 97; fi
case "$1 $*" in
  ci*--ignore-scripts*) test -f package-lock.json; ln -s '${join(projectRoot, 'node_modules')}' node_modules ;;
  install*--ignore-scripts*' .') exec '${real}' "$@" --offline --no-audit ;;
  run* | pack*) exec '${real}' "$@" ;;
  *) echo "npm $* asks for what the lock file does not name, or runs scripts" >&2; exit 98 ;;
esac
`;
}
