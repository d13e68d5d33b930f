// CPU and memory of `evolink run` a job, with a service whose tasks end at once; and what a plan costs beside parsing.
//   node test/bench/run-scale.mjs [jobs…] [--parts plan,run] [--keep FOLDER]
//   default: 1000 10000, all parts. --keep works in that folder and leaves it: clips that are there from last time make
//   `--parts run` measure a run of jobs that are all up to date only.
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { parse } from 'yaml';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = process.env.EVOLINK_TEST_BIN ?? join(root, 'bin/evolink.js');
const RATE = 100;
const { values: asked, positionals } = parseArgs({
  allowPositionals: true,
  options: { parts: { type: 'string', default: 'plan,run' }, keep: { type: 'string' } },
});
// The bench of all benches hands its own words on.
const counts = positionals.filter((word) => /^\d+$/.test(word)).map(Number);
const parts = asked.parts.split(',');
const work = asked.keep ?? mkdtempSync(join(tmpdir(), 'evolink-bench-'));
mkdirSync(work, { recursive: true });

/** The service in a process of its own, so that its work is not counted. */
const SERVER = `
import { createSystemClock } from '${root}src/platform/clock.ts';
import { startSandbox } from '${root}src/sandbox/start-sandbox.ts';
import { tinyMp4 } from '${root}test/helpers/tiny-mp4.ts';
const sandbox = await startSandbox({
  clock: createSystemClock({ rate: ${RATE} }), speed: 100000, startingCredits: 1e9, clip: 'shared',
  videoMaker: async () => tinyMp4({ dataBytes: 200000 }),
});
console.log(sandbox.apiUrl);
`;

/** Each job written out: nothing is won by a matrix. */
function jobFile(count) {
  const jobs = Array.from(
    { length: count },
    (_, index) => `  clip-${index}: { type: t2v, prompt: "Clip number ${index} of a paper boat" }`,
  );
  return `version: 1\ndefaults: { tier: mini, quality: 480p, duration: 4, output: "out/{job}.mp4" }\njobs:\n${jobs.join('\n')}\n`;
}

/** The same number of jobs from one. */
function matrixFile(count) {
  const numbers = Array.from({ length: count }, (_, index) => index).join(', ');
  return `version: 1\ndefaults: { tier: mini, quality: 480p, duration: 4, output: "out/{job}.mp4" }\njobs:\n  clip: { type: t2v, prompt: "Clip number {{n}} of a paper boat", matrix: { n: [${numbers}] } }\n`;
}

function evolink(args, env = {}) {
  const usage = join(work, 'usage.json');
  const hook = join(work, 'usage.mjs');
  writeFileSync(
    hook,
    `import { writeFileSync } from 'node:fs';
process.on('exit', () => writeFileSync(${JSON.stringify(usage)}, JSON.stringify({ ...process.resourceUsage(), heap: process.memoryUsage().heapUsed })));`,
  );
  const startedMs = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', hook, bin, ...args], {
      cwd: work,
      env: { PATH: process.env.PATH, HOME: work, XDG_STATE_HOME: join(work, 'state'), CI: '1', ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr = (stderr + chunk).slice(-600);
    });
    child.on('close', (code) => {
      const { userCPUTime, systemCPUTime, maxRSS } = JSON.parse(readFileSync(usage, 'utf8'));
      const cpuMs = (userCPUTime + systemCPUTime) / 1000;
      resolve({ code, stderr, cpuMs, wallMs: performance.now() - startedMs, maxMb: maxRSS / 1024 });
    });
  });
}

async function startServer() {
  const file = join(work, 'server.mjs');
  const entry = join(work, 'server-entry.ts');
  writeFileSync(entry, SERVER);
  await build({
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    nodePaths: [join(root, 'node_modules')],
    logLevel: 'error',
  });
  const child = spawn(process.execPath, [file], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise((resolve) =>
    child.stdout.once('data', (chunk) => resolve(String(chunk).trim())),
  );
  return { url, stop: () => child.kill() };
}

const row = (name, { code, cpuMs, wallMs, maxMb }, count) =>
  console.log(
    `${name.padEnd(34)} exit ${code}  ${wallMs.toFixed(0).padStart(7)} ms wall  ${cpuMs.toFixed(0).padStart(7)} ms CPU  ${(cpuMs / count).toFixed(2).padStart(6)} ms a job  ${maxMb.toFixed(0).padStart(5)} MB`,
  );

// Packages are found from where the bundle lies.
if (!existsSync(join(work, 'node_modules')))
  symlinkSync(join(root, 'node_modules'), join(work, 'node_modules'));
try {
  for (const count of counts.length > 0 ? counts : [1000, 10000]) {
    if (parts.includes('plan')) await measurePlans(count);
    if (parts.includes('run')) await measureRuns(count);
  }
} finally {
  if (asked.keep === undefined) rmSync(work, { recursive: true, force: true });
}

async function measurePlans(count) {
  for (const [form, make] of [
    ['written out', jobFile],
    ['matrix', matrixFile],
  ]) {
    const text = make(count);
    writeFileSync(join(work, 'jobs.yaml'), text);
    const startedMs = performance.now();
    parse(text, { maxAliasCount: 0 });
    console.log(`yaml alone, ${count} ${form}: ${(performance.now() - startedMs).toFixed(0)} ms`);
    row(`plan, ${count} ${form}`, await evolink(['run', 'jobs.yaml', '--dry-run', '--json']), count);
  }
}

async function measureRuns(count) {
  const isThere = existsSync(join(work, 'out', `clip-${count - 1}.mp4.json`));
  writeFileSync(join(work, 'jobs.yaml'), jobFile(count));
  const server = await startServer();
  const env = {
    EVOLINK_BASE_URL: server.url,
    EVOLINK_API_KEY: 'sk-bench-1234567890',
    EVOLINK_INTERNAL_CLOCK_RATE: String(RATE),
  };
  if (!isThere) {
    const run = await evolink(['run', 'jobs.yaml', '--concurrency', '64', '--json'], env);
    row(`run, ${count}`, run, count);
    if (run.code !== 0) console.log(run.stderr);
  }
  row(`run again, ${count} up to date`, await evolink(['run', 'jobs.yaml', '--json'], env), count);
  server.stop();
  if (asked.keep !== undefined) return;
  rmSync(join(work, 'out'), { recursive: true, force: true });
  rmSync(join(work, 'state'), { recursive: true, force: true });
}
