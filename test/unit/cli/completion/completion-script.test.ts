import { spawnSync } from 'node:child_process';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { completionScript, readCommandTree } from '../../../../src/cli/completion.ts';

function makeTree() {
  const program = new Command('evolink').option('--json', "JSON: one document, it's all").helpCommand(false);
  program
    .command('t2v')
    .summary('text to video: [a] clip')
    .option('-q, --quality <quality>', 'quality')
    .option('-r, --aspect-ratio <ratio>', 'ratio')
    .option('-o, --output <path>', "where the clip's file goes")
    .option('-p, --prompt <text>', 'prompt')
    .option('--mute', 'no sound');
  program.command('config').summary('settings').command('init');
  return readCommandTree(program);
}

const hasShell = (shell: string): boolean => spawnSync(shell, ['--version']).error === undefined;

/** What bash offers for the last of these words. */
function complete(...words: readonly string[]): string[] {
  const script = `${completionScript('bash', makeTree())}
COMP_WORDS=("$@")
COMP_CWORD=$(( $# - 1 ))
_evolink
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-u', '-c', script, 'bash', ...words], {
    encoding: 'utf8',
  });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  return stdout.split('\n').filter((line) => line !== '');
}

describe.runIf(hasShell('bash'))('bash', () => {
  it.each([
    { words: ['evolink', ''], offers: ['t2v', 'config'] },
    { words: ['evolink', 'c'], offers: ['config'] },
    { words: ['evolink', '--j'], offers: ['--json'] },
    { words: ['evolink', '--json', 't'], offers: ['t2v'] },
    { words: ['evolink', 't2v', '--m'], offers: ['--mute'] },
    { words: ['evolink', 't2v', 'a frog', '--js'], offers: ['--json'] },
    { words: ['evolink', 't2v', '-q', ''], offers: ['480p', '720p', '1080p', '4k'] },
    { words: ['evolink', 't2v', '--quality', '1'], offers: ['1080p'] },
    { words: ['evolink', 't2v', '--aspect-ratio', 'a'], offers: ['adaptive'] },
    { words: ['evolink', 't2v', '--prompt', 'x'], offers: [] },
    { words: ['evolink', 'config', ''], offers: ['init'] },
    { words: ['evolink', 'config', '--q'], offers: [] },
  ])('$words is completed to $offers', ({ words, offers }) => {
    expect(complete(...words)).toEqual(offers);
  });

  it('offers files after a flag that takes one', () => {
    expect(complete('evolink', 't2v', '-o', '/etc/host')).toContain('/etc/hosts');
  });
});

describe.runIf(hasShell('zsh'))('zsh', () => {
  it('reads the script', () => {
    const { status, stderr } = spawnSync('zsh', ['-n'], {
      input: completionScript('zsh', makeTree()),
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('the other shells', () => {
  it('quotes what a shell would read as its own', () => {
    expect(completionScript('zsh', makeTree())).toContain("'*--json[JSON one document, it'\\''s all]'");
    expect(completionScript('zsh', makeTree())).toContain("'t2v:text to video a clip'");
    expect(completionScript('fish', makeTree())).toContain("-l json -d 'JSON: one document, it\\'s all'");
    expect(completionScript('powershell', makeTree())).toContain("'t2v' = @('-q', '--quality',");
  });

  it.each(['zsh', 'fish', 'powershell'] as const)('%s knows every command, flag and value', (shell) => {
    const script = completionScript(shell, makeTree());
    for (const word of ['t2v', 'config', 'init', 'quality', '1080p', 'mute']) expect(script).toContain(word);
    expect(script).toContain('evolink-video');
  });
});
