// Times whole processes, as the operating system accounts for them, and pairs them as ratios within one run.
import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

export const bin = fileURLToPath(new URL('../../bin/evolink.js', import.meta.url));

/** Runs a command once. Resolves to wall seconds, CPU seconds and peak resident memory in MiB. */
export function runOnce(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    // `time` reports what the kernel accounted for the finished process; nothing else in Node does for a child.
    const child = spawn('/usr/bin/time', ['-f', '%U %S %M', command, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      ...options,
    });
    const started = performance.now();
    let text = '';
    child.stderr.on('data', (chunk) => {
      text = (text + chunk).slice(-20_000);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      const wallSeconds = (performance.now() - started) / 1000;
      const [user, system, peakKib] = (text.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
      if (code !== 0) reject(new Error(`${command} ${args.join(' ')} ended with ${code}: ${text}`));
      else resolve({ wallSeconds, cpuSeconds: user + system, peakMib: peakKib / 1024 });
    });
  });
}

/** Runs A and B in turn, so that a machine whose speed drifts slows both; medians, and the ratios pair by pair. */
export async function pair(a, b, options = {}) {
  const rows = await rounds({ a, b }, options);
  return { ...medians(rows), ...ratios(rows, 'a', 'b') };
}

/** Runs every command once a round, the first round for nothing. A row has the figures of one round by command. */
export async function rounds(commands, { runs = 7, prepare = () => {} } = {}) {
  const rows = [];
  for (let run = -1; run < runs; run += 1) {
    const row = {};
    for (const [name, command] of Object.entries(commands)) {
      await prepare();
      row[name] = await command();
    }
    if (run >= 0) rows.push(row);
  }
  return rows;
}

/** Medians of the ratios of two commands within each round. */
export function ratios(rows, a, b) {
  return {
    wallRatio: median(rows.map((row) => row[a].wallSeconds / row[b].wallSeconds)),
    cpuRatio: median(rows.map((row) => row[a].cpuSeconds / row[b].cpuSeconds)),
  };
}

/** Medians of the figures, by command. */
export function medians(rows) {
  const keys = ['wallSeconds', 'cpuSeconds', 'peakMib'];
  const ofCommand = (name) =>
    Object.fromEntries(keys.map((key) => [key, median(rows.map((row) => row[name][key]))]));
  return Object.fromEntries(Object.keys(rows[0]).map((name) => [name, ofCommand(name)]));
}

export function median(values) {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.floor(sorted.length / 2)];
}

/** One line of the report. */
export function report(name, { a, b, wallRatio, cpuRatio }, target) {
  const figures = `${a.wallSeconds.toFixed(3)} s against ${b.wallSeconds.toFixed(3)} s, wall ×${wallRatio.toFixed(2)}, CPU ×${cpuRatio.toFixed(2)}, peak ${a.peakMib.toFixed(0)} MiB`;
  console.log(`${name}: ${figures}${target === undefined ? '' : ` (target: ${target})`}`);
}
