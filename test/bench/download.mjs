// Saving a finished task against curl from the same server in the same run. Ours also starts Node, asks for the task,
// hashes, verifies the MP4 and syncs to disk; curl only writes.
import { spawn } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeLargeMp4Head } from './large-mp4.mjs';
import { bin, pair, report, runOnce } from './measure.mjs';

const MIB = 1024 ** 2;

function makeClip(path, sizeBytes) {
  const head = makeLargeMp4Head(sizeBytes);
  const handle = openSync(path, 'w');
  writeSync(handle, head);
  ftruncateSync(handle, sizeBytes);
  closeSync(handle);
}

async function serve(file) {
  const server = spawn(process.execPath, [new URL('./file-server.mjs', import.meta.url).pathname, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise((resolve) => server.stdout.once('data', resolve));
  return { url: `http://127.0.0.1:${JSON.parse(line).port}`, stop: () => server.kill() };
}

async function bench(folder, sizeMib) {
  const clip = join(folder, `clip-${sizeMib}.mp4`);
  makeClip(clip, sizeMib * MIB);
  const server = await serve(clip);
  const target = join(folder, 'saved.mp4');
  let run = 0;
  const prepare = () => rmSync(target, { force: true });
  const env = () => ({
    PATH: process.env.PATH,
    HOME: folder,
    XDG_STATE_HOME: join(folder, 'state'),
    EVOLINK_API_KEY: 'bench-key-00000001',
    EVOLINK_BASE_URL: server.url,
  });
  const evolink = () => {
    run += 1;
    const args = [bin, 'download', `task-bench-${sizeMib}-${run}`, '-o', target];
    return runOnce(process.execPath, args, { env: env(), cwd: folder });
  };
  const curl = () => runOnce('curl', ['-s', '-o', target, `${server.url}/clip`], { cwd: folder });
  try {
    const result = await pair(evolink, curl, { runs: 5, prepare });
    report(`download of ${sizeMib} MiB against curl`, result, sizeMib === 512 ? 'wall at most ×1.5, peak at most 150 MiB' : undefined);
    return result.a.peakMib;
  } finally {
    server.stop();
    rmSync(clip, { force: true });
  }
}

const folder = mkdtempSync(join(tmpdir(), 'evolink-bench-'));
try {
  const small = await bench(folder, 64);
  const large = await bench(folder, 512);
  console.log(`peak memory of 512 MiB against 64 MiB: ×${(large / small).toFixed(2)} (target: within 10 %)`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
