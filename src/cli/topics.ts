import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import type { Invocation } from './flags.ts';
import { runInFrame } from './frame.ts';

/** The pages lie beside the source and in the package, but not in the bundle. */
function docsFolder(): string {
  let folder = import.meta.dirname;
  // The bundle has a package.json of its own.
  while (!existsSync(join(folder, 'src', 'docs'))) folder = dirname(folder);
  return join(folder, 'src', 'docs');
}

/** The source of a page of the reference, without the marks of its generated blocks. */
async function readPage(name: string): Promise<string> {
  const text = await readFile(join(docsFolder(), `${name}.md`), 'utf8');
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
    const folder = resolve(context.cwd, options.install);
    const path = join(folder, 'SKILL.md');
    try {
      await mkdir(folder, { recursive: true });
      await writeFile(path, text, { flag: 'wx' });
    } catch (error) {
      if (fsErrorCode(error) === 'EEXIST') throw new EvolinkError('local-io', `"${path}" already exists`);
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
  if (block.startsWith('```'))
    return block
      .split('\n')
      .slice(1, -1)
      .join('\n')
      .replaceAll(/^(?=.)/gm, '  ');
  if (block.startsWith('#')) return plain(block.replace(/^#+ /, '')).toUpperCase();
  if (block.startsWith('|')) return renderTable(block, width);
  const items = block.split(/\n(?=- |\d+\. )/);
  return items
    .map((item) => wrap(plain(item), width, item.match(/^(- |\d+\. )/)?.[0].length ?? 0))
    .join('\n');
}

/** Without the marks of Markdown; a link is its text. */
function plain(text: string): string {
  return text
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    .replaceAll(/\*\*(.+?)\*\*/g, '$1')
    .replaceAll(/(`+)(.+?)\1/g, '$2')
    .replaceAll('\\|', '|');
}

/** A row of more lines than this is read more easily as a list. */
const MAX_ROW_LINES = 5;

/** Columns whose cells wrap where the terminal is wide enough for that, else a list of the rows. */
function renderTable(block: string, width: number): string {
  const table = block
    .split('\n')
    .filter((line) => !/^[|:\s-]+$/.test(line))
    .map((line) => line.split(/(?<!\\)\|/).slice(1, -1))
    .map((cells) => cells.map((cell) => plain(cell.trim())));
  const [headers = [], ...rows] = table;
  const measure = (of: (cell: string) => number): number[] =>
    headers.map((_, column) => Math.max(...table.map((row) => of(row[column] ?? ''))));
  const least = measure((cell) => Math.max(...cell.split(' ').map((word) => word.length)));
  const widths = measure((cell) => cell.length);
  const main = widths.indexOf(Math.max(...widths));
  // The widest column that no word keeps from it gives way.
  for (let excess = widths.reduce((sum, each) => sum + each + 2, -width); excess > 0; excess -= 1) {
    const shrinkable = widths.map((each, column) => (each > (least[column] ?? 0) ? each : 0));
    const column = shrinkable.indexOf(Math.max(...shrinkable));
    widths[column] = (shrinkable[column] ?? 0) - 1;
  }
  const wrapped = table.map((row) => row.map((cell, column) => wrap(cell, widths[column] ?? 0).split('\n')));
  const heights = wrapped.map((row) => Math.max(...row.map(({ length }) => length)));
  if (Math.min(...widths) < 0 || Math.max(...heights) > MAX_ROW_LINES)
    return rows.map((row) => renderRow(headers, row, main, width)).join('\n');
  return wrapped
    .flatMap((row, index) =>
      Array.from({ length: heights[index] ?? 0 }, (_, line) =>
        row.map((lines, column) => `  ${(lines[line] ?? '').padEnd(widths[column] ?? 0)}`).join(''),
      ),
    )
    .map((line) => line.trimEnd())
    .join('\n');
}

/** A title (a short one with the cell beside it), the text of the longest column, and what else there is with its header. */
function renderRow(headers: readonly string[], row: readonly string[], main: number, width: number): string {
  const titles = (row[0] ?? '').length < 4 && main > 1 ? 2 : 1;
  const named = row.flatMap((cell, index) =>
    index < titles || index === main || cell === '' ? [] : [`${headers[index]}: ${cell}`],
  );
  const isLong = (text: string): boolean => text.length > width / 2;
  const lines = [row[main] ?? '', ...named.filter(isLong), named.filter((each) => !isLong(each)).join('; ')];
  return [
    `  ${row.slice(0, titles).join('  ')}`,
    ...lines
      .filter((line) => line !== '')
      .map((line) => `      ${wrap(line, width - 6).replaceAll('\n', '\n      ')}`),
  ].join('\n');
}

function wrap(text: string, width: number, indent = 0): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line.trim() !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = ' '.repeat(indent) + word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}
