#!/usr/bin/env node
// Plain syntax on purpose: an old Node must be able to read this file far enough to say so.

const text = readyText(process.argv.slice(2));
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`error: evolink needs Node.js 20.19 or newer; this is ${process.versions.node}\n`);
  process.exitCode = 2;
} else if (text !== undefined) {
  process.stdout.once('error', ({ code, message }) => {
    if (code !== 'EPIPE') process.stderr.write(`error: can't write to stdout: ${message}\n`);
    process.exitCode = code === 'EPIPE' ? 0 : 11;
  });
  process.stdout.write(text);
} else {
  const { enableCompileCache } = require('node:module');
  if (enableCompileCache) {
    cacheCode(enableCompileCache);
    require('../dist/main.js');
  } else {
    const { join } = require('node:path');
    require('./load.js').load(join(__dirname, '../dist/main.js'));
  }
}

/** Texts that are known when the program is built, for a screen of their width: nothing else needs to be loaded for them. */
function readyText(args) {
  const line = args.join(' ');
  if (line === '--version') return `${require('../package.json').version}\n`;
  if (!/^--help$|^[a-z0-9]+ --help$|^completion [a-z]+$/.test(line) || process.stdout.columns < 80)
    return undefined;
  return require('../dist/texts.json')[line];
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
