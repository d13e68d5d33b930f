import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { inflate } from 'node:zlib';

/** Rows and columns of a full-width glyph; a half-width one has 8 columns. */
export const CELL_PX = 16;

export interface PixelGlyph {
  /** How far the next glyph stands: 8, 16, or 0 for a mark that combines with the glyph before. */
  readonly advancePx: number;
  /** 16 rows from the top; bit 31 of each is the leftmost pixel. */
  readonly rows: Uint32Array;
}

export interface PixelFont {
  /** The glyph of a code point, a hollow box with a cross where the font has none. */
  glyph(codePoint: number): PixelGlyph;
}

/** What this file needs of a parsed font. */
export interface OutlineFont {
  readonly unitsPerEm: number;
  readonly ascent: number;
  hasGlyphForCodePoint(codePoint: number): boolean;
  glyphForCodePoint(codePoint: number): {
    readonly advanceWidth: number;
    readonly path: { readonly commands: readonly { command: string; args: number[] }[] };
  };
}

interface Edge {
  readonly xPx: number;
  readonly topPx: number;
  readonly bottomPx: number;
  readonly winding: number;
}

/**
 * Loads Unifont EX (OFL 1.1): one 16-row pixel design for nearly every script, CJK, Hangul and emoji among them, in
 * 3 MB. Its outlines are made of squares, so that they turn back into pixels without loss.
 */
export async function loadPixelFont(): Promise<PixelFont> {
  const path = createRequire(import.meta.url).resolve(
    '@fontsource/unifontex/files/unifontex-latin-400-normal.woff',
  );
  const { create } = await import('fontkitten');
  const font = create(await unpackWoff(await readFile(path)));
  if (font.isCollection) throw new TypeError(`a single font expected, a collection found: ${path}`);
  return createPixelFont(font);
}

/** Turns a font whose outlines lie on a grid of 16 units an em into bitmaps, each when first asked for. */
export function createPixelFont(font: OutlineFont): PixelFont {
  const glyphs = new Map<number, PixelGlyph>();
  return {
    glyph(codePoint) {
      const known = glyphs.get(codePoint);
      if (known !== undefined) return known;
      const glyph = font.hasGlyphForCodePoint(codePoint) ? rasterise(font, codePoint) : MISSING_GLYPH;
      glyphs.set(codePoint, glyph);
      return glyph;
    },
  };
}

/** WOFF 1.0 back to the sfnt it holds: Node's zlib is quick, and the library inflates a table anew at each glyph. */
async function unpackWoff(woff: Buffer): Promise<Buffer> {
  const tableCount = woff.readUInt16BE(12);
  const sfnt = Buffer.alloc(woff.readUInt32BE(16));
  woff.copy(sfnt, 0, 4, 8);
  sfnt.writeUInt16BE(tableCount, 4);
  let offset = 12 + 16 * tableCount;
  for (let index = 0; index < tableCount; index++) {
    const entry = 44 + 20 * index;
    const record = 12 + 16 * index;
    const start = woff.readUInt32BE(entry + 4);
    const packedSize = woff.readUInt32BE(entry + 8);
    const size = woff.readUInt32BE(entry + 12);
    const packed = woff.subarray(start, start + packedSize);
    const table = packedSize < size ? await promisify(inflate)(packed) : packed;
    woff.copy(sfnt, record, entry, entry + 4);
    woff.copy(sfnt, record + 4, entry + 16, entry + 20);
    sfnt.writeUInt32BE(offset, record + 8);
    sfnt.writeUInt32BE(size, record + 12);
    sfnt.set(table, offset);
    offset += Math.ceil(size / 4) * 4;
  }
  return sfnt;
}

function rasterise(font: OutlineFont, codePoint: number): PixelGlyph {
  const unitsPerPx = font.unitsPerEm / CELL_PX;
  const { advanceWidth, path } = font.glyphForCodePoint(codePoint);
  const edges = verticalEdges(path.commands, (xUnits, yUnits) => [
    xUnits / unitsPerPx,
    (font.ascent - yUnits) / unitsPerPx,
  ]);
  const rows = new Uint32Array(CELL_PX);
  for (let row = 0; row < CELL_PX; row++) {
    const crossing = edges.filter((edge) => edge.topPx < row + 0.5 && edge.bottomPx > row + 0.5);
    for (let column = 0; column < 32; column++) {
      let winding = 0;
      for (const edge of crossing) if (edge.xPx < column + 0.5) winding += edge.winding;
      if (winding !== 0) rows[row] = (rows[row] ?? 0) | (2 ** (31 - column));
    }
  }
  return { advancePx: Math.round(advanceWidth / unitsPerPx), rows };
}

/** Curves count as the line to their end: in this font they are straight. */
function verticalEdges(
  commands: readonly { command: string; args: number[] }[],
  toPx: (xUnits: number, yUnits: number) => [number, number],
): Edge[] {
  const edges: Edge[] = [];
  let start: [number, number] = [0, 0];
  let from: [number, number] = [0, 0];
  for (const { command, args } of commands) {
    const to = command === 'closePath' ? start : toPx(args.at(-2) ?? 0, args.at(-1) ?? 0);
    if (command === 'moveTo') start = to;
    else if (from[1] !== to[1]) {
      const winding = to[1] > from[1] ? 1 : -1;
      const [topPx, bottomPx] = winding === 1 ? [from[1], to[1]] : [to[1], from[1]];
      edges.push({ xPx: (from[0] + to[0]) / 2, topPx, bottomPx, winding });
    }
    from = to;
  }
  return edges;
}

const MISSING_GLYPH: PixelGlyph = {
  advancePx: CELL_PX,
  rows: Uint32Array.from(
    [
      '................',
      '.##############.',
      '.#............#.',
      '.#.#........#.#.',
      '.#..#......#..#.',
      '.#...#....#...#.',
      '.#....#..#....#.',
      '.#.....##.....#.',
      '.#.....##.....#.',
      '.#....#..#....#.',
      '.#...#....#...#.',
      '.#..#......#..#.',
      '.#.#........#.#.',
      '.#............#.',
      '.##############.',
      '................',
    ],
    (row) => Number.parseInt(row.replaceAll('.', '0').replaceAll('#', '1').padEnd(32, '0'), 2),
  ),
};

/** Width of a text, in any unit; additive over its code points. */
export type MeasureText = (text: string) => number;

export interface WrapOptions {
  /** In the unit of `measure`. */
  readonly maxWidth: number;
  readonly maxLines: number;
  readonly measure: MeasureText;
}

export interface WrappedText {
  readonly lines: readonly string[];
  /** Some of the text is missing; the last line ends in "…". */
  readonly cut: boolean;
  /** A word was longer than a line and was broken inside. */
  readonly brokeWord: boolean;
}

const ELLIPSIS = '…';
// A line may end before each of these characters, and not before the marks that close a phrase.
const BREAKS_ANYWHERE = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Emoji_Presentation}ー';
const CLINGS_TO_PREVIOUS = '、。，．！？：；）」』】》〉…‥・ー\\p{M}';
const TOKEN = new RegExp(
  `[${BREAKS_ANYWHERE}][${CLINGS_TO_PREVIOUS}]*| +|[^ ${BREAKS_ANYWHERE}]+?(?:-+|(?=[ ${BREAKS_ANYWHERE}]|$))`,
  'gu',
);

/** One line of composed characters: no controls, no characters without a picture of their own, single spaces. */
export function plainText(text: string): string {
  return text
    .normalize('NFC')
    .replaceAll(/[\p{Cc}\p{Z}]+/gu, ' ')
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, '')
    .trim();
}

/** Breaks a text into lines: between words, anywhere in Chinese and Japanese, inside a word only where it must. */
export function wrapText(text: string, options: WrapOptions): WrappedText {
  const { maxWidth, maxLines, measure } = options;
  const lines: string[] = [];
  let line = '';
  let brokeWord = false;
  for (const token of text.match(TOKEN) ?? []) {
    if (measure(line) + measure(token.trimEnd()) <= maxWidth) {
      line += token;
      continue;
    }
    if (line.trim() !== '') lines.push(line.trimEnd());
    if (lines.length > maxLines) break;
    const pieces = breakWord(token.trimStart(), options);
    brokeWord ||= pieces.length > 1;
    lines.push(...pieces.slice(0, -1));
    line = pieces.at(-1) ?? '';
  }
  if (line.trim() !== '') lines.push(line.trimEnd());
  if (lines.length <= maxLines) return { lines, cut: false, brokeWord };
  const kept = lines.slice(0, maxLines);
  const last = kept.pop();
  if (last !== undefined) kept.push(endCut(last, options));
  return { lines: kept, cut: true, brokeWord };
}

/** The text itself when it fits, else its beginning and "…". */
export function fitText(text: string, options: { maxWidth: number; measure: MeasureText }): string {
  return options.measure(text) <= options.maxWidth ? text : endCut(text, options);
}

function endCut(line: string, { maxWidth, measure }: { maxWidth: number; measure: MeasureText }): string {
  const characters = [...line.trimEnd()];
  while (characters.length > 0 && measure(characters.join('') + ELLIPSIS) > maxWidth) characters.pop();
  return characters.join('').trimEnd() + ELLIPSIS;
}

function breakWord(word: string, { maxWidth, measure }: WrapOptions): string[] {
  const pieces: string[] = [];
  let piece = '';
  for (const character of word) {
    if (piece !== '' && measure(piece + character) > maxWidth) {
      pieces.push(piece);
      piece = '';
    }
    piece += character;
  }
  return [...pieces, piece];
}
