// Checking many files against few, uploading against curl, and how fast the sandbox makes its clips.
import { spawn } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bin, evolink, inHome, pair, root, runOnce } from './measure.mjs';

async function inspect({ folder, env }) {
  const picture = join(root, 'test/fixtures/media/png.png');
  const paths = Array.from({ length: 1_000 }, (_, index) => join(folder, `${index}.png`));
  for (const path of paths) copyFileSync(picture, path);
  const seconds = {};
  for (const count of [1, 100, 1_000])
    seconds[count] = (
      await runOnce(evolink('check', ...paths.slice(0, count)), { cwd: folder, env })
    ).cpuSeconds;
  return [
    {
      name: 'check of 1,000 files, a file, of 100',
      goal: 1.3,
      figure: (seconds[1_000] - seconds[1]) / 999 / ((seconds[100] - seconds[1]) / 99),
    },
  ];
}

/** What both pay once is taken away: 47 MiB less 1 MiB, in wall time. */
async function upload({ folder, env }) {
  const sandbox = spawn(process.execPath, [bin, 'sandbox', '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const line = await new Promise((resolve) => sandbox.stdout.once('data', resolve));
  const { api_url: url, files_url: filesUrl } = JSON.parse(line);
  const path = join(folder, 'large.mp4');
  const key = ['-H', `Authorization: Bearer ${env.EVOLINK_API_KEY}`];
  const curl = ['curl', '-sf', ...key, '-F', `file=@${path}`, `${filesUrl}/api/v1/files/upload/stream`];
  const options = { cwd: folder, env: { ...env, EVOLINK_BASE_URL: url, EVOLINK_FILES_URL: filesUrl } };
  let run = 0;
  const seconds = async (sizeBytes) => {
    const clip = readFileSync(join(root, 'test/fixtures/media/area-409600.mp4'));
    const box = Buffer.from('....free');
    box.writeUInt32BE(sizeBytes - clip.length);
    // Other bytes each time, as what was uploaded once is not uploaded again.
    const prepare = () => {
      run += 1;
      writeFileSync(path, Buffer.concat([clip, box, Buffer.alloc(sizeBytes - clip.length - 8, `${run} `)]));
    };
    return (await pair(evolink('upload', path), curl, options, { runs: 7, prepare })).wallSeconds;
  };
  try {
    const [small, large] = [await seconds(1024 ** 2), await seconds(47 * 1024 ** 2)];
    const figure = (large[0] - small[0]) / (large[1] - small[1]);
    return [{ name: 'upload of 46 MiB more, of curl -F', goal: 1.3, figure }];
  } finally {
    sandbox.kill();
  }
}

async function encode({ folder, env }) {
  const clip = (duration) =>
    evolink(
      't2v',
      'a boat',
      '--sandbox',
      '-q',
      '480p',
      '-d',
      String(duration),
      '-o',
      join(folder, `${duration}.mp4`),
    );
  const options = { cwd: folder, env: { ...env, EVOLINK_INTERNAL_CLOCK_RATE: '60' } };
  const [short, long] = [await runOnce(clip(4), options), await runOnce(clip(15), options)];
  return [
    {
      name: 'sandbox: seconds of a 480p clip made in a second of CPU',
      figure: 11 / (long.cpuSeconds - short.cpuSeconds),
    },
  ];
}

export async function measure() {
  return [...(await inHome(inspect)), ...(await inHome(upload)), ...(await inHome(encode))];
}
