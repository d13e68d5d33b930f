import { expect, test } from 'vitest';
import { displayWidth } from '../../../src/ui/table.ts';
import {
  formatTasks,
  STATUS_COLUMNS,
  sortByUrgency,
  type TaskRow,
  toTaskDocument,
} from '../../../src/ui/tasks.ts';
import { createTheme } from '../../../src/ui/theme.ts';

const NOW = Date.UTC(2026, 10, 21, 9, 0, 0);
const HOUR = 3_600_000;
const theme = createTheme({ isUnicode: true });
const formatStatus = (rows: readonly TaskRow[], view: { now: number; columns?: number }) =>
  formatTasks(sortByUrgency(rows), STATUS_COLUMNS, { ...view, theme });
const row = (id: string, state: string, facts: Partial<TaskRow> = {}): TaskRow => ({
  ...{ id, state, status: state, createdAtMs: NOW - 23 * HOUR },
  ...facts,
});

const ROWS: readonly TaskRow[] = [
  row('task-running', 'accepted', {
    status: 'processing',
    progressPercent: 45,
    prompt: '초록색 유리 개구리가 나뭇잎 위에 앉아 있다',
    createdAtMs: NOW - 5 * 60_000,
    credits: 67.5,
  }),
  row('task-later', 'completed', { prompt: 'a lake', linkExpiresAtMs: NOW + 22 * HOUR }),
  row('task-soon', 'completed', { prompt: 'a frog', linkExpiresAtMs: NOW + 40 * 60_000 }),
  row('task-saved', 'saved', { path: '/clips/a.mp4', linkExpiresAtMs: NOW + 60_000 }),
];

test('links about to end come first and are marked; a saved clip needs its link no more', () => {
  const [, soon, later, saved, running] = formatStatus(ROWS, { now: NOW, columns: 120 }).split('\n');
  expect(soon).toMatch(/^task-soon .*! expires in 40 min/);
  expect(later).toMatch(/^task-later [^!]* expires in 22 h/);
  expect(saved).toMatch(/^task-saved (?!.*expires)/);
  expect(running).toMatch(/^task-running +running +45% +67\.5 +5 min ago/);
  const over = row('t', 'completed', { linkExpiresAtMs: NOW });
  expect(formatStatus([over], { now: NOW })).toContain('expired');
});

test('on a narrow screen every value is still there', () => {
  const text = formatStatus(ROWS, { now: NOW, columns: 40 });
  expect(text).toContain(
    'task-running\n  running, 45%, 67.5 credits, 5 min ago\n  초록색 유리 개구리가 나뭇잎 위에 앉아…\n',
  );
  expect(text).toContain('link: ! expires in 40 min');
  for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(40);
});

test('text from elsewhere cannot draw', () => {
  const evil = row('a\u001b[2J', 'unknown', { status: '\u0007x', note: '\u202eevil' });
  expect(formatStatus([evil], { now: NOW })).not.toMatch(/[^\P{C}\n]/u);
});

test('the document has the same order and every key', () => {
  const tasks = sortByUrgency(ROWS).map(toTaskDocument);
  expect(tasks.map((task) => task.id)).toEqual(['task-soon', 'task-later', 'task-saved', 'task-running']);
  const { created_at, link_expires_at, path, missing } = tasks[0] ?? {};
  expect({ created_at, link_expires_at, path, missing }).toEqual({
    created_at: '2026-11-20T10:00:00.000Z',
    link_expires_at: '2026-11-21T09:40:00.000Z',
    path: null,
    missing: false,
  });
});
