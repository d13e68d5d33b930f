#!/usr/bin/env node
// Plain syntax on purpose: an old Node must be able to read this file far enough to say so.
const { existsSync, fstatSync, readFileSync, statSync, writeSync } = require('node:fs');
const { isAbsolute, join } = require('node:path');

const main = join(__dirname, '../dist/main.js');
const text = existsSync(main) ? readyText(process.argv.slice(2)) : undefined;
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`error: evolink needs Node.js 20.19 or newer; this is ${process.versions.node}\n`);
  process.exitCode = 2;
} else if (!existsSync(main)) {
  process.stderr.write(`error: evolink is not built: ${main} is missing\nhint: npm run build\n`);
  process.exitCode = 11;
} else if (text !== undefined) {
  print(Buffer.from(text));
} else {
  const { enableCompileCache } = require('node:module');
  if (enableCompileCache) {
    cacheCode(enableCompileCache);
    require(main);
  } else require('./load.js').load(main);
}

/** Texts that are known when the program is built, for a screen of their width: nothing else needs to be loaded for them. */
function readyText(args) {
  const line = args.join(' ');
  if (line === '--version') return `${readJson('../package.json').version}\n`;
  if (!/^--help$|^[a-z0-9]+ --help$|^completion [a-z]+$/.test(line)) return undefined;
  if (isDevice(1) && process.stdout.columns < 80) return undefined;
  return readJson('../dist/texts.json')[line];
}

function readJson(name) {
  return JSON.parse(readFileSync(join(__dirname, name), 'utf8'));
}

function isDevice(descriptor) {
  return fstatSync(descriptor).isCharacterDevice();
}

/** Node's own stream takes milliseconds to make; it does what waits: a pipe that is full and was made not to. */
function print(bytes) {
  let rest = bytes;
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
  } catch ({ code, message }) {
    if (code === 'EAGAIN') process.stdout.write(rest);
    else if (code !== 'EPIPE') {
      process.stderr.write(`error: can't write to stdout: ${message}\n`);
      process.exitCode = 11;
    }
  }
}

/** In a folder of the user's own: Node's is below the shared temporary folder, where others could put code in its place. */
function cacheCode(enable) {
  const { homedir } = require('node:os');
  const { NODE_COMPILE_CACHE: chosen, XDG_CACHE_HOME: caches = '' } = process.env;
  try {
    const folder = join(isAbsolute(caches) ? caches : join(homedir(), '.cache'), 'evolink', 'code');
    if (chosen || isOnlyOurs(folder)) enable(chosen || folder);
  } catch {
    // An account without a home does without the cache.
  }
}

/** What lies there is run: not where another user could have written it (root in a home of others, a home in /tmp). */
function isOnlyOurs(folder) {
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats === undefined || process.getuid === undefined) return true;
  return stats.uid === process.getuid() && (stats.mode & 0o002) === 0;
}
