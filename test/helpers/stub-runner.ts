import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export const projectRoot = fileURLToPath(new URL('../..', import.meta.url));

/** The files under version control, and nothing else: no modules, no build. */
export function cloneProject(target: string): void {
  const names = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: projectRoot,
    encoding: 'utf8',
  });
  for (const name of names.split('\0').filter((each) => each !== '' && existsSync(join(projectRoot, each)))) {
    mkdirSync(dirname(join(target, name)), { recursive: true });
    cpSync(join(projectRoot, name), join(target, name));
  }
}

interface Step {
  readonly id?: string;
  readonly if?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly 'working-directory'?: string;
}

type Values = Readonly<Record<string, string>>;
type Contexts = Readonly<Record<string, string>>;

interface StepResult {
  readonly run: string;
  readonly code: number | null;
  readonly output: string;
}

export interface StubRunner {
  readonly workspace: string;
  readonly temp: string;
  readonly results: StepResult[];
  /** The outputs of the steps that have an id, as `steps.ID.outputs.NAME`. */
  readonly contexts: Record<string, string>;
  /** Runs the steps of a job; true when none failed. */
  runSteps(steps: readonly Step[], contexts: Contexts): Promise<boolean>;
}

export interface StubRunnerOptions {
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

/**
 * Runs `run:` steps of workflows and composite actions as the runner of GitHub does, as far as ours need it; the actions
 * of others are played. `npm` is the real one without its network: it installs by linking the modules of this project,
 * and fails where it has the key, may run scripts, or is asked for a package by name.
 */
export function createStubRunner(options: StubRunnerOptions): StubRunner {
  const { folder, artifacts } = options;
  const [workspace, temp, bin, home] = ['work space', 'temp', 'bin', 'home'].map((name) => {
    mkdirSync(join(folder, name), { recursive: true });
    return join(folder, name);
  }) as [string, string, string, string];
  writeFileSync(join(bin, 'npm'), stubNpm());
  chmodSync(join(bin, 'npm'), 0o755);
  symlinkSync(process.execPath, join(bin, 'node'));
  const results: StepResult[] = [];
  const contexts: Record<string, string> = {};
  const githubFile = (name: string): string => join(folder, name);

  const runShell = async (step: Step, env: Values, fill: (text: string) => string): Promise<boolean> => {
    const output = githubFile(`output-${results.length}`);
    const added = existsSync(githubFile('path'))
      ? readFileSync(githubFile('path'), 'utf8').trim().split('\n')
      : [];
    const script = githubFile('step.sh');
    writeFileSync(script, step.run ?? '');
    const child = spawn('bash', ['--noprofile', '--norc', '-eo', 'pipefail', script], {
      cwd: join(workspace, fill(step['working-directory'] ?? '.')),
      env: {
        PATH: [...added, bin, join(home, 'prefix', 'bin'), '/usr/bin', '/bin'].join(':'),
        HOME: home,
        NPM_CONFIG_PREFIX: join(home, 'prefix'),
        GITHUB_ACTIONS: 'true',
        GITHUB_WORKSPACE: workspace,
        GITHUB_PATH: githubFile('path'),
        GITHUB_OUTPUT: output,
        GITHUB_STEP_SUMMARY: githubFile('summary'),
        RUNNER_TEMP: temp,
        CI: 'true',
        ...options.env,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    results.push({ run: step.run ?? '', code, output: text });
    if (step.id !== undefined && existsSync(output)) {
      for (const [, name, , value] of readFileSync(output, 'utf8').matchAll(
        /^(\S+)<<(\S+)\n([\s\S]*?)\n\2$/gm,
      ))
        contexts[`steps.${step.id}.outputs.${name}`] = value ?? '';
    }
    return code === 0;
  };

  const playAction = (name: string, inputs: Values): void => {
    if (name === 'actions/checkout') options.checkout(workspace);
    if (name === 'actions/upload-artifact') {
      for (const path of lines(inputs.path).filter((each) => existsSync(join(workspace, each))))
        cpSync(join(workspace, path), join(artifacts, inputs.name ?? '', path), { recursive: true });
    }
    if (name === 'actions/download-artifact' && existsSync(artifacts)) {
      for (const each of readdirSync(artifacts))
        cpSync(join(artifacts, each), workspace, { recursive: true });
    }
  };

  const runSteps = async (steps: readonly Step[], given: Contexts, outer: Values = {}): Promise<boolean> => {
    let isGood = true;
    for (const step of steps) {
      const known = { 'runner.temp': temp, 'github.workspace': workspace, 'github.run_id': '1', ...given };
      const fill = (value: unknown): string =>
        String(value ?? '').replace(/\$\{\{\s*([\w.-]+)\s*\}\}/g, (_whole, name: string) => {
          return { ...known, ...contexts }[name] ?? '';
        });
      if (!isWanted(step.if, { isGood, known })) continue;
      const env = { ...outer, ...mapValues(step.env ?? {}, fill) };
      if (step.run !== undefined) {
        isGood = (await runShell(step, env, fill)) && isGood;
        continue;
      }
      const inputs = mapValues(step.with ?? {}, fill);
      const [name = ''] = (step.uses ?? '').split('@');
      if (!name.includes('/.github/actions/')) {
        playAction(name, inputs);
        continue;
      }
      const action = parse(readFileSync(join(options.actionPath, 'action.yml'), 'utf8'));
      const defaults = mapValues(action.inputs, (input) => String((input as { default: string }).default));
      const values = Object.entries({ ...defaults, ...inputs }).map(([key, value]) => [
        `inputs.${key}`,
        value,
      ]);
      const within = { GITHUB_ACTION_PATH: options.actionPath, ...env };
      isGood =
        (await runSteps(action.runs.steps, { ...given, ...Object.fromEntries(values) }, within)) && isGood;
    }
    return isGood;
  };

  return { workspace, temp, results, contexts, runSteps };
}

function isWanted(
  condition: string | undefined,
  { isGood, known }: { readonly isGood: boolean; readonly known: Contexts },
): boolean {
  const terms = (condition ?? '').split('&&').map((term) => term.trim());
  const hasFiles = !terms.includes("inputs.files != ''") || (known['inputs.files'] ?? '') !== '';
  return (isGood || terms.includes('always()')) && hasFiles;
}

function mapValues<T>(
  values: Readonly<Record<string, T>>,
  change: (value: T) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value)]));
}

function lines(text = ''): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
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
