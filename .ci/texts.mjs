// Prints, as one JSON object by command line, the help and the completion scripts that `bin/evolink.js` answers with.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const answer = (line) =>
  execFileSync(process.execPath, [join(import.meta.dirname, '../dist/main.js'), ...line.split(' ')], {
    encoding: 'utf8',
  });

const help = answer('--help');
const commands = [...help.matchAll(/^ {2}(?!evolink)([a-z0-9]+) /gm)].map(([, name]) => name);
const shells = ['bash', 'zsh', 'fish', 'powershell'];
const lines = [...commands.map((name) => `${name} --help`), ...shells.map((name) => `completion ${name}`)];
const texts = lines.map((line) => [line, answer(line)]);
process.stdout.write(JSON.stringify({ '--help': help, ...Object.fromEntries(texts) }));
