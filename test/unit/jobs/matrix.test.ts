import { describe, expect, it } from 'vitest';
import { type Matrix, readMatrix } from '../../../src/run/matrix.ts';

const locate = (path: readonly (string | number)[]) => ({ source: path.join('.') });
const cells = (value: Matrix) =>
  readMatrix(value, ['m'], locate).cells.map((cell) =>
    Object.fromEntries(cell.map(({ axis, value: own }) => [axis, own])),
  );
const problems = (value: Matrix) => readMatrix(value, ['m'], locate).problems;

describe('readMatrix', () => {
  it('combines all axes, the last one fastest', () => {
    expect(cells({ a: [1, 2], b: ['x', 'y'] })).toEqual([
      { a: 1, b: 'x' },
      { a: 1, b: 'y' },
      { a: 2, b: 'x' },
      { a: 2, b: 'y' },
    ]);
  });

  it('leaves out what an entry of exclude fits', () => {
    expect(cells({ a: [1, 2], b: ['x', 'y'], exclude: [{ a: 1, b: 'x' }, { a: 2 }] })).toEqual([
      { a: 1, b: 'y' },
    ]);
  });

  it('adds include to the cells that it fits, or as cells of their own', () => {
    // The example of GitHub's documentation of strategy.matrix.
    const fruits = ['apple', 'pear'];
    const include = [
      { color: 'green' },
      { color: 'pink', animal: 'cat' },
      { fruit: 'apple', shape: 'circle' },
      { fruit: 'banana' },
      { fruit: 'banana', animal: 'cat' },
    ];
    expect(cells({ fruit: fruits, animal: ['cat', 'dog'], include })).toEqual([
      { fruit: 'apple', animal: 'cat', color: 'pink', shape: 'circle' },
      { fruit: 'apple', animal: 'dog', color: 'green', shape: 'circle' },
      { fruit: 'pear', animal: 'cat', color: 'pink' },
      { fruit: 'pear', animal: 'dog', color: 'green' },
      { fruit: 'banana' },
      { fruit: 'banana', animal: 'cat' },
    ]);
  });

  it('knows the place of each value', () => {
    const [, second] = readMatrix({ a: [1, 2] }, ['jobs', 'x', 'matrix'], locate).cells;
    expect(second?.[0]?.keyPath).toEqual(['jobs', 'x', 'matrix', 'a', 1]);
  });

  it.each([
    ['exclude of no axis', { color: [1], exclude: [{ colour: 1 }] }, 'm.exclude.0'],
    ['exclude that fits nothing', { a: [1], exclude: [{ a: 2 }] }, 'm.exclude.0'],
    ['exclude of everything', { a: [1], exclude: [{ a: 1 }] }, 'm'],
    ['too many cells', Object.fromEntries('abcdefg'.split('').map((axis) => [axis, Array(10).fill(1)])), 'm'],
  ])('refuses %s', (_name, value, source) => {
    expect(problems(value).map((problem) => problem.source)).toEqual([source]);
  });
});
