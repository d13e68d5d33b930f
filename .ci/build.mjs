// Builds dist: the bundle, and what is made by running it or from the reference. All of it is made beside dist and takes its
// place at the end, so that commands of this checkout work meanwhile.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { out } from './rolldown.config.mjs';

const root = join(import.meta.dirname, '..');

function node(script, args, options = {}) {
  return execFileSync(process.execPath, [join(root, script), ...args], { encoding: 'utf8', ...options });
}

function evolink(line) {
  return node('dist.new/main.js', line.split(' '));
}

function write(name, text) {
  writeFileSync(join(out, name), text);
}

/** The help and the completion scripts that `bin/evolink.js` answers with, by command line. */
function readyTexts() {
  const help = evolink('--help');
  const commands = [...help.matchAll(/^ {2}(?!evolink)([a-z0-9]+) /gm)].map(([, name]) => name);
  const shells = ['bash', 'zsh', 'fish', 'powershell'];
  const lines = [...commands.map((name) => `${name} --help`), ...shells.map((name) => `completion ${name}`)];
  return { '--help': help, ...Object.fromEntries(lines.map((line) => [line, evolink(line)])) };
}

const PAGES = [
  'commands',
  'job-files',
  'reference-to-video',
  'configuration',
  'environment',
  'output',
  'exit-codes',
  'models',
  'faults',
  'ci',
  'benchmarks',
];

/** The rows of a table as a list: columns would be too narrow for their words. */
function listOf(table) {
  const [headers, , ...rows] = table
    .trim()
    .split('\n')
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const items = rows.map(([first, ...cells]) => {
    const named = cells.flatMap((cell, index) => (cell === '' ? [] : `${headers[index + 1]}: ${cell}`));
    return `- ${first}: ${named.join('; ')}\n`;
  });
  return items.join('').replaceAll('\\|', '|');
}

/** The pages of the reference in one, by marked-man. */
function manPage() {
  const { version, description } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const pages = PAGES.map((name) =>
    readFileSync(join(root, 'src/docs', `${name}.md`), 'utf8')
      .replaceAll(/^<!--.*-->\n/gm, '')
      .replaceAll(/^```\w+ (\S+)$/gm, '```')
      .replaceAll(/^#+ /gm, (marks) => (marks.length > 3 ? '### ' : '## '))
      .replaceAll(/^\|.*\|\n\|[ :|-]+\n(?:\|.*\n)+/gm, listOf),
  );
  const input = `# evolink(1) -- ${description}\n\n## SYNOPSIS\n\n\`evolink\` COMMAND [options]\n\n${pages.join('\n')}`;
  const page = node(
    'node_modules/marked-man/bin/marked-man.js',
    ['--no-breaks', '--version', `v${version}`],
    { input },
  );
  const plain = { '&#39;': "'", '&quot;': '"', '&lt;': '<', '&gt;': '>', '&amp;': '&' };
  const codeOf = (sign) => sign.codePointAt(0).toString(16).toUpperCase().padStart(4, '0');
  return (
    page
      .replaceAll(/&(?:#39|quot|lt|gt|amp);/g, (name) => plain[name])
      // Not every troff is told that its input is UTF-8.
      .replaceAll(/[^\p{ASCII}]/gu, (sign) => `\\[u${codeOf(sign)}]`)
  );
}

/** Keeps the compiled code of what common commands load, for bin/load.js. Each keeps what those before it compiled. */
function keepCode() {
  const home = mkdtempSync(join(tmpdir(), 'evolink-build-'));
  writeFileSync(join(home, 'jobs.yaml'), 'version: 1\njobs: { frog: { type: t2v, prompt: A frog } }\n');
  const { PATH, SystemRoot } = process.env;
  const env = { PATH, SystemRoot, HOME: home, USERPROFILE: home, EVOLINK_API_KEY: 'k'.repeat(20) };
  for (const line of ['status', 't2v frog --dry-run', 'run jobs.yaml --dry-run', 'credits --sandbox'])
    spawnSync(process.execPath, [join(root, '.ci/keep-code.mjs'), ...line.split(' ')], { cwd: home, env });
  rmSync(home, { recursive: true });
}

const dist = join(root, 'dist');
const old = join(root, 'dist.old');
// Compiled code of an older source of the same length would be taken for that of the new one.
rmSync(out, { recursive: true, force: true });
node('node_modules/rolldown/bin/cli.mjs', ['-c', '.ci/rolldown.config.mjs', '--log-level', 'warn'], {
  cwd: root,
  stdio: 'inherit',
});

write('job-file.schema.json', evolink('schema'));
write('run-report.schema.json', evolink('schema report'));
write('texts.json', JSON.stringify(readyTexts()));
write('evolink.1', manPage());
rmSync(old, { recursive: true, force: true });
if (existsSync(dist)) renameSync(dist, old);
renameSync(out, dist);
rmSync(old, { recursive: true, force: true });
// In its place: the compiled code names the files it was made of.
keepCode();
