import { expect, test } from 'vitest';
import { formatStatus, type StatusRow, toStatusDocument } from '../../../src/ui/status.ts';
import { displayWidth } from '../../../src/ui/table.ts';
import { createTheme } from '../../../src/ui/theme.ts';

const NOW = Date.UTC(2026, 10, 21, 9, 0, 0);
const HOUR = 3_600_000;
const theme = createTheme({ isUnicode: true });

const ROWS: readonly StatusRow[] = [
  {
    id: 'task-running',
    state: 'accepted',
    status: 'processing',
    progressPercent: 45,
    prompt: '초록색 유리 개구리가 나뭇잎 위에 앉아 있다',
    createdAtMs: NOW - 5 * 60_000,
    credits: 67.5,
  },
  {
    id: 'task-later',
    state: 'completed',
    status: 'completed',
    prompt: 'a lake',
    createdAtMs: NOW - 2 * HOUR,
    linkExpiresAtMs: NOW + 22 * HOUR,
  },
  {
    id: 'task-soon',
    state: 'completed',
    status: 'completed',
    prompt: 'a frog',
    createdAtMs: NOW - 23 * HOUR,
    linkExpiresAtMs: NOW + 40 * 60_000,
  },
  {
    id: 'task-saved',
    state: 'saved',
    status: 'completed',
    path: '/clips/a.mp4',
    createdAtMs: NOW - 23 * HOUR,
    linkExpiresAtMs: NOW + 60_000,
  },
];

test('links about to end come first and are marked; a saved clip needs its link no more', () => {
  const lines = formatStatus(ROWS, { now: NOW, columns: 120, theme }).split('\n');
  expect(lines.map((line) => line.split(' ')[0])).toEqual([
    'ID',
    'task-soon',
    'task-later',
    'task-saved',
    'task-running',
    '',
  ]);
  expect(lines[1]).toContain('! expires in 40 min');
  expect(lines[2]).toContain(' expires in 22 h');
  expect(lines[2]).not.toContain('!');
  expect(lines[3]).not.toContain('expires');
});

test('a link that is over says so', () => {
  const row: StatusRow = {
    id: 't',
    state: 'completed',
    status: 'completed',
    createdAtMs: NOW,
    linkExpiresAtMs: NOW,
  };
  expect(formatStatus([row], { now: NOW, theme })).toContain('expired');
});

test('on a narrow screen every value is still there', () => {
  const text = formatStatus(ROWS, { now: NOW, columns: 40, theme });
  expect(text).toContain(
    'task-running\n  running, 45%, 67.5 credits\n  초록색 유리 개구리가 나뭇잎 위에 앉아…\n',
  );
  expect(text).toContain('link: ! expires in 40 min');
  for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(40);
});

test('text from elsewhere cannot draw', () => {
  const row: StatusRow = {
    id: 'a\u001b[2J',
    state: 'unknown',
    status: '\u0007x',
    note: '\u202eevil',
    createdAtMs: NOW,
  };
  expect(formatStatus([row], { now: NOW, theme })).not.toMatch(/[^\P{C}\n]/u);
});

test('the document has the same order and every key', () => {
  const { tasks } = toStatusDocument(ROWS);
  expect(tasks.map((task) => task.id)).toEqual(['task-soon', 'task-later', 'task-saved', 'task-running']);
  expect(tasks[0]).toEqual({
    id: 'task-soon',
    state: 'completed',
    status: 'completed',
    progress_percent: null,
    prompt: 'a frog',
    created_at: '2026-11-20T10:00:00.000Z',
    link_expires_at: '2026-11-21T09:40:00.000Z',
    path: null,
    credits: null,
    note: null,
  });
});
