import { copyFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { defineConfig } from 'rolldown';
import license from 'rollup-plugin-license';

const root = join(import.meta.dirname, '..');
const require = createRequire(import.meta.url);

/** The picture decoders read their wasm from beside themselves, which in the bundle is the folder of the chunks. */
const wasmBesideChunks = {
  name: 'wasm-beside-chunks',
  buildStart: () => rmSync(join(root, 'dist'), { recursive: true, force: true }),
  writeBundle() {
    for (const name of ['jpeg-turbo', 'lodepng', 'webp']) {
      const source = join(dirname(require.resolve(`@cwasm/${name}`)), `${name}.wasm`);
      copyFileSync(source, join(root, 'dist/chunks', `${name}.wasm`));
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

/** Node's own modules take milliseconds each to set up, and most commands use none of these: loaded when first used. */
const lazyBuiltins = {
  name: 'lazy-builtins',
  renderChunk(code) {
    return code.replaceAll(LAZY_REQUIRE, (whole, name, module) =>
      // Not where a default import needs the real one.
      new RegExp(`\\b${name} = [\\w$.]+\\(${name}, 1\\)`).test(code)
        ? whole
        : `${name} = new Proxy({}, { get: (_, key) => require("${module}")[key] })`,
    );
  },
};
const LAZY_REQUIRE =
  /\b([\w$]+) = require\("(node:(?:child_process|crypto|dns|fs\/promises|https?|net|readline|readline\/promises|stream|stream\/promises|timers\/promises|tls|zlib))"\)/g;

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
 * Few files are read faster than many: what a command needs, and no earlier chunk holds, is one chunk. Each row adds what
 * its module imports statically.
 */
const CHUNKS = [
  ['base', 'src/main.ts'],
  ['status', 'src/cli/status.ts'],
  ['frame', 'src/cli/frame.ts'],
  ['generate', 'src/cli/generate.ts'],
  ['task', 'src/task/generate.ts'],
  ['run', 'src/cli/run-jobs.ts'],
  ['http', 'src/api/http.ts'],
  ['terminal', 'src/ui/terminal.ts'],
  ['sandbox', 'src/sandbox/start-sandbox.ts'],
];

let chunkOf;
function chunkNameOf(id, context) {
  if (chunkOf === undefined) {
    chunkOf = new Map();
    for (const [name, path] of CHUNKS) {
      const waiting = [join(root, path)];
      for (const next of waiting) {
        if (chunkOf.has(next)) continue;
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
  resolve: { alias: { 'http2-wrapper': join(root, 'src/api/without-http2.ts') } },
  transform: { define: { 'import.meta.dirname': '__dirname' } },
  plugins: [
    wasmBesideChunks,
    mapsOfOwnCode,
    listOfPackages,
    lazyBuiltins,
    license({ thirdParty: { output: join(root, 'dist/THIRD-PARTY-LICENSES') } }),
  ],
  output: {
    dir: join(root, 'dist'),
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
