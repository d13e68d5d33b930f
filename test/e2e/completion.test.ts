import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { binPath, type CliHome, createCliHome } from '../helpers/spawn-cli.ts';

const JOBS = `version: 1
jobs:
  hero: { type: t2v, prompt: a }
  horse: { type: t2v, prompt: b }
  x-$(touch pwned): { type: t2v, prompt: c }
  "x-\\e[2J\\nplain": { type: t2v, prompt: d }
`;

let home: CliHome;
let taskId: string;

beforeAll(async () => {
  home = createCliHome();
  mkdirSync(join(home.folder, 'bin'));
  // fish, started for the first time by a person, fills this folder in the background, unless it is there.
  mkdirSync(join(home.folder, '.local/share/fish/generated_completions'), { recursive: true });
  const program = join(home.folder, 'bin', 'evolink');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${binPath}' "$@"\n`, { mode: 0o755 });
  home.write('jobs.yaml', JOBS);
  home.write('first.jpg', '');
  const made = await home.run(['t2v', 'a boat:\tin the rain', '--no-wait', '--sandbox']);
  taskId = made.stdout.trim();
});
afterAll(() => home.remove());

/** A typed line, its last word at the cursor, and what is offered for it: all of it, or with `…` one of many. */
type Case = readonly [line: string, offers: string];
const CASES = (): readonly Case[] => [
  ['dow', 'download'],
  ['help exit', 'exit-codes'],
  ['report ', 'merge'],
  ['config get qua', 'quality'],
  ['config set max_c', 'max_credits'],
  ['completion f', 'fish'],
  ['--json t', 't2v'],
  ["t2v 'a frog' --js", '--json'],
  ['t2v --no-c', '--no-content-filter …'],
  ['t2v -q 1', '1080p'],
  ['t2v --tier m', 'mini'],
  ['i2v -i fi', 'first.jpg'],
  ['ref -i a.png fi', 'first.jpg'],
  ['run jobs.yaml --only h', 'hero horse'],
  ['status --sandbox task-', taskId],
  ['show --sandbox la', 'last'],
  ['open fi', 'first.jpg'],
];

function environment(): Readonly<Record<string, string>> {
  const at = (name: string) => join(home.folder, name);
  const xdg = { XDG_CONFIG_HOME: at('config'), XDG_STATE_HOME: at('state'), XDG_CACHE_HOME: at('cache') };
  const PATH = `${at('bin')}:${process.env.PATH}`;
  return { HOME: home.folder, PATH, ...xdg, LANG: 'C.UTF-8', TERM: 'dumb' };
}

/** What stands between the offers for one line and those for the next. */
const END = '<END>';

/** What a script prints, by its ends. */
function offersOf(shell: string, args: readonly string[], script: string): readonly (readonly string[])[] {
  const { stdout, stderr, status, error } = spawnSync(shell, [...args, '-c', script], {
    cwd: home.work,
    env: environment(),
    encoding: 'utf8',
  });
  expect({ stderr, status, error }).toEqual({ stderr: '', status: 0, error: undefined });
  return split(stdout);
}

function split(text: string): readonly (readonly string[])[] {
  return text
    .split(`${END}\n`)
    .slice(0, -1)
    .map((part) => part.split('\n').filter((line) => line !== ''));
}

const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
const hasShell = (shell: string): boolean => spawnSync(shell, ['--version']).error === undefined;

/** What bash would offer, with the words as it splits them. */
function bash(lines: readonly string[]) {
  const calls = lines.map((line) => {
    const words = `evolink ${line}`.split(/(?<=[:=])|(?=[:=])| /);
    return `COMP_LINE=${quote(`evolink ${line}`)} COMP_WORDS=(${words.map((word) => `"${word}"`).join(' ')})
COMP_POINT=\${#COMP_LINE} COMP_CWORD=${words.length - 1}
_evolink evolink
printf '%s\\n' "\${COMPREPLY[@]}" '${END}'`;
  });
  return offersOf('bash', ['--norc', '-u'], `eval "$(evolink completion bash)"\n${calls.join('\n')}`);
}

function fish(lines: readonly string[]) {
  const calls = lines.map(
    (line) => `complete -C '${`evolink ${line}`.replaceAll("'", "\\'")}'; echo '${END}'`,
  );
  const script = `evolink completion fish | source\n${calls.join('\n')}`;
  return offersOf('fish', ['--no-config'], script).map((found) =>
    found.map((each) => each.split('\t')[0] ?? ''),
  );
}

/** Types lines into a real zsh and asks for the list of what is offered. */
function zsh(lines: readonly string[]) {
  const type = lines.map(
    (line) => `zpty -w -n z ${quote(`evolink ${line}`)}$'\\t'
zpty -w -n z $'\\C-a\\C-kecho "${END}" >> $OFFERS; echo DO""NE\\n'
zpty -r z out '*DONE*'`,
  );
  const script = `zmodload zsh/zpty
zpty z zsh -f
zpty -w z 'PS1=; unsetopt prompt_sp; fpath=($fpath); autoload -U compinit; compinit -u -D; eval "$(evolink completion zsh)"'
zpty -w z 'list() { compadd() { if [[ " $*" != *" -"[OAD]" "* ]]; then local -a got; builtin compadd -O got "$@"; print -rl -- "\${(@)got/#/<O>}" >> $OFFERS; fi; builtin compadd "$@" }; _main_complete "$@" }; zle -C list complete-word list; bindkey "^I" list; echo READY'
zpty -r z out '*READY*READY*'
${type.join('\n')}
zpty -d z`;
  const offers = join(home.folder, 'offers');
  writeFileSync(offers, '');
  spawnSync('zsh', ['-f'], { cwd: home.work, env: { ...environment(), OFFERS: offers }, input: script });
  return split(readFileSync(offers, 'utf8')).map((found) =>
    found.filter((each) => each.startsWith('<O>')).map((each) => each.slice(3)),
  );
}

describe.each([
  { shell: 'bash', complete: bash, colon: '9', equals: '9', every: 1 },
  // The answers come from one place: of the words, a third shows how each of these shells takes them.
  { shell: 'zsh', complete: zsh, colon: '16:9', equals: '--aspect-ratio=16:9', every: 3 },
  { shell: 'fish', complete: fish, colon: '16:9', equals: '--aspect-ratio=16:9', every: 3 },
])('$shell', ({ shell, complete, colon, equals, every }) => {
  it.runIf(hasShell(shell))('completes what is typed', () => {
    const cases: readonly Case[] = [
      ...CASES().filter((_, index) => index % every === 0),
      ['t2v -r 16:', colon],
      ['t2v --aspect-ratio=16:', equals],
      ['t2v --prompt x', ''],
    ];
    const found = complete(cases.map(([line]) => line));
    expect(found).toHaveLength(cases.length);
    for (const [index, [line, offers]] of cases.entries()) {
      const [first, isOfMany] = offers.split(' …');
      if (isOfMany === '') expect(found[index], line).toContain(first);
      else expect([...(found[index] ?? [])].sort().join(' '), line).toBe(offers);
    }
  });
});

it('answers without a key, without an error, and in the form that PowerShell reads', async () => {
  const complete = async (line: string, stdout: unknown) =>
    expect(await home.run(`__complete ${line}`)).toMatchObject({ code: 0, stdout, stderr: '' });
  const help = '--timeout\thow long to wait, e.g. 90s, 30m, 2h; 0 checks once and exits (default 30m)\n';
  await complete('powershell =--ti resume', help);
  await complete('zsh =16 t2v -r', '16\\:9\n');
  await complete('zsh =x- run jobs.yaml --only', 'x-$(touch pwned)\n');
  await complete('powershell =x- run jobs.yaml --only', '');
  await complete('zsh = run --only -f missing.yaml', expect.any(String));
});

describe('completion --install', () => {
  /** By its place below the home folder; the start file that loads it, where there is one. */
  const FISH = 'config/fish/completions/evolink.fish';
  const files = (shell: string): readonly string[] =>
    shell === 'fish' ? [FISH] : [`config/evolink/completion.${shell}`, `.${shell}rc`];
  const read = (name: string): string => readFileSync(join(home.folder, name), 'utf8');
  const install = (args: readonly string[], shell = '') =>
    home.run(['completion', ...args, '--install'], { env: { SHELL: `/bin/${shell}` } });

  it.each(['bash', 'zsh', 'fish'])('sets up %s once, keeps what the start file holds', async (shell) => {
    const [script = '', start] = files(shell);
    if (start !== undefined) writeFileSync(join(home.folder, start), "alias ll='ls -l'");
    const first = await install([], shell);
    expect(first).toMatchObject({ code: 0, stdout: `${join(home.folder, start ?? script)}\n` });
    expect(first.stderr).toContain(`wrote ${join(home.folder, script)}\n`);
    const written = files(shell).map(read);
    expect((await install([], shell)).stderr).toBe(`completion for ${shell} is already installed\n`);
    expect(files(shell).map(read)).toEqual(written);
    expect(written[0]).toContain('__complete');
    if (start !== undefined)
      expect(read(start)).toMatch(/^alias ll='ls -l'\n.*completion\.(?:ba|z)sh.* # evolink completion\n$/);
  });

  const shells = ['bash', 'zsh', 'fish'].filter(hasShell);
  it.runIf(hasShell('script')).each(shells)('%s then completes what is typed', async (shell) => {
    await install([shell]);
    const input = 'evolink dow\t--help\nexit\n';
    const options = { cwd: home.work, env: environment(), input };
    const { stdout } = spawnSync('script', ['-qec', `${shell} -i`, '/dev/null'], options);
    expect(stdout.toString()).toContain('Usage: evolink download [options] [id...]');
  });

  it("leaves someone else's file alone, and says which shells it knows", async () => {
    writeFileSync(join(home.folder, FISH), '# mine\n');
    expect((await install(['fish'])).code).toBe(11);
    expect(read(FISH)).toBe('# mine\n');
    expect(await install([], 'tcsh')).toMatchObject({ code: 2, stderr: expect.stringContaining('"tcsh"') });
    const profile = 'config/powershell/Microsoft.PowerShell_profile.ps1';
    expect((await install(['powershell'])).code).toBe(0);
    expect(read(profile)).toMatch(/^if \(Test-Path '.*completion\.ps1'\) /);
  });
});
