import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The pages lie beside the source and in the package, but not in the bundle. */
function docsFolder(): string {
  let folder = import.meta.dirname;
  // The bundle has a package.json of its own.
  while (!existsSync(join(folder, 'src', 'docs'))) folder = dirname(folder);
  return join(folder, 'src', 'docs');
}

/** The source of a page of the reference, without the marks of its generated blocks. */
export async function readPage(name: string): Promise<string> {
  const text = await readFile(join(docsFolder(), `${name}.md`), 'utf8');
  return text.replaceAll(/^<!--.*-->\n/gm, '');
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

/** Aligned columns where the last can be wrapped in what is left; else a paragraph a row, each cell with its header. */
function renderTable(block: string, width: number): string {
  const [headers = [], , ...rows] = block.split('\n').map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => plain(cell.trim())),
  );
  const widths = headers.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const indent = widths.slice(0, -1).reduce((sum, each) => sum + each + 2, 2);
  if (width - indent >= Math.min(24, widths.at(-1) ?? 0))
    return rows
      .map((row) =>
        row.map((cell, column) => (column < row.length - 1 ? cell.padEnd(widths[column] ?? 0) : cell)),
      )
      .map((row) =>
        `  ${row.slice(0, -1).join('  ')}  ${wrap(row.at(-1) ?? '', width - indent).replaceAll('\n', `\n${' '.repeat(indent)}`)}`.trimEnd(),
      )
      .join('\n');
  // A short second column stands beside the first.
  const titles = (widths[1] ?? 0) <= 12 ? 2 : 1;
  return rows
    .map((row) => {
      const named = row.flatMap((cell, column) =>
        column < titles || cell === '' ? [] : [wrap(`${headers[column]}: ${cell}`, width - 6)],
      );
      return [
        `  ${row.slice(0, titles).join('  ')}`,
        ...named.map((cell) => `      ${cell.replaceAll('\n', '\n        ')}`),
      ].join('\n');
    })
    .join('\n');
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
