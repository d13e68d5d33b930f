// Prints the man page: the pages of the reference in one, by marked-man.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const { version, description } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
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
];

const body = PAGES.map((name) =>
  readFileSync(join(root, 'src/docs', `${name}.md`), 'utf8')
    .replaceAll(/^<!--.*-->\n/gm, '')
    .replaceAll(/^```\w+ (\S+)$/gm, '```'),
);
const page = `# evolink(1) -- ${description}\n\n## SYNOPSIS\n\n\`evolink\` COMMAND [options]\n\n${body.join('\n').replaceAll(/^#+ /gm, (marks) => (marks.length > 3 ? '### ' : '## '))}`;
const { stdout, stderr, status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/marked-man/bin/marked-man.js'), '--version', `v${version}`],
  {
    input: page,
    encoding: 'utf8',
  },
);
process.stderr.write(stderr);
process.stdout.write(stdout);
process.exitCode = status ?? 1;
