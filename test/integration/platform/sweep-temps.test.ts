import { mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createTempSweeper } from '../../../src/platform/durable-file.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

const STALE = '.evolink-00112233445566ff.tmp';
const MINE = '.evolink-aabbccddeeff0011.tmp';

test('what killed processes have left goes after an hour, once a folder; nothing else goes', async () => {
  const folder = await tempFolder();
  const clock = createFakeClock();
  const make = (name: string, ageMs: number): void => {
    writeFileSync(join(folder, name), '');
    const time = new Date(clock.now() - ageMs);
    utimesSync(join(folder, name), time, time);
  };
  const hourMs = 3_600_000;
  make(STALE, 2 * hourMs);
  make(MINE, hourMs / 2);
  for (const name of ['evolink-00112233445566ff.tmp', '.evolink-0011.tmp', '.clip.mp4.part'])
    make(name, 9 * hourMs);
  mkdirSync(join(folder, '.evolink-ffffffffffffffff.tmp'));
  symlinkSync('elsewhere', join(folder, '.evolink-eeeeeeeeeeeeeeee.tmp'));
  const before = readdirSync(folder);
  const sweep = createTempSweeper(clock);
  await sweep(folder);
  expect(before.filter((name) => !readdirSync(folder).includes(name))).toEqual([STALE]);
  make(STALE, 2 * hourMs);
  await sweep(folder);
  expect(readdirSync(folder)).toContain(STALE);
  await expect(sweep(join(folder, 'no-such-folder'))).resolves.toBeUndefined();
});
