// Saving a finished task against a short script that streams, hashes and syncs, from the same server in the same rounds.
// What both pay once (Node, the question for the task, the verification) is taken away: processor time at 512 MiB less that
// at 20 MiB.
import { spawn } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { evolink, importSource, inHome, pair, size } from './measure.mjs';

const MIB = 1024 ** 2;
const script = (name) => fileURLToPath(new URL(name, import.meta.url));

const { tinyMp4 } = await importSource('./test/helpers/tiny-mp4.ts');

/** A tiny clip, then one `free` box up to the end, which takes no memory and no disk. */
function makeClip(path, sizeBytes) {
  const handle = openSync(path, 'w');
  const clip = tinyMp4();
  const box = Buffer.from('....free');
  box.writeUInt32BE(sizeBytes - clip.length);
  writeSync(handle, Buffer.concat([clip, box]));
  ftruncateSync(handle, sizeBytes);
  closeSync(handle);
}

async function serve(file) {
  const server = spawn(process.execPath, [script('./file-server.mjs'), file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise((resolve) => server.stdout.once('data', resolve));
  return { url: `http://127.0.0.1:${JSON.parse(line).port}`, stop: () => server.kill() };
}

async function save({ folder, env }, sizeMib) {
  const clip = join(folder, `clip-${sizeMib}.mp4`);
  makeClip(clip, sizeMib * MIB);
  const server = await serve(clip);
  const target = join(folder, 'saved.mp4');
  let run = 0;
  const ours = () => {
    run += 1;
    return evolink('download', `task-bench-${sizeMib}-${run}`, '-o', target);
  };
  const bare = [process.execPath, script('./bare-download.mjs'), `${server.url}/clip`, target];
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
