import { expect, test } from 'vitest';
import { toTaskRow } from '../../../src/cli/records.ts';
import { displayWidth } from '../../../src/ui/table.ts';
import { formatTasks, sortByUrgency, type TaskRow } from '../../../src/ui/tasks.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';

const NOW = Date.UTC(2026, 10, 21, 9, 0, 0);
const HOUR = 3_600_000;
const formatStatus = (rows: readonly TaskRow[], width?: number) =>
  formatTasks(sortByUrgency(rows), 'status', NOW, width);
const at = (ms: number) => new Date(NOW + ms).toISOString();
const row = (id: string, state: string, facts: Partial<TaskRow> = {}): TaskRow => ({
  ...toTaskRow(undefined, { id, state: 'running', status: state, isKnownStatus: true, links: [] }),
  ...{ state, created_at: at(-23 * HOUR), ...facts },
});

const ROWS: readonly TaskRow[] = [
  row('task-running', 'running', {
    progress_percent: 45,
    prompt: '초록색 유리 개구리가 나뭇잎 위에 앉아 있다',
    created_at: at(-5 * 60_000),
    credits: 67.5,
  }),
  row('task-later', 'completed', { prompt: 'a lake', link_expires_at: at(22 * HOUR) }),
  row('task-soon', 'completed', { prompt: 'a frog', link_expires_at: at(40 * 60_000) }),
  row('task-saved', 'saved', { path: '/clips/a.mp4', link_expires_at: at(60_000) }),
];

test('links about to end come first and are marked; a saved clip needs its link no more', () => {
  const [, soon, later, saved, running] = formatStatus(ROWS, 120).split('\n');
  expect(soon).toMatch(/^task-soon .*! expires in 40 min/);
  expect(later).toMatch(/^task-later [^!]* expires in 22 h/);
  expect(saved).toMatch(/^task-saved (?!.*expires)/);
  expect(running).toMatch(/^task-running +running +45% +67\.5 +5 min ago/);
  const over = row('t', 'completed', { link_expires_at: at(0) });
  expect(formatStatus([over])).toContain('expired');
});

test('on a narrow screen every value is still there', () => {
  const text = formatStatus(ROWS, 40);
  expect(text).toContain(
    'id: task-running\n  state: running\n  done: 45%\n  credits: 67.5\n  created: 5 min ago\n  clip: 초록색 유리 개구리가 나뭇잎...\n',
  );
  expect(text).toContain('link: ! expires in 40 min');
  for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(40);
  // To be copied.
  const path = '/clips/a folder/of clips/with spaces and/a long name.mp4';
  expect(formatStatus([row('task-unified-1', 'saved', { path })], 40)).toContain(`clip: ${path}\n`);
});

test('text from elsewhere cannot draw', () => {
  const evil = row('a\u001b[2J', 'pending', { status: '\u0007x', note: '\u202eevil' });
  expect(formatStatus([evil])).not.toMatch(/[^\P{C}\n]/u);
});

test.each([
  ['accepted', 'running', 'processing', 'running'],
  ['accepted', 'completed', 'completed', 'completed'],
  ['accepted', 'failed', 'failed', 'failed'],
  ['saved', 'completed', 'completed', 'saved'],
] as const)('a record that is %s, of a task that is %s (%s), is %s', (state, now, status, word) => {
  const task = { id: 'task-1', state: now, status, isKnownStatus: true, links: [] };
  expect(toTaskRow(sampleRecord({ state, taskId: 'task-1' }), task)).toMatchObject({ state: word, status });
});
