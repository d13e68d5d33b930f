import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseRecord } from '../../../src/task/record.ts';
import { saveFallback } from '../../../src/task/settle.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

test('the emergency record holds everything, privately, under a harmless name', async () => {
  const folder = await tempFolder();
  const record = sampleRecord({ state: 'accepted', taskId: '../task-1' });
  const path = await saveFallback(record, folder);
  expect(path).toBe(join(folder, 'evolink-task-___task-1.json'));
  expect(parseRecord(await readFile(path ?? '', 'utf8'))).toEqual({ kind: 'record', record });
  expect((await stat(path ?? '')).mode & 0o777).toBe(0o600);
  expect(await saveFallback({ ...record, state: 'completed' }, folder)).toBe(path);
  expect(await readFile(path ?? '', 'utf8')).toContain('"completed"');
});

test('without a task id the local id names it; a folder that fails gives undefined', async () => {
  const folder = await tempFolder();
  const record = sampleRecord();
  expect(await saveFallback(record, folder)).toBe(join(folder, `evolink-task-${record.localId}.json`));
  expect(await saveFallback(record, join(folder, 'missing'))).toBeUndefined();
});
