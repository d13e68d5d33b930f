import { beforeAll, describe, expect, it } from 'vitest';
import { createCanvas, createMeasure, drawText } from '../../../src/sandbox/video/draw.ts';
import { createPixelFont, loadPixelFont, type PixelFont } from '../../../src/sandbox/video/text.ts';

const picture = (rows: Uint32Array, columns: number): string[] =>
  Array.from(rows, (row) =>
    row.toString(2).padStart(32, '0').slice(0, columns).replaceAll('0', '.').replaceAll('1', '#'),
  );

let font: PixelFont;
beforeAll(async () => {
  font = await loadPixelFont();
});

describe('loadPixelFont', () => {
  it('turns outlines back into the pixels of the design', () => {
    const { advancePx, rows } = font.glyph(0x41);
    expect(advancePx).toBe(8);
    expect(picture(rows, 8)).toEqual([
      '........',
      '........',
      '........',
      '........',
      '...##...',
      '..#..#..',
      '..#..#..',
      '.#....#.',
      '.#....#.',
      '.######.',
      '.#....#.',
      '.#....#.',
      '.#....#.',
      '.#....#.',
      '........',
      '........',
    ]);
  });

  it.each([...'가한漢简體ひカЖéßñğΩאกअ…—×·😀🎬'])('has a glyph of its own for %s', (character) => {
    const glyph = font.glyph(character.codePointAt(0) ?? 0);
    expect(glyph).not.toBe(font.glyph(0x10fffd));
    expect(glyph.rows.some((row) => row !== 0)).toBe(true);
  });

  it('is 16 pixels wide for CJK, 8 for Latin, and empty for a space', () => {
    expect(['한', '漢', 'あ', 'é', ' '].map(createMeasure(font))).toEqual([16, 16, 16, 8, 8]);
    expect(font.glyph(0x20).rows.every((row) => row === 0)).toBe(true);
  });
});

describe('a code point without a glyph', () => {
  const empty = createPixelFont({
    unitsPerEm: 1024,
    ascent: 896,
    hasGlyphForCodePoint: () => false,
    glyphForCodePoint: () => ({ advanceWidth: 1024, path: { commands: [] } }),
  });

  it('is a crossed box', () => {
    const { advancePx, rows } = empty.glyph(0x4e00);
    const drawn = picture(rows, 16);
    expect(advancePx).toBe(16);
    expect(drawn[1]).toBe('.##############.');
    expect(drawn[14]).toBe('.##############.');
    expect(drawn.slice(2, 14).every((row) => row.startsWith('.#') && row.endsWith('#.'))).toBe(true);
    expect(drawn[7]).toContain('##');
  });

  it('is what the real font shows for an unassigned one', () => {
    expect([...font.glyph(0x10fffd).rows]).toEqual([...empty.glyph(0x4e00).rows]);
  });
});

it('draws text at its place, in its size and colour, and clips it at the edge', () => {
  const canvas = createCanvas(64, 40);
  drawText(canvas, { text: '┃', xPx: 10, yPx: 4, scale: 2 }, { font, color: { y: 200, u: 90, v: 160 } });
  drawText(canvas, { text: '█', xPx: 60, yPx: 30, scale: 2 }, { font, color: { y: 200, u: 90, v: 160 } });
  const lit = [...canvas.luma.keys()].filter((at) => canvas.luma[at] === 200);
  const inFirst = lit.filter((at) => at % 64 < 26);
  expect(Math.min(...inFirst.map((at) => Math.floor(at / 64)))).toBe(4);
  expect(Math.max(...inFirst.map((at) => Math.floor(at / 64)))).toBe(35);
  expect(lit.some((at) => at % 64 === 63)).toBe(true);
  expect(new Set(canvas.luma)).toEqual(new Set([0, 200]));
  expect(new Set(canvas.chromaU).has(90)).toBe(true);
});
