// Times whole processes, as the operating system accounts for them, and pairs them within one run: a machine whose speed
// drifts slows both.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

export const root = join(import.meta.dirname, '../..');
export const bin = join(root, 'bin/evolink.js');

export const isSmall = process.env.BENCH_SMALL === '1';
/** A size of a benchmark, and the small one that only shows that it runs. */
export const size = (full, small) => (isSmall ? small : full);

/** An empty home for the length of `use`; `env` is all that its commands know. */
export async function inHome(use) {
  const folder = mkdtempSync(join(tmpdir(), 'evolink-bench-'));
  const env = { PATH: process.env.PATH, HOME: folder, CI: '1', EVOLINK_API_KEY: 'bench-key-00000001' };
  try {
    return await use({ folder, env: { ...env, XDG_STATE_HOME: join(folder, 'state') } });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes one script of a text that imports from the source. */
export async function bundle(contents, outfile) {
  const stdin = { contents, resolveDir: root, loader: 'ts' };
  const form = { bundle: true, platform: 'node', format: 'esm', logLevel: 'error' };
  // Imported as an address it needs, and can have, no `require`.
  const js = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`;
  const place = outfile === undefined ? { write: false } : { outfile, banner: { js } };
  return (await build({ stdin, ...form, ...place })).outputFiles?.[0].contents;
}

/** Imports a module of the source. */
export async function importSource(path) {
  const code = await bundle(`export * from ${JSON.stringify(path)};`);
  return import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`);
}

/** Runs a command once. Resolves to wall seconds, CPU seconds and peak resident memory in MiB. */
export function runOnce(argv, { env, cwd }) {
  return new Promise((resolve, reject) => {
    // `time` reports what the kernel accounted for the finished process; nothing else in Node does for a child.
    const timed = ['-f', '%U %S %M', ...argv];
    const child = spawn('/usr/bin/time', timed, { stdio: ['ignore', 'ignore', 'pipe'], env, cwd });
    const startedMs = performance.now();
    let text = '';
    child.stderr.on('data', (chunk) => {
      text = (text + chunk).slice(-20_000);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      const wallSeconds = (performance.now() - startedMs) / 1000;
      const [user, system, peakKib] = (text.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
      if (code !== 0) reject(new Error(`${argv.join(' ')} ended with ${code}: ${text}`));
      else resolve({ wallSeconds, cpuSeconds: user + system, peakMib: peakKib / 1024, text });
    });
  });
}

/** Starts a server in a process of its own, which prints its address. */
export async function startServer(...args) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise((resolve) => child.stdout.once('data', resolve));
  return { url: String(line).trim(), stop: () => child.kill() };
}

/** Node, and `evolink`, as arguments of a process. */
export const bare = [process.execPath, '-e', '0'];
export const evolink = (...args) => [process.execPath, bin, ...args];

/** Medians of what two commands take in turn, and of the ratio in each turn; the first turn is for nothing. */
export async function pair(a, b, options, { runs = 14, prepare = () => {} } = {}) {
  const rows = [];
  for (let run = -1; run < size(runs, 1); run += 1) {
    const row = [];
    for (const argv of [a, b]) {
      await prepare();
      row.push(await runOnce(typeof argv === 'function' ? argv() : argv, options));
    }
    if (run >= 0) rows.push(row);
  }
  const of = (pick) => median(rows.map(pick));
  return {
    wallRatio: of(([x, y]) => x.wallSeconds / y.wallSeconds),
    cpuSeconds: [of(([x]) => x.cpuSeconds), of(([, y]) => y.cpuSeconds)],
    peakMib: of(([x]) => x.peakMib),
  };
}

export function median(values) {
  return [...values].sort((x, y) => x - y)[Math.floor(values.length / 2)];
}
