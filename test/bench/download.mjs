// Saving a finished task against a short script that streams, hashes and syncs, from the same server in the same rounds.
// What both pay once (Node, the question for the task, the verification) is taken away: processor time at 512 MiB less that
// at 20 MiB.
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { evolink, importSource, inHome, pair, size, startServer } from './measure.mjs';

const MIB = 1024 ** 2;
const script = (name) => join(import.meta.dirname, name);

const { tinyMp4 } = await importSource('./test/helpers/tiny-mp4.ts');

/** A tiny clip, then one `free` box up to the end, which takes no memory and no disk. */
function makeClip(path, sizeBytes) {
  const clip = tinyMp4();
  const box = Buffer.from('....free');
  box.writeUInt32BE(sizeBytes - clip.length);
  writeFileSync(path, Buffer.concat([clip, box]));
  truncateSync(path, sizeBytes);
}

async function save({ folder, env }, sizeMib) {
  const clip = join(folder, `clip-${sizeMib}.mp4`);
  makeClip(clip, sizeMib * MIB);
  const server = await startServer(script('file-server.mjs'), clip);
  const target = join(folder, 'saved.mp4');
  let run = 0;
  const ours = () => evolink('download', `task-bench-${sizeMib}-${++run}`, '-o', target);
  const bare = [process.execPath, script('bare-download.mjs'), `${server.url}/clip`, target];
  const options = { cwd: folder, env: { ...env, EVOLINK_BASE_URL: server.url } };
  try {
    return await pair(ours, bare, options, { runs: 5, prepare: () => rmSync(target, { force: true }) });
  } finally {
    server.stop();
    rmSync(clip, { force: true });
  }
}

export function measure() {
  return inHome(async (home) => {
    const [small, large] = [await save(home, size(20, 1)), await save(home, size(512, 8))];
    const [ours, theirs] = [0, 1].map((index) => large.cpuSeconds[index] - small.cpuSeconds[index]);
    return [
      { name: 'download of 492 MiB more: CPU, of a got script', goal: 1.25, figure: ours / theirs },
      { name: 'download of 512 MiB: peak memory, MiB', goal: 150, figure: large.peakMib },
    ];
  });
}
