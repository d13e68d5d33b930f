import { expect, test } from 'vitest';
import { displayWidth, formatTable } from '../../../src/ui/table.ts';

const COLUMNS = [{ header: 'ID' }, { header: 'CREDITS', align: 'right' as const }, { header: 'PROMPT' }];
const ROWS = [
  ['task-1', '67.5', '초록색 유리 개구리가 앉아 있다'],
  ['task-22', '1032.75', 'a frog'],
];

test('numbers stand at the right, wide characters keep the columns straight', () => {
  expect(
    formatTable(
      [{ header: 'A' }, { header: 'N', align: 'right' }, { header: 'B' }],
      [
        ['한', '7', 'x'],
        ['ab', '10', 'y'],
      ],
    ),
  ).toBe(['A    N  B', '한   7  x', 'ab  10  y'].join('\n'));
});

test('the last column gives way, whole graphemes only', () => {
  const lines = formatTable(COLUMNS, ROWS, { width: 32 }).split('\n');
  expect(lines).toEqual([
    'ID       CREDITS  PROMPT',
    'task-1      67.5  초록색 유리…',
    'task-22  1032.75  a frog',
  ]);
  for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(32);
});

test('ids and numbers stay whole on a screen that is too narrow', () => {
  const text = formatTable(COLUMNS, ROWS, { width: 10 });
  expect(text).toContain('task-22  1032.75  a frog');
  expect(text).toContain('초록색…');
});

test('without a width nothing is cut', () => {
  expect(formatTable(COLUMNS, ROWS)).toContain('초록색 유리 개구리가 앉아 있다');
});

test('a style is put on after measuring', () => {
  const styled = { text: '7', style: (text: string) => `<${text}>` };
  expect(
    formatTable(
      [{ header: 'N', align: 'right' }, { header: 'B' }],
      [
        [styled, 'x'],
        ['100', 'y'],
      ],
    ),
  ).toBe(['  N  B', '  <7>  x', '100  y'].join('\n'));
});
