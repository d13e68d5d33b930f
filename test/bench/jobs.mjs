// What a plan costs beside parsing its file, and a run a job, with a sandbox in a process of its own.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bin, bundle, evolink, inHome, pair, runOnce, size, startServer } from './measure.mjs';

/** How much faster than the clock tasks end and waits pass. */
const RATE = 100;
const DEFAULTS = '{ tier: mini, quality: 480p, duration: 4, output: "out/{job}.mp4" }';
const HEAD = `version: 1\ndefaults: ${DEFAULTS}\njobs:\n`;
const require = createRequire(import.meta.url);

const list = (length, of) => Array.from({ length }, (_, index) => of(index)).join('\n');
const jobFile = (count) =>
  `${HEAD}${list(count, (index) => `  c${index}: { type: t2v, prompt: "Boat number ${index}" }`)}\n`;

async function plans({ folder, env }) {
  const put = (name, text) => writeFileSync(join(folder, name), text);
  const rows = list(size(10_000, 100), (index) => `clip-${index},"Boat number ${index}, on a lake"`);
  put('rows.csv', `name,text\n${rows}\n`);
  const job = '{ type: t2v, prompt: "{{text}}", for_each: rows.csv, output: "out/{{name}}.mp4" }';
  put('csv.yaml', `${HEAD}  clip: ${job}\n`);
  put('jobs.yaml', jobFile(size(1_000, 10)));
  // What parses a file with a library, in a process as our own.
  const putParser = (name, library, call) => {
    const from = JSON.stringify(pathToFileURL(require.resolve(library)).href);
    put(name, `import fs from 'node:fs';\nimport { parse } from ${from};\nparse(fs.readFileSync(${call});`);
  };
  putParser('csv.mjs', 'csv-parse/sync', "'rows.csv'), { columns: true }");
  putParser('yaml.mjs', 'yaml', "'jobs.yaml', 'utf8')");
  const plan = async (file, script) => {
    const options = { cwd: folder, env };
    const theirs = [process.execPath, join(folder, script)];
    return (await pair(evolink('run', file, '--dry-run'), theirs, options, { runs: 5 })).wallRatio;
  };
  return [
    { name: 'plan of 10,000 rows, of csv-parse', goal: 5, figure: await plan('csv.yaml', 'csv.mjs') },
    { name: 'plan of 1,000 YAML jobs, of yaml', goal: 2, figure: await plan('jobs.yaml', 'yaml.mjs') },
  ];
}

/** Counts what is synced, by every way that Node has. */
const COUNT_SYNCS = `import fs from 'node:fs';
import { open } from 'node:fs/promises';
let count = 0;
const handle = await open('/dev/null');
for (const [object, names] of [[Object.getPrototypeOf(handle), ['sync', 'datasync']], [fs, ['fsyncSync', 'fdatasyncSync']]])
  for (const name of names) {
    const real = object[name];
    object[name] = function (...args) { count += 1; return real.apply(this, args); };
  }
await handle.close();
process.on('exit', () => fs.writeSync(2, '\\nsyncs ' + count + '\\n'));`;

/** The service, whose clips cost nothing to make. */
const SERVICE = `import { createSystemClock } from './src/platform/clock.ts';
import { startSandbox } from './src/sandbox/start-sandbox.ts';
import { tinyMp4 } from './test/helpers/tiny-mp4.ts';
const { apiUrl } = await startSandbox({
  clock: createSystemClock({ rate: ${RATE} }), speed: 100000, startingCredits: 1e9,
  videoMaker: async () => tinyMp4({ dataBytes: 200000 }),
});
console.log(apiUrl);`;

async function runs({ folder, env }, count) {
  await bundle(SERVICE, join(folder, 'service.mjs'));
  const service = await startServer(join(folder, 'service.mjs'));
  writeFileSync(join(folder, 'jobs.yaml'), jobFile(count));
  writeFileSync(join(folder, 'syncs.mjs'), COUNT_SYNCS);
  const more = { EVOLINK_BASE_URL: service.url, EVOLINK_INTERNAL_CLOCK_RATE: String(RATE) };
  const options = { cwd: folder, env: { ...env, ...more } };
  const argv = [process.execPath, '--import', join(folder, 'syncs.mjs'), bin];
  const output = ['run', 'jobs.yaml', '--concurrency', '64', '--yes', '--quiet'];
  try {
    const { cpuSeconds, peakMib, text } = await runOnce([...argv, ...output], options);
    const syncs = Number(/syncs (\d+)/.exec(text)?.[1]);
    return [
      { name: `run of ${count}: CPU a job, ms`, goal: 20, figure: (cpuSeconds * 1000) / count },
      { name: `run of ${count}: peak memory, MiB`, goal: 200, figure: peakMib },
      { name: `run of ${count}: syncs a job`, figure: syncs / count },
    ];
  } finally {
    service.stop();
  }
}

export async function measure() {
  const rows = await inHome(plans);
  for (const count of size([100, 1_000, 10_000], [5, 10]))
    rows.push(...(await inHome((home) => runs(home, count))));
  return rows;
}
