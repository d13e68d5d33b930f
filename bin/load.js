// Node 20 keeps no compiled code between runs; newer ones do (`enableCompileCache`). For Node 20 the package brings what V8
// compiled of each chunk when it was built, for the Node that built it alone: V8 knows its number and flags, but not the
// patches that two versions of Node 20 put into the same V8, and crashes on code of the other. Others compile.
const { readFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');

const HEAD = '(function (exports, require, module, __filename, __dirname) { ';
const loaded = new Map();
const scripts = [];

/** `require` for the files of `dist`: as Node's, but without looking for packages around each. */
function load(path) {
  const known = loaded.get(path);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  loaded.set(path, module);
  const script = new Script(`${HEAD}${readFileSync(path, 'utf8')}\n})`, {
    filename: path,
    columnOffset: -HEAD.length,
    cachedData: readIfThere(codePath(path)),
  });
  scripts.push({ path, script });
  const folder = dirname(path);
  const requireFrom = (name) => (name.startsWith('.') ? load(join(folder, name)) : require(name));
  script.runInThisContext()(module.exports, requireFrom, module, path, folder);
  return module.exports;
}

function readIfThere(path) {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Where the compiled code of a chunk lies for this Node. */
function codePath(path) {
  return `${path}.${process.version}-${process.platform}-${process.arch}.code`;
}

module.exports = { codePath, load, scripts };
