// Loaded with --import: writes the URL of every file that is loaded to the file that TRACE_MODULES names.
import { appendFileSync } from 'node:fs';
import Module from 'node:module';
import { pathToFileURL } from 'node:url';

const load = Module._extensions['.js'];
Module._extensions['.js'] = (module, path) => {
  appendFileSync(process.env.TRACE_MODULES, `${pathToFileURL(path)}\n`);
  load(module, path);
};
