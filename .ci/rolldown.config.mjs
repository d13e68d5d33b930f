import { copyFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { defineConfig } from 'rolldown';
import license from 'rollup-plugin-license';

const root = join(import.meta.dirname, '..');
/** Where the program is built: beside dist, which build.mjs replaces once all of it is there. */
export const out = join(root, 'dist.new');
const require = createRequire(import.meta.url);

/** The picture decoders read their wasm from beside themselves, which in the bundle is the folder of the chunks. */
const wasmBesideChunks = {
  name: 'wasm-beside-chunks',
  writeBundle() {
    for (const name of ['jpeg-turbo', 'lodepng', 'webp']) {
      const source = join(dirname(require.resolve(`@cwasm/${name}`)), `${name}.wasm`);
      copyFileSync(source, join(out, 'chunks', `${name}.wasm`));
    }
  },
};

/** Stacks of `--debug` need the maps of our own code; those of libraries are most of the size. */
const mapsOfOwnCode = {
  name: 'maps-of-own-code',
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk') continue;
      const isOwn = chunk.moduleIds.some((id) => id.startsWith(join(root, 'src')));
      const map = bundle[`${chunk.fileName}.map`];
      if (map === undefined) continue;
      if (isOwn) map.source = JSON.stringify({ ...JSON.parse(map.source), sourcesContent: undefined });
      else {
        delete bundle[map.fileName];
        chunk.code = chunk.code.replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n');
      }
    }
  },
};

/**
 * Static imports of other chunks, of CommonJS packages and of the slow modules of Node are loaded when something of them is
 * first used: a command compiles what it runs, and functions stay synchronous. (No module of ours does anything when it is
 * loaded.) Not where a default import needs the real module of Node; of those, only TLS is worth waiting with.
 */
const LAZY =
  /\b([\w$]+) = (?:\/\*.{1,20}\*\/ )?(require\("(?:\.\/(?!rolldown-runtime)|node:(?:child_process|crypto|dns|fs\/promises|https?|net|os|readline|stream|timers|tls|url|v8|zlib)\b)[^"]*"\)|[\w$.]+\([\w$.]+\(\), 1\)|(?<=import_\w+ = )[\w$.]+\(\))/g;
const TLS = /\b(\w+) = (require\("node:https"\));\s*\1 = ([\w$.]+)\(\1, 1\);/g;
const lazyRequires = {
  name: 'lazy-requires',
  renderChunk: (code) =>
    code
      .replaceAll(
        TLS,
        (_, name, load, wrap) =>
          `${name} = new Proxy({}, { get(_, key) { return (this.real ??= ${wrap}(${load}, 1))[key]; } });`,
      )
      .replaceAll(LAZY, (whole, name, load) =>
        code.includes(`(${name}, 1)`)
          ? whole
          : `${name} = new Proxy({}, { get(_, key) { return (this.real ??= ${load})[key]; } })`,
      ),
};

/** A library of got's makes formatters for its messages as it loads: half of what a request to this machine takes. */
const plainLists = {
  name: 'plain-lists',
  transform: {
    filter: { code: 'new Intl.ListFormat(' },
    handler: (code) =>
      code.replaceAll(/new Intl\.ListFormat\([^)]*\)/g, '{ format: (list) => [...list].join(", ") }'),
  },
};

/** Got numbers its requests for diagnostics that nobody reads here, and loads cryptography for it. */
const noRequestIds = {
  name: 'no-request-ids',
  transform: {
    filter: { id: /got\/dist\/source\/core\/diagnostics-channel\.js$/ },
    handler: (code) => code.replace('return randomUUID();', "return '';"),
  },
};

/** Which packages are in which chunk, for the tests of what a command loads: the minified code does not say. */
const listOfPackages = {
  name: 'list-of-packages',
  generateBundle(_options, bundle) {
    const packageOf = (id) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1];
    const list = Object.values(bundle)
      .filter(({ type }) => type === 'chunk')
      .map(({ fileName, moduleIds }) => [fileName, [...new Set(moduleIds.map(packageOf).filter(Boolean))]]);
    this.emitFile({
      type: 'asset',
      fileName: 'packages.json',
      source: JSON.stringify(Object.fromEntries(list)),
    });
  },
};

/**
 * Few files are read faster than many, and what is not read is faster still: each row is a chunk of what its modules import
 * statically, up to the modules of other rows and what an earlier row holds.
 */
const ZOD_JSON = 'node_modules/zod/v4/core/to-json-schema.js';
const CHUNKS = [
  ['base', 'src/main.ts'],
  ['status', 'src/cli/status.ts'],
  ['zod', 'node_modules/zod/mini/index.js'],
  ['frame', 'src/cli/frame.ts', 'src/cli/records.ts'],
  ['generate', 'src/cli/generate.ts'],
  ['record', 'src/task/record.ts', 'src/task/sidecar.ts', 'src/task/spending.ts', 'src/platform/lock.ts'],
  ['documents', 'src/ui/documents.ts', 'src/ui/tasks.ts', 'src/report/run-report.ts'],
  ['csv', 'node_modules/csv-parse/lib/sync.js'],
  ['run', 'src/cli/run-jobs.ts', 'src/ui/summary.ts'],
  ['errors', 'src/ui/errors.ts', 'src/ui/table.ts', 'src/request/public-url.ts', 'src/platform/read-file.ts'],
  [
    'service',
    'src/api/client.ts',
    'src/api/files.ts',
    'src/api/links.ts',
    'src/api/errors.ts',
    'src/api/http.ts',
    'src/task/failures.ts',
  ],
  [
    'task',
    'src/task/generate.ts',
    'src/task/wait.ts',
    'src/download/save-link.ts',
    'src/download/stream-link.ts',
  ],
  ['http', 'node_modules/got/dist/source/index.js', 'node_modules/hpagent/index.js'],
  ['execute', 'src/run/execute.ts', 'src/media/inspect.ts'],
  ['schema', 'src/cli/schema.ts', ZOD_JSON, ZOD_JSON.replace('to-json-schema', 'json-schema-processors')],
  ['cache', 'node_modules/cacheable-request/dist/index.js', 'node_modules/cacheable-lookup/source/index.js'],
  ['display', 'src/ui/display.ts'],
  ['sandbox', 'src/sandbox/start-sandbox.ts'],
  ['addresses', 'node_modules/ipaddr.js/lib/ipaddr.js'],
  ['globs', 'node_modules/picomatch/index.js'],
  ['widths', 'node_modules/fast-string-width/dist/index.js'],
  ['spelling', 'node_modules/fastest-levenshtein/mod.js'],
];

let chunkOf;
function chunkNameOf(id, context) {
  if (chunkOf === undefined) {
    const rows = CHUNKS.map(([name, ...paths]) => [name, paths.map((path) => join(root, path))]);
    const starts = new Set(rows.flatMap(([, paths]) => paths));
    chunkOf = new Map();
    for (const [name, paths] of rows) {
      const waiting = [...paths];
      for (const next of waiting) {
        if (chunkOf.has(next) || (starts.has(next) && !paths.includes(next))) continue;
        chunkOf.set(next, name);
        waiting.push(...(context.getModuleInfo(next)?.importedIds ?? []));
      }
    }
  }
  // Never the entry itself: what imports a shared module would run it.
  return id === join(root, 'src/main.ts') ? null : chunkOf.get(id);
}

export default defineConfig({
  input: { main: join(root, 'src/main.ts'), 'media/worker': join(root, 'src/media/worker.ts') },
  platform: 'node',
  resolve: {
    alias: {
      // Its form for modules reads all of it, and TLS with it, as it loads.
      hpagent: join(root, 'node_modules/hpagent/index.js'),
      'http2-wrapper': join(root, 'src/api/without-http2.ts'),
      // The same library as modules: smaller, and faster to load.
      yaml: join(root, 'node_modules/yaml/browser/index.js'),
    },
  },
  transform: { define: { 'import.meta.dirname': '__dirname' } },
  plugins: [
    wasmBesideChunks,
    mapsOfOwnCode,
    listOfPackages,
    lazyRequires,
    plainLists,
    noRequestIds,
    license({ thirdParty: { output: join(out, 'THIRD-PARTY-LICENSES') } }),
  ],
  output: {
    dir: out,
    // CommonJS starts faster than modules: no loader to set up, and no asynchronous step for each file.
    format: 'cjs',
    minify: true,
    keepNames: true,
    sourcemap: true,
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ name: chunkNameOf, debugName: 'by command' }],
    },
    chunkFileNames: 'chunks/[name]-[hash].js',
  },
});
