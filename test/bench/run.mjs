// Every benchmark as one table: `npm run bench`, or some of it: `npm run bench -- start poll`. A ratio holds where it is at
// most the goal. Read it on an idle machine.
import { loadavg } from 'node:os';

const PARTS = ['start', 'install', 'poll', 'download', 'jobs', 'media'];
const asked = process.argv.slice(2);

console.log(`load average ${loadavg()[0].toFixed(2)}, Node.js ${process.versions.node}\n`);
console.log(`| what | goal | figure | verdict |\n|---|--:|--:|---|`);
for (const part of asked.length > 0 ? asked : PARTS) {
  const { measure } = await import(`./${part}.mjs`);
  for (const { name, goal, figure } of await measure()) {
    const verdict = goal === undefined ? '' : figure <= goal ? 'holds' : 'misses';
    console.log(`| ${name} | ${goal ?? ''} | ${figure.toFixed(2)} | ${verdict} |`);
  }
}
