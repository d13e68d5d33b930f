// The demo: one real clip from each operation, through the built-in sandbox; the first frame is a local picture, checked
// and uploaded to the sandbox. No key, no network, no cost.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const at = (path) => join(import.meta.dirname, path);
const media = '-i https://example.com/style.png -a https://example.com/music.mp3';
const clips = [
  ['t2v', 'A macro lens focuses on a green glass frog on a leaf', '-d 5'],
  [
    'i2v',
    'The camera slowly zooms in, the scene comes to life',
    '-d 4 -q 480p -r 1:1',
    '-i',
    at('fixtures/media/jpeg-444.jpg'),
  ],
  ['ref', 'The art style of image 1, audio 1 as background music', `${media} -d 4 -q 480p -r 9:16`],
];

for (const [operation, prompt, flags, ...picture] of clips) {
  const line = `${flags} --sandbox --overwrite -o demo/${operation}.mp4`.split(' ');
  const args = [at('../bin/evolink.js'), operation, prompt, ...line, ...picture];
  process.exitCode ||= spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
}
