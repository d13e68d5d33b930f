import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MediaFacts } from '../../../src/media/facts.ts';
import { mendCommand } from '../../../src/media/fix-command.ts';
import { judgeMedia, reviewMedia } from '../../../src/media/judge.ts';
import { quoteCommand } from '../../../src/platform/command-text.ts';
import { fixture } from '../../helpers/media-fixtures.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

interface Row {
  readonly name: string;
  readonly facts: Partial<MediaFacts>;
  readonly line: string;
  /** How ImageMagick makes such a file. */
  readonly made: readonly string[];
}

const PLASMA = ['-size', '700x500', 'plasma:'];
const ROWS: readonly Row[] = [
  {
    name: 'photo.heic',
    facts: { format: 'heic', widthPx: 700, heightPx: 500 },
    line: "magick 'photo.heic[0]' -auto-orient photo-heic-fixed.jpg",
    made: PLASMA,
  },
  {
    name: 'small.heic',
    facts: { format: 'heic', widthPx: 400, heightPx: 200 },
    line: "magick 'small.heic[0]' -auto-orient -resize '606x304!' small-heic-fixed.jpg",
    made: ['-size', '400x200', 'gradient:'],
  },
  {
    name: 'wide.avif',
    facts: { format: 'avif', widthPx: 2000, heightPx: 400 },
    line: "magick 'wide.avif[0]' -auto-orient -gravity center -crop 980x400+0+0 +repage -resize '980x400!' wide-avif-fixed.jpg",
    made: ['-size', '2000x400', 'gradient:red-blue'],
  },
  {
    name: 'layers.psd',
    facts: { format: 'psd', widthPx: 700, heightPx: 500 },
    line: "magick 'layers.psd[0]' -auto-orient layers-psd-fixed.jpg",
    made: PLASMA,
  },
  {
    name: 'anim.webp',
    facts: { format: 'webp', widthPx: 250, heightPx: 250, isAnimated: true },
    line: "magick 'anim.webp[0]' -auto-orient -resize '304x304!' anim-webp-fixed.jpg",
    made: ['-delay', '20', '-size', '250x250', 'xc:red', 'xc:blue'],
  },
  {
    name: 'turned.jpg',
    facts: { format: 'jpeg', widthPx: 200, heightPx: 267, isTurned: true },
    line: "magick 'turned.jpg[0]' -auto-orient -resize '304x404!' turned-fixed.jpg",
    made: [fixture('exif-6.jpg'), '-resize', '267x200!'],
  },
];

it.each(ROWS)('the line for $name is $line', ({ name, facts, line }) => {
  const whole: MediaFacts = { sizeBytes: 1000, format: '', mimeType: 'image/x', kind: 'image', ...facts };
  const { problems } = judgeMedia(whole, 'image');
  const mend = mendCommand({ path: name, kind: 'image', facts: whole, problems });
  expect(mend && quoteCommand(mend)).toBe(line);
});

/** `magick` of ImageMagick 7, or `convert` of 6, which takes the same arguments here. */
const program = ['magick', 'convert'].find((each) => {
  const { stdout } = spawnSync(each, ['-version'], { encoding: 'utf8' });
  return stdout?.startsWith('Version: ImageMagick') === true;
});

describe.skipIf(program === undefined)('run by ImageMagick (skipped where it is not installed)', () => {
  it.for(ROWS)('the line for $name makes a file that passes', async ({ name, line, made }, { skip }) => {
    const folder = await tempFolder();
    const path = join(folder, name);
    spawnSync(program ?? '', [...made, path], { stdio: 'ignore' });
    // HEIC and AVIF are plug-ins, which not every build has.
    if (!existsSync(path)) return skip('this ImageMagick does not write the format');
    const items = [{ name: 'image 1', label: name, location: path, isLocal: true, kind: 'image' as const }];
    const [review] = await reviewMedia(items, { isOneRequest: true });
    expect(review?.mend && quoteCommand(review.mend)).toBe(line);
    const tools = await tempFolder();
    writeFileSync(join(tools, 'magick'), `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 });
    // Through a shell, as a person would; with the tool under the name that the line uses.
    const PATH = program === 'magick' ? process.env.PATH : `${tools}:${process.env.PATH}`;
    execFileSync('sh', ['-c', line], { cwd: folder, env: { ...process.env, PATH }, stdio: 'pipe' });
    const target = review?.mend?.at(-1) ?? '';
    const [mended] = await reviewMedia(
      items.map((item) => ({ ...item, location: join(folder, target) })),
      { isOneRequest: true },
    );
    expect([mended?.problems, mended?.remarks]).toEqual([[], []]);
    expect(readdirSync(folder).sort()).toEqual([name, target].sort());
  });
});
