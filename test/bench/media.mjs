// Checking many files against few, uploading against curl, and how fast the sandbox makes its clips.
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { evolink, inHome, median, pair, root, runOnce } from './measure.mjs';

async function inspect({ folder, env }) {
  const picture = join(root, 'test/fixtures/media/png.png');
  const paths = Array.from({ length: 1_000 }, (_, index) => join(folder, `${index}.png`));
  for (const path of paths) copyFileSync(picture, path);
  const secondsOf = async (count) => {
    const runs = [];
    for (let run = 0; run < 3; run += 1)
      runs.push((await runOnce(evolink('check', ...paths.slice(0, count)), { cwd: folder, env })).cpuSeconds);
    return median(runs);
  };
  const one = await secondsOf(1);
  const [few, many] = [((await secondsOf(100)) - one) / 99, ((await secondsOf(1_000)) - one) / 999];
  return [
    { name: 'check of 1 file: CPU, seconds', figure: one },
    { name: 'check of 100 files: CPU a file, ms', figure: few * 1000 },
    { name: 'check of 1,000 files: CPU a file, of 100', goal: 1.3, figure: many / few },
  ];
}

/** A good uplink. Without a limit curl sends to this machine in a tenth of a second, and all the rest is start-up. */
const LINE_BYTES_PER_SECOND = 20_000_000;

/** Stores nothing, and takes no more bytes than the line could bring. */
async function startFilesHost() {
  const server = createServer((request, response) => {
    const startedMs = performance.now();
    let bytes = 0;
    request.on('data', (chunk) => {
      bytes += chunk.length;
      const aheadMs = (bytes / LINE_BYTES_PER_SECOND) * 1000 - (performance.now() - startedMs);
      if (aheadMs < 5) return;
      request.pause();
      setTimeout(() => request.resume(), aheadMs);
    });
    const data = { file_id: 'f', file_url: 'http://127.0.0.1/f.mp4' };
    request.on('end', () => response.end(JSON.stringify({ success: true, data })));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

/** Whole processes in wall time, start included, with the largest clip that is accepted. */
async function upload({ folder, env }) {
  const { server, url } = await startFilesHost();
  const path = join(folder, 'large.mp4');
  const curl = ['curl', '-sf', '-F', `file=@${path}`, `${url}/api/v1/files/upload/stream`];
  const options = { cwd: folder, env: { ...env, EVOLINK_BASE_URL: url, EVOLINK_FILES_URL: url } };
  const clip = readFileSync(join(root, 'test/fixtures/media/area-409600.mp4'));
  const box = Buffer.from('....free');
  const boxBytes = 47 * 1024 ** 2 - clip.length;
  box.writeUInt32BE(boxBytes);
  let run = 0;
  // Other bytes each time, as what was uploaded once is not uploaded again.
  const prepare = () => {
    run += 1;
    writeFileSync(path, Buffer.concat([clip, box, Buffer.alloc(boxBytes - 8, `${run} `)]));
  };
  try {
    const { wallRatio, peakMib } = await pair(evolink('upload', path), curl, options, { runs: 7, prepare });
    return [
      { name: 'upload of 47 MiB at 20 MB/s: wall, of curl -F', goal: 1.3, figure: wallRatio },
      { name: 'upload of 47 MiB: peak memory, MiB', goal: 150, figure: peakMib },
    ];
  } finally {
    server.close();
  }
}

async function encode({ folder, env }) {
  const clip = (seconds) =>
    evolink(...`t2v boat --sandbox -q 480p -d ${seconds} -o`.split(' '), join(folder, `${seconds}.mp4`));
  const options = { cwd: folder, env: { ...env, EVOLINK_INTERNAL_CLOCK_RATE: '60' } };
  const prepare = () => {
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  };
  const { cpuSeconds } = await pair(clip(4), clip(15), options, { runs: 3, prepare });
  const figure = 11 / (cpuSeconds[1] - cpuSeconds[0]);
  return [{ name: 'sandbox: seconds of a 480p clip made in a second of CPU', figure }];
}

export async function measure() {
  return [...(await inHome(inspect)), ...(await inHome(upload)), ...(await inHome(encode))];
}
