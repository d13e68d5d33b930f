import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectFile } from '../../../src/media/inspect.ts';
import { type MediaReview, reviewMedia } from '../../../src/media/judge.ts';
import { quoteCommand } from '../../../src/platform/command-text.ts';
import { fixture } from '../../helpers/media-fixtures.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';
import { FIXTURES, type FixtureRow } from './fixture-table.ts';

async function review(path: string, kind: FixtureRow['kind'], label = path): Promise<MediaReview> {
  const items = [{ name: `${kind} 1`, label, location: path, isLocal: true, kind }];
  const [found] = await reviewMedia(items, { isOneRequest: true });
  if (found === undefined) throw new Error('no review');
  return found;
}

function has(program: string): boolean {
  return spawnSync(program, ['-version'], { stdio: 'ignore' }).status === 0;
}

describe.skipIf(!has('ffmpeg'))('the commands that mend', () => {
  /** No encoder can make up for these; or only ImageMagick reads them, which need not be here. */
  const isMendable = ({ kind, verdict }: FixtureRow) =>
    typeof verdict !== 'string' && !verdict.includes('whole') && kind !== undefined;

  it.each(FIXTURES.filter(isMendable))('$name as $kind', async ({ name, kind }) => {
    const folder = await tempFolder();
    copyFileSync(fixture(name), join(folder, name));
    const { mend } = await review(join(folder, name), kind, name);
    if (mend === undefined) {
      // Text, a page, another kind of media: nothing to convert.
      const [problem] = (await review(fixture(name), kind)).problems;
      expect(problem?.rule).toBe('type');
      return;
    }
    if (mend[0] !== 'ffmpeg') return expect(mend[0]).toBe('magick');
    if (name === 'bomb.png') return;
    // Through a shell, as a person would.
    execFileSync('sh', ['-c', quoteCommand(mend)], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const target = mend.at(-1) ?? '';
    const mended = await review(join(folder, target), kind);
    expect(mended.problems).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual([name, target].sort());
  });

  it.each([
    ['exif-6.jpg', ['magick', '-auto-orient']],
    ['heic.heic', ['magick', '-auto-orient']],
  ])('turns %s upright', async (name, words) => {
    const { mendCommand } = await import('../../../src/media/fix-command.ts');
    const { facts } = await inspectFile(fixture(name));
    const problems = [{ rule: 'size', is: '', allowed: '' }] as const;
    expect(mendCommand({ path: name, kind: 'image', facts, problems })).toEqual(
      expect.arrayContaining(words),
    );
  });
});

interface Probe {
  readonly widthPx?: number | undefined;
  readonly heightPx?: number | undefined;
  readonly seconds?: number | undefined;
  readonly framesPerSecond?: number | undefined;
}

function ffprobe(path: string): Probe | undefined {
  const args = ['-v', 'error', '-print_format', 'json', '-show_format', '-show_streams', path];
  const { status, stdout } = spawnSync('ffprobe', args, { encoding: 'utf8' });
  if (status !== 0) return undefined;
  const { streams, format } = JSON.parse(stdout);
  const video = streams.find((stream: { codec_type: string }) => stream.codec_type === 'video');
  const [frames, seconds] = String(video?.avg_frame_rate ?? '0/1')
    .split('/')
    .map(Number);
  const isTurned = (video?.side_data_list ?? []).some(
    ({ rotation }: { rotation?: number }) => Math.abs(rotation ?? 0) === 90,
  );
  return {
    widthPx: isTurned ? video.height : video?.width,
    heightPx: isTurned ? video.width : video?.height,
    seconds: format.duration === undefined ? undefined : Number(format.duration),
    framesPerSecond: frames !== undefined && seconds ? frames / seconds : undefined,
  };
}

describe.skipIf(!has('ffprobe'))('agreement with ffprobe', () => {
  /** What ffprobe guesses or does not know: EXIF, and an MP3 whose length it takes from its bit rate. */
  const OTHERWISE: Readonly<Record<string, string>> = {
    'exif-6.jpg': 'ffprobe does not turn by EXIF',
    'exif-8.jpg': 'ffprobe does not turn by EXIF',
    'exif-6-ratio.jpg': 'ffprobe does not turn by EXIF',
    'mp3-vbr-no-header.mp3': 'ffprobe guesses by the bit rate of the first frame',
    'webp-animated.webp': 'ffprobe 5 does not read animations',
  };
  const good = FIXTURES.filter(
    ({ name, verdict }) =>
      (typeof verdict === 'string' ||
        !verdict.some((rule) => ['whole', 'type', 'readable'].includes(rule))) &&
      OTHERWISE[name] === undefined &&
      name !== 'bomb.png',
  );

  it.each(good)('$name', async ({ name, kind }) => {
    const probe = ffprobe(fixture(name));
    const { facts } = await inspectFile(fixture(name));
    expect(probe).toBeDefined();
    if (kind !== 'audio') {
      expect([facts?.widthPx, facts?.heightPx]).toEqual([probe?.widthPx, probe?.heightPx]);
    }
    if (kind === 'image') return;
    // A frame; where frames vary, the longest of them (a tenth of a second in these files).
    const frameSeconds = name.startsWith('vfr') ? 0.1 : 1 / (facts?.framesPerSecond ?? 24);
    expect(Math.abs((facts?.seconds ?? 0) - (probe?.seconds ?? 0))).toBeLessThanOrEqual(frameSeconds);
    if (kind !== 'video') return;
    const seconds = facts?.seconds ?? 0;
    const frames = (rate: number | undefined) => (rate ?? 0) * seconds;
    const slack = name.startsWith('vfr') ? 0.06 * frames(probe?.framesPerSecond) : 1;
    expect(Math.abs(frames(facts?.framesPerSecond) - frames(probe?.framesPerSecond))).toBeLessThanOrEqual(
      slack,
    );
  });

  it('is better than ffprobe where that guesses', async () => {
    const { facts } = await inspectFile(fixture('mp3-vbr-no-header.mp3'));
    const whole = await inspectFile(fixture('mp3-vbr-uneven.mp3'));
    expect(facts?.seconds).toBeCloseTo(whole.facts?.seconds ?? 0, 1);
  });
});
