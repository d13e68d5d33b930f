// Every benchmark as one table: `npm run bench`, or some of it: `npm run bench -- start poll`. A ratio holds where it is at
// most the goal. `--write` puts the figures into src/docs/benchmarks.md as well: on an idle machine only. BENCH_SMALL=1 runs
// everything once over little, to see that it runs.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isSmall, root } from './measure.mjs';

const PARTS = ['start', 'install', 'poll', 'download', 'jobs', 'media'];
const HEAD = '| what | goal | figure | verdict |\n| --- | --- | --- | --- |\n';
const options = { write: { type: 'boolean' } };
const { values, positionals } = parseArgs({ allowPositionals: true, options });

function toRow({ name, goal, figure }) {
  if (figure === undefined) return `| ${name} | | | |\n`;
  // The difference of two noisy times can be anything.
  const isNoise = !Number.isFinite(figure) || figure < 0;
  const verdict = isNoise ? 'no figure: too noisy' : figure <= goal ? 'holds' : 'misses';
  return `| ${name} | ${goal ?? ''} | ${isNoise ? '' : figure.toFixed(2)} | ${goal === undefined && !isNoise ? '' : verdict} |\n`;
}

const page = join(root, 'src/docs/benchmarks.md');
function renew(part, table) {
  const place = `Node.js ${process.versions.node}, ${process.platform}, ${cpus().length} × ${cpus()[0].model}`;
  const block = new RegExp(`(<!-- bench: ${part} -->\n)[\\s\\S]*?(\n<!-- end -->)`);
  const put = (_, start, end) => `${start}${place}:\n\n${table.trimEnd()}${end}`;
  writeFileSync(page, readFileSync(page, 'utf8').replace(block, put));
}

process.stdout.write(`load average ${loadavg()[0].toFixed(2)}, Node.js ${process.versions.node}\n\n${HEAD}`);
for (const part of positionals.length > 0 ? positionals : PARTS) {
  const { measure } = await import(`./${part}.mjs`);
  const rows = (await measure()).map(toRow);
  process.stdout.write(rows.join(''));
  if (values.write && !isSmall) renew(part, HEAD + rows.join(''));
}
