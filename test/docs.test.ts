import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { TOPICS } from '../src/cli/commands.ts';
import { buildProgram } from '../src/cli/program.ts';
import { renderPage } from '../src/cli/topics.ts';
import { fixture } from './helpers/media-fixtures.ts';
import { createMemoryIo } from './helpers/memory-io.ts';
import { readBlocks, replaceBlocks, TABLE_BLOCKS } from './helpers/readme-blocks.ts';
import { type CliHome, createCliHome } from './helpers/spawn-cli.ts';

const root = join(import.meta.dirname, '..');
const pages = readdirSync(join(root, 'src/docs')).filter((name) => name.endsWith('.md'));
/** The README, and the pages of the reference. */
const PAGES = ['README.md', ...pages.map((name) => `src/docs/${name}`)].map((name) => ({
  name,
  path: join(root, name),
}));

/** Only the parser is used; no command runs. */
function makeProgram(): Command {
  const output = { writeOut: () => {}, writeErr: () => {} };
  const context = { io: createMemoryIo(), version: '0.0.0' };
  return buildProgram(context as Parameters<typeof buildProgram>[0] & typeof context, output, () => {});
}

const commandNames = makeProgram()
  .commands.map((command) => command.name())
  .filter((name) => name !== 'help');

async function helpOf(name: string): Promise<string> {
  const home = createCliHome();
  const { stdout } = await home.run([...(name === 'evolink' ? [] : name.split(' ')), '--help']);
  home.remove();
  return `\`\`\`text\n${stdout.trimEnd()}\n\`\`\`\n`;
}

async function contentOf(block: string): Promise<string> {
  if (block.startsWith('help ')) return helpOf(block.slice('help '.length));
  const make = TABLE_BLOCKS[block];
  if (make === undefined) throw new Error(`a page names a block that nothing makes: ${block}`);
  return `${make()}\n`;
}

if (process.env.UPDATE_DOCS === '1') {
  for (const { path } of PAGES) {
    const text = readFileSync(path, 'utf8');
    const contents = new Map<string, string>();
    for (const { name } of readBlocks(text)) contents.set(name, await contentOf(name));
    if (contents.size > 0) writeFileSync(path, replaceBlocks(text, contents));
  }
}

const texts = PAGES.map(({ name, path }) => ({ name, text: readFileSync(path, 'utf8') }));
const blocks = texts.flatMap(({ text }) => readBlocks(text));

describe('generated blocks of the pages (UPDATE_DOCS=1 renews them)', () => {
  it('are up to date', async () => {
    for (const { name, content } of blocks) expect(content, name).toBe(await contentOf(name));
  });

  it('are all there, once each', () => {
    const names = blocks.map(({ name }) => name);
    expect(names.filter((name) => !name.startsWith('help ')).sort()).toEqual(
      Object.keys(TABLE_BLOCKS).sort(),
    );
    expect(new Set(names).size).toBe(names.length);
    expect(commandNames.filter((name) => !names.includes(`help ${name}`))).toEqual([]);
  });
});

it.each([60, 80, 120])('pages fit into %i columns, but for what is to be copied', async (width) => {
  for (const name of Object.keys(TOPICS)) {
    const page = texts.find((each) => each.name === `src/docs/${name}.md`)?.text ?? '';
    const copied = fencesOf(page).flatMap(({ text }) => text.split('\n'));
    const lines = (await renderPage(name, width)).split('\n');
    const isCopied = (line: string): boolean => copied.some((each) => each !== '' && line.includes(each));
    expect(lines.filter((line) => line.length > width && !isCopied(line))).toEqual([]);
  }
});

it('the variables of the page are those that the source reads', () => {
  const form = /\benv\.([A-Z][A-Z0-9_]+)|'((?:EVOLINK|XDG)_[A-Z0-9_]+|[A-Z]*APPDATA|(?:HTTPS?|NO)_PROXY)'/g;
  const found = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && name !== join('cli', 'environment.ts'))
    .flatMap((name) => [...readFileSync(join(root, 'src', name), 'utf8').matchAll(form)])
    .map(([, ofEnv, quoted]) => ofEnv ?? quoted);
  const listed = blocks.find(({ name }) => name === 'environment')?.content ?? '';
  expect(found.filter((name) => !listed.includes(`\`${name}\``))).toEqual([]);
  expect(new Set(found).size).toBeGreaterThan(15);
});

it("CHANGELOG names this package's version first", () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [, newest] = /^## \[?([^\]\s]+)/m.exec(readFileSync(join(root, 'CHANGELOG.md'), 'utf8')) ?? [];
  expect(newest).toBe(version);
});

it('src/README.md is short, names every folder, and files that exist', () => {
  const text = readFileSync(join(root, 'src', 'README.md'), 'utf8');
  expect(text.split('\n').length).toBeLessThanOrEqual(81);
  const entries = readdirSync(join(root, 'src'), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(folders.filter((name) => !text.includes(`\`${name}/\``))).toEqual([]);
  const named = [...text.matchAll(/`((?:src|test|bin)\/[\w./-]+\.\w+)`/g)].map(([, path = '']) => path);
  expect(named.length).toBeGreaterThan(3);
  for (const path of named) expect(() => readFileSync(join(root, path))).not.toThrow();
});

/** The fenced blocks: language, and the file name behind it where a block is the content of a file. */
const fencesOf = (page: string) =>
  [...page.matchAll(/^```(\w*)(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(
    ([, language = '', file = '', text = '']) => ({ language, file, text }),
  );

/** The shell of a workflow: every `run:` in it. */
function runSteps(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(runSteps);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) =>
    key === 'run' && typeof each === 'string' ? [each] : runSteps(each),
  );
}

const scriptsOf = (fences: ReturnType<typeof fencesOf>): readonly string[] => [
  ...fences.filter(({ language }) => language === 'bash').map(({ text }) => text),
  ...fences.filter(({ file }) => file.startsWith('.github/')).flatMap(({ text }) => runSteps(parse(text))),
];

/** Programs that must not really run: each only notes how it was called. */
const STUBS = 'evolink evolink-video npm npx node jq open sleep code git cp source'.split(' ');
/** What runs in the background has noted its call before the script goes on. */
const PRELUDE = 'kill() { wait; }\n';
const STUB = `#!/bin/bash
[[ \${0##*/} == evolink* ]] && printf '%s\\0' "$@" > "$CALLS/$(date +%s%N)-$$"
[[ \${0##*/} == evolink* && $1 == [tir][2e][vf] ]] && echo clip.mp4
exit 0
`;

/** Every call of evolink that a shell makes of these scripts. */
function callsOf(script: string): string[][] {
  const { folder, work, remove } = createCliHome();
  const [bin, calls] = [join(folder, 'bin'), join(folder, 'calls')];
  for (const path of [bin, calls]) mkdirSync(path);
  for (const name of STUBS) writeFileSync(join(bin, name), STUB, { mode: 0o755 });
  const PATH = `${bin}:/usr/bin:/bin`;
  const env = { PATH, CALLS: calls, HOME: folder, EVOLINK_API_KEY: 'x', REPOSITORY: 'x' };
  const args = ['--norc', '-u', '-c', PRELUDE + script];
  const { status, stderr, error } = spawnSync('bash', args, { cwd: work, env });
  const found = readdirSync(calls).sort();
  const words = found.map((name) => readFileSync(join(calls, name), 'utf8').split('\0').slice(0, -1));
  remove();
  if (error !== undefined || status === 2) throw new Error(`the shell refuses: ${script}\n${stderr}`);
  return words;
}

/** Reference media that the examples name. */
const MEDIA: Readonly<Record<string, string>> = {
  'jpeg.jpg': 'first.jpg',
  'png.png': 'last.png style.png frog.png table.png woman.png',
  'fps-24.mp4': 'move.mp4 scene.mp4 boat.mp4 day.mp4 night.mp4',
  'mp3-stereo.mp3': 'music.mp3',
};

const examples = texts
  .map(({ name, text }) => ({ name, fences: fencesOf(text) }))
  .map(({ name, fences }) => ({ name, fences, calls: scriptsOf(fences).flatMap(callsOf) }))
  .filter(({ fences }) => fences.some(({ language }) => language !== 'text'));

it('shows many examples', () => {
  expect(examples.flatMap(({ calls }) => calls).length).toBeGreaterThan(25);
});

describe.each(examples)('examples of $name', ({ fences, calls }) => {
  let home: CliHome;

  beforeAll(() => {
    home = createCliHome({ EVOLINK_SANDBOX: '1' });
    // A page may use the files that the README shows.
    const shown = [...fencesOf(texts[0]?.text ?? ''), ...fences];
    for (const { file, text } of shown.filter((fence) => fence.file !== '')) home.write(file, text);
    for (const [source, names] of Object.entries(MEDIA))
      for (const name of names.split(' ')) copyFileSync(fixture(source), home.at(name));
  });
  afterAll(() => home.remove());

  it('are command lines', async () => {
    for (const argv of calls) {
      const program = makeProgram();
      let isGood = false;
      const replace = (command: Command): void => {
        command.action(() => {
          isGood = true;
        });
        command.commands.forEach(replace);
      };
      program.commands.forEach(replace);
      const parsed = program.parseAsync(argv, { from: 'user' });
      // Help ends as an error of exit 0.
      await parsed.catch(({ exitCode }: { exitCode?: number }) => {
        isGood ||= exitCode === 0;
      });
      expect(isGood, argv.join(' ')).toBe(true);
    }
  });

  it('make requests and plans', async () => {
    for (const argv of calls) {
      const [verb = ''] = argv;
      const isRun = verb === 'run' && !argv.includes('--init');
      if (!isRun && !['t2v', 'i2v', 'ref'].includes(verb)) continue;
      const line = argv.includes('--dry-run') ? argv : [...argv, '--dry-run'];
      const { code, stdout, stderr } = await home.run(line, { stdin: 'a paper boat' });
      expect([code, stderr], argv.join(' ')).toEqual([0, stderr]);
      const plan = /plan: \d+ jobs(?: \(shard 1 of 4\))?: \d+ new/;
      const says = isRun || argv.includes('--count') ? plan : /nothing was sent|"dry_run":true/;
      expect(argv.includes('--json') ? stdout : stderr, argv.join(' ')).toMatch(says);
    }
  });

  it('are of YAML and JSON that can be read', () => {
    for (const { language, text } of fences) {
      if (language === 'yaml') parse(text);
      if (language === 'json') JSON.parse(text);
    }
  });
});
