// Loaded with --import: writes the URL of every script that is loaded, by Node or by bin/load.js, to what TRACE_MODULES names.
import fs from 'node:fs';
import Module from 'node:module';
import { pathToFileURL } from 'node:url';

const { appendFileSync, readFileSync } = fs;
const load = Module._extensions['.js'];
const seen = new Set();

function note(path) {
  if (seen.has(path) || typeof path !== 'string' || !path.endsWith('.js')) return;
  seen.add(path);
  appendFileSync(process.env.TRACE_MODULES, `${pathToFileURL(path)}\n`);
}

Module._extensions['.js'] = (module, path) => {
  note(path);
  load(module, path);
};
fs.readFileSync = (path, ...rest) => {
  note(path);
  return readFileSync(path, ...rest);
};
