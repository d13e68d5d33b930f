// A valid MP4 of any size, without any size in memory: a tiny clip, then one `free` box up to the end.
import { rmSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';

const helper = fileURLToPath(new URL('../helpers/tiny-mp4.ts', import.meta.url));
const built = fileURLToPath(new URL('../helpers/.tiny-mp4.bench.mjs', import.meta.url));
buildSync({
  entryPoints: [helper],
  outfile: built,
  bundle: true,
  format: 'esm',
  platform: 'node',
  logLevel: 'error',
});
const { tinyMp4, u32 } = await import(pathToFileURL(built).href);
rmSync(built);

/** The first bytes of the file; what follows up to `sizeBytes` may be anything. */
export function makeLargeMp4Head(sizeBytes) {
  const clip = tinyMp4();
  return Buffer.concat([clip, u32(sizeBytes - clip.length), Buffer.from('free')]);
}
