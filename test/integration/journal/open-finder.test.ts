import { describe, expect, it } from 'vitest';
import { createJournal } from '../../../src/task/journal.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

describe('findOpen', () => {
  it('sees what other processes do to records that it has read before', async () => {
    const folder = await tempFolder();
    const options = { folder, clock: createFakeClock(), host: 'here', pid: 1 };
    const mine = createJournal(options);
    const theirs = createJournal(options);
    const record = sampleRecord();
    expect(await mine.findOpen(record.identity)).toBeUndefined();
    await theirs.create(record);
    expect((await mine.findOpen(record.identity))?.state).toBe(record.state);
    expect(await mine.findOpen('another')).toBeUndefined();
    await theirs.update(record.localId, { state: 'sent' });
    expect((await mine.findOpen(record.identity))?.state).toBe('sent');
    await theirs.update(record.localId, { state: 'rejected' });
    expect(await mine.findOpen(record.identity)).toBeUndefined();
  });
});
