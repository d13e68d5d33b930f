import { expect, it } from 'vitest';
import { type Matrix, readMatrix } from '../../../src/run/matrix.ts';

const locate = (path: readonly (string | number)[]) => ({ source: path.join('.') });
const fruits = ['apple', 'pear'];
// The example of GitHub's documentation of strategy.matrix.
const include = [
  { color: 'green' },
  { color: 'pink', animal: 'cat' },
  { fruit: 'apple', shape: 'circle' },
  { fruit: 'banana' },
  { fruit: 'banana', animal: 'cat' },
];

// biome-ignore format: one row a matrix
it.each<[string, Matrix, string]>([
  ['combines all axes, the last one fastest', { a: [1, 2], b: ['x', 'y'] }, '1 x, 1 y, 2 x, 2 y'],
  ['leaves out what an entry of exclude fits', { a: [1, 2], b: ['x', 'y'], exclude: [{ a: 1, b: 'x' }, { a: 2 }] }, '1 y'],
  ['adds include to the cells that it fits, or as cells of their own', { fruit: fruits, animal: ['cat', 'dog'], include },
    'apple cat pink circle, apple dog green circle, pear cat pink, pear dog green, banana, banana cat'],
])('%s', (_what, matrix, expected) => {
  const { cells, problems } = readMatrix(matrix, ['m'], locate);
  expect([cells.map((cell) => cell.map(({ value }) => value).join(' ')).join(', '), problems]).toEqual([expected, []]);
});

it('knows the place of each value', () => {
  const [, second] = readMatrix({ a: [1, 2] }, ['jobs', 'x', 'matrix'], locate).cells;
  expect(second?.[0]?.keyPath).toEqual(['jobs', 'x', 'matrix', 'a', 1]);
});

it.each<[string, Matrix, string]>([
  ['exclude of no axis', { color: [1], exclude: [{ colour: 1 }] }, 'm.exclude.0'],
  ['exclude that fits nothing', { a: [1], exclude: [{ a: 2 }] }, 'm.exclude.0'],
  ['exclude of everything', { a: [1], exclude: [{ a: 1 }] }, 'm'],
  ['too many cells', Object.fromEntries([...'abcdefg'].map((axis) => [axis, Array(10).fill(1)])), 'm'],
])('refuses %s', (_name, matrix, source) => {
  expect(readMatrix(matrix, ['m'], locate).problems.map((problem) => problem.source)).toEqual([source]);
});
