// The demo: one real clip from each operation, through the built-in sandbox; the first frame is a local picture, checked
// and uploaded to the sandbox. No key, no network, no cost.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../bin/evolink.js', import.meta.url));
const example = 'https://example.com';
const picture = fileURLToPath(new URL('fixtures/media/jpeg-444.jpg', import.meta.url));

const clips = [
  ['t2v', 'A macro lens focuses on a green glass frog on a leaf', '-d', '5'],
  [
    'i2v',
    'The camera slowly zooms in, the scene comes to life',
    '-i',
    picture,
    '-d',
    '4',
    '-q',
    '480p',
    '-r',
    '1:1',
  ],
  [
    'ref',
    'The art style of image 1, audio 1 as background music',
    '-i',
    `${example}/style.png`,
    '-a',
    `${example}/music.mp3`,
    '-d',
    '4',
    '-q',
    '480p',
    '-r',
    '9:16',
  ],
];

for (const [operation, ...rest] of clips) {
  const args = [bin, operation, ...rest, '--sandbox', '--overwrite', '-o', `demo/${operation}.mp4`];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) {
    process.exitCode = status ?? 1;
    break;
  }
}
