import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createDurably } from '../platform/durable-file.ts';
import { makeFolder } from '../platform/folders.ts';
import { localIoError } from '../platform/fs-error.ts';
import type { Invocation } from './flags.ts';
import { runInFrame } from './frame.ts';

/** The source of a page of the reference, without the marks of its generated blocks. */
async function readPage(name: string): Promise<string> {
  let folder = import.meta.dirname;
  // The pages lie beside the source and in the package, but not in the bundle, which has a package.json of its own.
  while (!existsSync(join(folder, 'src', 'docs'))) folder = dirname(folder);
  const text = await readFile(join(folder, 'src', 'docs', `${name}.md`), 'utf8');
  return text.replaceAll(/^<!--.*-->\n/gm, '');
}

/** `evolink skill`: what an agent needs to know, as a skill file. An existing file is never replaced. */
export function runSkill({ context, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async ({ reporter }) => {
    const text = await readPage('skill');
    if (options.install === undefined) {
      await reporter.print('text', { text }, text);
      return 0;
    }
    const path = resolve(context.cwd, options.install, 'SKILL.md');
    try {
      await makeFolder(dirname(path));
      await createDurably(path, text, 0o644);
    } catch (error) {
      throw localIoError(error, 'write', path);
    }
    await reporter.print('written', { path }, `${path}\n`);
    return 0;
  });
}

/** A page of the reference (`src/docs/NAME.md`) as text for a terminal of `width` columns. */
export async function renderPage(name: string, width: number): Promise<string> {
  const blocks = (await readPage(name)).match(/^```[\s\S]*?^```$|^(?:(?!```).+\n?)+/gm) ?? [];
  return blocks.map((block) => renderBlock(block.trimEnd(), width)).join('\n\n');
}

function renderBlock(block: string, width: number): string {
  if (block.startsWith('```')) return block.replaceAll(/^```.*\n?|\n```$/g, '').replaceAll(/^(?=.)/gm, '  ');
  if (block.startsWith('#')) return plain(block.replace(/^#+ /, '')).toUpperCase();
  if (block.startsWith('|')) return renderTable(block, width);
  const items = block.split(/\n(?=- |\d+\. )/);
  return items.map((item) => wrap(plain(item), width, /^(?:- |\d+\. |)/.exec(item)?.[0].length)).join('\n');
}

/** Without the marks of Markdown; a link is its text. */
function plain(text: string): string {
  return text
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    .replaceAll(/\*\*(.+?)\*\*/g, '$1')
    .replaceAll(/(`+)(.+?)\1/g, '$2')
    .replaceAll('\\|', '|');
}

/** Narrower than this the longest column is not read well. */
const LEAST_COLUMNS = 24;

/** Columns, the longest of which is wrapped; a list of the rows where there is too little room for it. */
function renderTable(block: string, width: number): string {
  const table = block
    .split('\n')
    .filter((line) => !/^[|:\s-]+$/.test(line))
    .map((line) => line.split(/(?<!\\)\|/).slice(1, -1))
    .map((cells) => cells.map((cell) => plain(cell.trim())));
  const [headers = [], ...rows] = table;
  const widths = headers.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const longest = widths.indexOf(Math.max(...widths));
  const room = widths.reduce((left, each, column) => left - 2 - (column === longest ? 0 : each), width);
  if (room < Math.min(LEAST_COLUMNS, widths[longest] ?? 0))
    return rows
      .map(([title = '', ...cells]) => {
        const named = cells.flatMap((cell, index) => (cell === '' ? [] : `${headers[index + 1]}: ${cell}`));
        return `  ${title}\n      ${wrap(named.join('; '), width, 6)}`;
      })
      .join('\n');
  widths[longest] = Math.min(widths[longest] ?? 0, room);
  const lines = table.flatMap((row) =>
    wrap(row[longest] ?? '', widths[longest] ?? 0)
      .split('\n')
      .map((text, line) => row.map((cell, column) => (column === longest ? text : line === 0 ? cell : ''))),
  );
  const fill = (cell: string, column: number) => `  ${cell.padEnd(widths[column] ?? 0)}`;
  return lines.map((cells) => cells.map(fill).join('').trimEnd()).join('\n');
}

/** Breaks a text at spaces into lines of a width; those after the first are indented. */
function wrap(text: string, width: number, indent = 0): string {
  const line = new RegExp(`(.{1,${Math.max(1, width - indent)}})(?: |$)`, 'g');
  return text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(line, '$1\n')
    .trimEnd()
    .replaceAll('\n', `\n${' '.repeat(indent)}`);
}
