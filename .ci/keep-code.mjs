// Runs one command line, then keeps what V8 compiled of each file it loaded beside that file.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { codePath, load, scripts } = createRequire(import.meta.url)('../bin/load.js');
process.on('exit', () => {
  for (const { path, script } of scripts) writeFileSync(codePath(path), script.createCachedData());
});
load(join(import.meta.dirname, '../dist/main.js'));
