#!/usr/bin/env node
// Plain syntax on purpose: an old Node must be able to read this file far enough to say so.

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`error: evolink needs Node.js 20.19 or newer; this is ${process.versions.node}\n`);
  process.exitCode = 2;
} else if (process.argv.length === 3 && process.argv[2] === '--version') {
  // Answered here, as nothing else needs to be loaded for it.
  process.stdout.once('error', ({ code, message }) => {
    if (code !== 'EPIPE') process.stderr.write(`error: can't write to stdout: ${message}\n`);
    process.exitCode = code === 'EPIPE' ? 0 : 11;
  });
  process.stdout.write(`${require('../package.json').version}\n`);
} else {
  const { enableCompileCache } = require('node:module');
  if (enableCompileCache) cacheCode(enableCompileCache);
  require('../dist/main.js');
}

/** In a folder of the user's own: Node's is below the shared temporary folder, where others could put code in its place. */
function cacheCode(enable) {
  const { homedir } = require('node:os');
  const { isAbsolute, join } = require('node:path');
  const { NODE_COMPILE_CACHE: chosen, XDG_CACHE_HOME: caches = '' } = process.env;
  try {
    enable(chosen || join(isAbsolute(caches) ? caches : join(homedir(), '.cache'), 'evolink', 'code'));
  } catch {
    // An account without a home does without the cache.
  }
}
