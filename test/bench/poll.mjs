// Whole generations, simulated against the schedule of reads and against fixed intervals; writes the plot of both.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importSource, isSmall, root, size } from './measure.mjs';

const { nextPollDelayMs } = await importSource('./src/task/poll.ts');

const TASKS = size(3_000, 30);
/** How far the truth lies from the estimate, what is read of it, and the most that is right: reads, mean, 95th percentile. */
const SCENARIOS = {
  'good estimate, linear progress': [{ spread: 0.15, progress: 'linear' }, [9.5, 1.1, 2.4]],
  'poor estimate, linear progress': [{ spread: 0.4, progress: 'linear' }, [9.5, 1.1, 2.6]],
  'no estimate, linear progress': [{ spread: 0.4, progress: 'linear', hasEstimate: false }, [10, 1.1, 2.6]],
  'progress in steps of 10': [{ spread: 0.25, progress: 'steps' }, [9, 4, 9.5]],
  'good estimate, no progress': [{ spread: 0.15 }, [15, 3, 6.5]],
  'poor estimate, no progress': [{ spread: 0.4 }, [18, 3.6, 8.2]],
  'no estimate, no progress': [{ spread: 0.4, hasEstimate: false }, [20, 3.9, 7.5]],
  'a fifth queued, progress after it': [
    { spread: 0.2, progress: 'linear', isQueued: true },
    [12.5, 1.6, 4.6],
  ],
  'a fifth queued, no progress': [{ spread: 0.2, isQueued: true }, [21, 3.3, 7]],
  'estimate half of the truth': [{ spread: 0.15, bias: 2 }, [44, 3.6, 7.5]],
  'estimate twice the truth': [{ spread: 0.15, bias: 0.5 }, [5, 6.2, 13.5]],
  'tasks of 3 s': [{ spread: 0.15, progress: 'linear', estimateMs: 3_000 }],
  'tasks of 10 min': [{ spread: 0.15, progress: 'linear', estimateMs: 600_000 }],
  'tasks of 30 min': [{ spread: 0.15, progress: 'linear', estimateMs: 1_800_000 }],
};

/** The same numbers each time. */
function createRandom() {
  let seed = 7;
  return () => {
    seed = (seed * 1664525 + 1013904223) % 4294967296;
    return seed / 4294967296;
  };
}

/** @returns reads a task, and by how much the read that sees the end is late: mean and 95th percentile, seconds */
function simulate(scenario, delayMs) {
  const random = createRandom();
  const gauss = () => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());
  const late = [];
  let reads = 0;
  for (let task = 0; task < TASKS; task += 1) {
    const estimateMs = scenario.estimateMs ?? 60_000 + random() * 180_000;
    const workMs = estimateMs * Math.exp(gauss() * scenario.spread) * (scenario.bias ?? 1);
    const queueMs = scenario.isQueued && random() < 0.2 ? 2 * estimateMs * random() : 0;
    let elapsedMs = 0;
    let progressPercent;
    for (;;) {
      const estimatedMs = scenario.hasEstimate === false ? undefined : estimateMs;
      elapsedMs += delayMs({ elapsedMs, estimatedMs, progressPercent, random: random() });
      reads += 1;
      if (elapsedMs >= queueMs + workMs) break;
      const percent = Math.max(0, ((elapsedMs - queueMs) / workMs) * 100);
      if (scenario.progress === 'linear') progressPercent = Math.floor(percent);
      if (scenario.progress === 'steps') progressPercent = Math.floor(percent / 10) * 10;
    }
    late.push((elapsedMs - queueMs - workMs) / 1000);
  }
  late.sort((a, b) => a - b);
  return [reads / TASKS, late.reduce((sum, each) => sum + each) / TASKS, late[Math.floor(TASKS * 0.95)]];
}

/** Lateness against reads, both on a logarithmic scale: a line for fixed intervals, a dot for each scenario. */
function plot(points, fixed) {
  const x = (reads) => 60 + (Math.log2(reads) / 8) * 520;
  const y = (seconds) => 20 + ((5 - Math.log2(seconds)) / 7) * 300;
  const label = (at, text, anchor) => `<text ${at} text-anchor="${anchor}">${text}</text>`;
  const ticksX = [1, 2, 4, 8, 16, 32, 64, 128, 256].map((n) => label(`x="${x(n)}" y="338"`, n, 'middle'));
  const ticksY = [0.5, 1, 2, 4, 8, 16, 32].map((n) => label(`x="52" y="${y(n) + 4}"`, `${n} s`, 'end'));
  const line = fixed.map(([reads, mean]) => `${x(reads).toFixed(1)},${y(mean).toFixed(1)}`).join(' ');
  const dots = points.map(
    ([name, [reads, mean]]) =>
      `<circle cx="${x(reads).toFixed(1)}" cy="${y(mean).toFixed(1)}" r="4" fill="#2563eb"><title>${name}</title></circle>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 370" font-family="sans-serif" font-size="12" role="img" aria-label="Mean lateness against reads a task"><rect width="600" height="370" fill="#fff"/><path d="M60 20V320H580" fill="none" stroke="#999"/>${[...ticksX, ...ticksY].join('')}<polyline points="${line}" fill="none" stroke="#dc2626" stroke-width="2"/>${dots.join('')}${label('x="320" y="360"', 'reads a task; red: fixed intervals of 1 to 60 s, blue: evolink in each scenario', 'middle')}</svg>\n`;
}

export async function measure() {
  const rows = [];
  const points = [];
  for (const [name, [scenario, goals]] of Object.entries(SCENARIOS)) {
    const got = simulate(scenario, nextPollDelayMs);
    points.push([name, got]);
    const [reads, mean, late] = got.map((value) => value.toFixed(1));
    const most = Math.max(...got.map((value, index) => value / goals?.[index]));
    const what = `${name}: ${reads} reads, ${mean} s late, ${late} s at worst of 20`;
    rows.push({ name: what, goal: goals && 1, figure: goals && most });
  }
  const seconds = [1, 2, 3, 5, 10, 20, 30, 60];
  const fixed = seconds.map((each) =>
    simulate(SCENARIOS['poor estimate, no progress'][0], () => each * 1000),
  );
  if (!isSmall) writeFileSync(join(root, 'src/docs/polling.svg'), plot(points, fixed));
  return rows;
}
