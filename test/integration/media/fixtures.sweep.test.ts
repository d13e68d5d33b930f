import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectFile } from '../../../src/media/inspect.ts';
import { quoteCommand } from '../../../src/platform/text.ts';
import { fixture } from '../../helpers/media-fixtures.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';
import { FIXTURES, type FixtureRow, review } from './fixture-table.ts';

function has(program: string): boolean {
  return spawnSync(program, ['-version'], { stdio: 'ignore' }).status === 0;
}

describe.skipIf(!has('ffmpeg'))('the commands that fix', () => {
  /** No encoder can make up for what is missing. */
  const isFixable = ({ verdict }: FixtureRow) => typeof verdict !== 'string' && !verdict.includes('whole');

  it.each(FIXTURES.filter(isFixable))('$name as $kind', async ({ name, kind }) => {
    const folder = await tempFolder();
    copyFileSync(fixture(name), join(folder, name));
    const { fix } = await review(join(folder, name), kind, name);
    if (fix === undefined) {
      // Text, a page, another kind of media: nothing to convert.
      const [problem] = (await review(fixture(name), kind)).problems;
      expect(problem?.rule).toBe('type');
      return;
    }
    if (fix[0] !== 'ffmpeg') return expect(fix[0]).toBe('magick');
    if (name === 'bomb.png') return;
    // Through a shell, as a person would.
    execFileSync('sh', ['-c', quoteCommand(fix)], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const target = fix.at(-1) ?? '';
    const fixed = await review(join(folder, target), kind);
    expect(fixed.problems).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual([name, target].sort());
  });

  it.each([
    ['exif-6.jpg', ['magick', '-auto-orient']],
    ['heic.heic', ['magick', '-auto-orient']],
  ])('turns %s upright', async (name, words) => {
    const { fixCommand } = await import('../../../src/media/fix-command.ts');
    const { facts } = await inspectFile(fixture(name));
    if (facts === undefined) return expect.unreachable();
    const problems = [{ rule: 'size', is: '', allowed: '' }] as const;
    expect(fixCommand(name, 'image', facts, problems)).toEqual(expect.arrayContaining(words));
  });
});
