// Saving a finished task against curl from the same server in the same run, and against what the same safety costs at
// least. Ours starts Node, asks for the task, hashes, verifies the MP4 and syncs to disk; plain curl only writes.
import { spawn } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeLargeMp4Head } from './large-mp4.mjs';
import { bin, medians, ratios, rounds, runOnce } from './measure.mjs';

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
  const url = `${server.url}/clip`;
  const commands = {
    evolink,
    curl: () => runOnce('curl', ['-s', '-o', target, url], options),
    'curl, fsync': () =>
      runOnce('sh', ['-c', 'curl -s -o "$1" "$2" && sync "$1"', 'sh', target, url], options),
    'curl, sha256, fsync': () =>
      runOnce(
        'sh',
        ['-c', 'curl -s -o "$1" "$2" && openssl dgst -sha256 "$1" && sync "$1"', 'sh', target, url],
        options,
      ),
    'bare node, sha256, no file': () => runOnce(process.execPath, [bareDownload, url], options),
    'bare node, sha256, fsync': () => runOnce(process.execPath, [bareDownload, url, target], options),
  };
  try {
    const rows = await rounds(commands, { runs: RUNS, prepare });
    print(sizeMib, rows);
    return medians(rows).evolink.peakMib;
  } finally {
    server.stop();
    rmSync(clip, { force: true });
  }
}

/** The floors stand beside the target, so that it can be judged: only plain curl leaves the bytes unchecked and unsynced. */
function print(sizeMib, rows) {
  const figures = medians(rows);
  console.log(
    `download of ${sizeMib} MiB, medians of ${rows.length} rounds${sizeMib === 512 ? ' (target: wall at most ×1.5 of curl, peak at most 150 MiB)' : ''}:`,
  );
  for (const [name, { wallSeconds, cpuSeconds, peakMib }] of Object.entries(figures)) {
    const against =
      name === 'evolink' ? '' : `, evolink is ×${ratios(rows, 'evolink', name).wallRatio.toFixed(2)}`;
    console.log(
      `  ${name.padEnd(27)} ${wallSeconds.toFixed(3)} s, CPU ${cpuSeconds.toFixed(3)} s, peak ${peakMib.toFixed(0)} MiB${against}`,
    );
  }
}

const folder = mkdtempSync(join(tmpdir(), 'evolink-bench-'));
try {
  console.log(
    `load average before: ${loadavg()
      .map((load) => load.toFixed(2))
      .join(' ')}`,
  );
  const small = await bench(folder, 64);
  const large = await bench(folder, 512);
  console.log(`peak memory of 512 MiB against 64 MiB: ×${(large / small).toFixed(2)} (target: within 10 %)`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
