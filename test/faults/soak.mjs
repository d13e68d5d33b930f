// `npm run soak`: generations under random faults and kills, each command repeated until its clip is saved.
// node test/faults/soak.mjs [generations] [seed]
import { fileURLToPath } from 'node:url';
import { createServer, createServerModuleRunner } from 'vite';

const [generations = 200, seed = 20_261_121] = process.argv.slice(2).map(Number);
// Open to the end: commands load what they need when they run.
const server = await createServer({ configFile: false, server: { middlewareMode: true, ws: false } });
const runner = createServerModuleRunner(server.environments.ssr);
const { soak } = await runner.import(fileURLToPath(new URL('helpers/soak-run.ts', import.meta.url)));
const startMs = performance.now();
const report = await soak({
  generations,
  seed,
  onProgress: (done) => done % 20 === 0 && process.stderr.write(`${done} of ${generations}\n`),
});
const { problems, exits, ...counts } = report;
const seconds = Math.round((performance.now() - startMs) / 1000);
console.log(`seed ${seed}: ${generations} generations in ${seconds} s`);
for (const [name, count] of Object.entries(counts)) console.log(`  ${name}: ${count}`);
console.log(`  exits: ${JSON.stringify(exits)}`);
for (const problem of problems) console.log(`problem: ${problem}`);
const isGood = problems.length === 0 && report.files === generations && report.charges === generations;
console.log(isGood ? 'every clip is there, each was paid for once' : 'FAILED');
process.exitCode = isGood ? 0 : 1;
await server.close();
