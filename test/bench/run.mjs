// Every benchmark, one after the other: `npm run bench`, or `npm run bench -- start download`.
const names = process.argv.slice(2);
for (const name of names.length > 0 ? names : ['start', 'download', 'run-scale'])
  await import(`./${name}.mjs`);
