// Runs one command line, then keeps what V8 compiled of each file it loaded beside that file.
import { renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { codePath, load, scripts } = createRequire(import.meta.url)('../bin/load.js');
process.on('exit', () => {
  for (const { path, script } of scripts) {
    writeFileSync(`${path}.tmp`, script.createCachedData());
    // At once, as V8 may not notice that half of it is missing.
    renameSync(`${path}.tmp`, codePath(path));
  }
});
load(join(import.meta.dirname, '../dist/main.js'));
