// Saving a finished task against a short script that streams, hashes and syncs, from the same server in the same rounds.
// What both pay once (Node, the question for the task, the verification) is taken away: processor time at 512 MiB less that
// at 20 MiB.
import { spawn } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeLargeMp4Head } from './large-mp4.mjs';
import { bin, medians, rounds, runOnce } from './measure.mjs';

const MIB = 1024 ** 2;
const RUNS = 5;
const bareDownload = fileURLToPath(new URL('./bare-download.mjs', import.meta.url));

function makeClip(path, sizeBytes) {
  const head = makeLargeMp4Head(sizeBytes);
  const handle = openSync(path, 'w');
  writeSync(handle, head);
  ftruncateSync(handle, sizeBytes);
  closeSync(handle);
}

async function serve(file) {
  const server = spawn(process.execPath, [new URL('./file-server.mjs', import.meta.url).pathname, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
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
  const options = { cwd: folder, env: { PATH: process.env.PATH } };
  const bare = () => runOnce(process.execPath, [bareDownload, `${server.url}/clip`, target], options);
  try {
    const rows = await rounds({ evolink, bare }, { runs: RUNS, prepare });
    print(sizeMib, rows);
    return rows;
  } finally {
    server.stop();
    rmSync(clip, { force: true });
  }
}

function print(sizeMib, rows) {
  console.log(`download of ${sizeMib} MiB, medians of ${rows.length} rounds:`);
  for (const [name, { wallSeconds, cpuSeconds, peakMib }] of Object.entries(medians(rows)))
    console.log(
      `  ${name.padEnd(8)} ${wallSeconds.toFixed(3)} s, CPU ${cpuSeconds.toFixed(3)} s, peak ${peakMib.toFixed(0)} MiB`,
    );
}

const folder = mkdtempSync(join(tmpdir(), 'evolink-bench-'));
try {
  console.log(
    `load average before: ${loadavg()
      .map((load) => load.toFixed(2))
      .join(' ')}`,
  );
  const [small, large] = [medians(await bench(folder, 20)), medians(await bench(folder, 512))];
  const [ours, theirs] = ['evolink', 'bare'].map((name) => large[name].cpuSeconds - small[name].cpuSeconds);
  console.log(
    `CPU of 492 MiB more: ×${(ours / theirs).toFixed(2)} of the script (target: at most ×1.25); peak ${large.evolink.peakMib.toFixed(0)} MiB (target: at most 150)`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
