import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadJobFile } from '../../../src/run/job-file.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

describe('loadJobFile', () => {
  it('names the file as the person did, and counts paths from it', async () => {
    const cwd = await tempFolder();
    await mkdir(join(cwd, 'ads'));
    await writeFile(join(cwd, 'ads', 'job.yaml'), 'type: t2v\nprompt: 안녕\noutput: a.mp4\n');
    const { job, problems } = await loadJobFile({ path: 'ads/job.yaml', cwd });
    expect(problems).toEqual([]);
    expect(job).toMatchObject({ value: { type: 't2v', prompt: '안녕' }, baseFolder: join(cwd, 'ads') });
    expect(job?.output?.source).toBe('output (ads/job.yaml:3:1)');
  });

  it.each([
    ['missing.yaml', undefined, /there is no such file/],
    ['.', undefined, /it is a folder/],
    ['large.yaml', Buffer.alloc(5_000_001, 'a'), /larger than 5 MB/],
    ['latin1.yaml', Buffer.from([0x70, 0x3a, 0x20, 0xe9]), /line 1 is not valid UTF-8/],
  ])('refuses %s with exit 2', async (path, bytes, message) => {
    const cwd = await tempFolder();
    if (bytes !== undefined) await writeFile(join(cwd, path), bytes);
    await expect(loadJobFile({ path, cwd })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(message),
    });
  });
});
