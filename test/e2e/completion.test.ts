import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { binPath, type CliHome, createCliHome } from '../helpers/spawn-cli.ts';

const JOBS = 'version: 1\njobs:\n  hero: { type: t2v, prompt: a }\n  horse: { type: t2v, prompt: b }\n';

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

interface Case {
  readonly words: readonly string[];
  readonly offers: readonly string[] | string;
}

/** Typed words, the last at the cursor, and what is offered for it: all of it, or one of many. */
const CASES = (): readonly Case[] => [
  { words: ['dow'], offers: ['download'] },
  { words: ['help', 'exit'], offers: ['exit-codes'] },
  { words: ['report', ''], offers: ['merge'] },
  { words: ['config', 'get', 'qua'], offers: ['quality'] },
  { words: ['config', 'set', 'max_c'], offers: ['max_credits'] },
  { words: ['completion', 'f'], offers: ['fish'] },
  { words: ['--json', 't'], offers: ['t2v'] },
  { words: ['t2v', 'a frog', '--js'], offers: ['--json'] },
  { words: ['t2v', '--no-c'], offers: '--no-content-filter' },
  { words: ['t2v', '-q', '1'], offers: ['1080p'] },
  { words: ['t2v', '--tier', 'm'], offers: ['mini'] },
  { words: ['i2v', '-i', 'fi'], offers: ['first.jpg'] },
  { words: ['ref', '-i', 'a.png', 'fi'], offers: ['first.jpg'] },
  { words: ['run', 'jobs.yaml', '--only', 'h'], offers: ['hero', 'horse'] },
  { words: ['status', '--sandbox', 'task-'], offers: [taskId] },
  { words: ['show', '--sandbox', 'la'], offers: ['last'] },
  { words: ['open', 'fi'], offers: ['first.jpg'] },
];

function environment(): Readonly<Record<string, string>> {
  return {
    HOME: home.folder,
    PATH: `${join(home.folder, 'bin')}:${process.env.PATH}`,
    XDG_CONFIG_HOME: join(home.folder, 'config'),
    XDG_STATE_HOME: join(home.folder, 'state'),
    XDG_CACHE_HOME: join(home.folder, 'cache'),
    LANG: 'C.UTF-8',
    TERM: 'dumb',
  };
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
const typed = (words: readonly string[]): string =>
  words.map((word, index) => (word.includes(' ') && index < words.length - 1 ? quote(word) : word)).join(' ');
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
  { shell: 'bash', complete: bash, colon: ['9'], equals: ['9'], every: 1 },
  // The answers come from one place: of the words, a third shows how each of these shells takes them.
  { shell: 'zsh', complete: zsh, colon: ['16:9'], equals: ['--aspect-ratio=16:9'], every: 3 },
  { shell: 'fish', complete: fish, colon: ['16:9'], equals: ['--aspect-ratio=16:9'], every: 3 },
])('$shell', ({ shell, complete, colon, equals, every }) => {
  it.runIf(hasShell(shell))('completes what is typed', () => {
    const cases: readonly Case[] = [
      ...CASES().filter((_, index) => index % every === 0),
      { words: ['t2v', '-r', '16:'], offers: colon },
      { words: ['t2v', '--aspect-ratio=16:'], offers: equals },
      { words: ['t2v', '--prompt', 'x'], offers: [] },
    ];
    const found = complete(cases.map(({ words }) => typed(words)));
    expect(found).toHaveLength(cases.length);
    for (const [index, { words, offers }] of cases.entries()) {
      if (typeof offers === 'string') expect(found[index], typed(words)).toContain(offers);
      else expect([...(found[index] ?? [])].sort(), typed(words)).toEqual([...offers].sort());
    }
  });
});

it('answers without a key, without an error, and in the form that PowerShell reads', async () => {
  const { code, stdout, stderr } = await home.run(['__complete', 'powershell', '=--ti', 'resume']);
  expect({ code, stdout, stderr }).toEqual({
    code: 0,
    stdout: '--timeout\thow long to wait, e.g. 90s, 30m, 2h; 0 checks once and exits (default 30m)\n',
    stderr: '',
  });
  expect((await home.run(['__complete', 'zsh', '=16', 't2v', '-r'])).stdout).toBe('16\\:9\n');
  expect(await home.run(['__complete', 'zsh', '=', 'run', '--only', '-f', 'missing.yaml'])).toMatchObject({
    code: 0,
    stderr: '',
  });
});

describe('completion --install', () => {
  /** By its place below the home folder; the start file that loads it, where there is one. */
  const files = (shell: string): readonly string[] =>
    shell === 'fish'
      ? ['config/fish/completions/evolink.fish']
      : [`config/evolink/completion.${shell}`, `.${shell}rc`];
  const read = (name: string): string => readFileSync(join(home.folder, name), 'utf8');
  const install = (args: readonly string[], shell = '') =>
    home.run(['completion', ...args, '--install'], { env: { SHELL: `/bin/${shell}` } });

  it.each(['bash', 'zsh', 'fish'])(
    'sets up %s, keeps what the start file holds, and does so once',
    async (shell) => {
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
    },
  );

  it.runIf(hasShell('script')).each(['bash', 'zsh', 'fish'].filter(hasShell))(
    '%s then completes what is typed',
    async (shell) => {
      await install([shell]);
      const { stdout } = spawnSync('script', ['-qec', `${shell} -i`, '/dev/null'], {
        cwd: home.work,
        env: environment(),
        encoding: 'utf8',
        input: 'evolink dow\t--help\nexit\n',
      });
      expect(stdout).toContain('Usage: evolink download [options] [id...]');
    },
  );

  it("leaves someone else's file alone, and says which shells it knows", async () => {
    const [script = ''] = files('fish');
    writeFileSync(join(home.folder, script), '# mine\n');
    expect((await install(['fish'])).code).toBe(11);
    expect(read(script)).toBe('# mine\n');
    expect(await install([], 'tcsh')).toMatchObject({ code: 2, stderr: expect.stringContaining('"tcsh"') });
    expect((await home.run(['completion'])).code).toBe(2);
    const profile = 'config/powershell/Microsoft.PowerShell_profile.ps1';
    expect((await install(['powershell'])).code).toBe(0);
    expect(read(profile)).toMatch(/^if \(Test-Path '.*completion\.ps1'\) /);
  });
});
