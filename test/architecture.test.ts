import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../src', import.meta.url));

interface Source {
  readonly path: string;
  readonly text: string;
  readonly layer: string;
  /** Imports of own files, as paths below `src`, and of packages, by name. */
  readonly own: readonly { readonly path: string; readonly isTypeOnly: boolean }[];
  readonly packages: readonly string[];
}

/** The arrows: a layer may import from those below it in this list; a row's members also from each other. */
const TIERS: readonly (readonly string[])[] = [
  ['main'],
  ['cli'],
  ['generate', 'jobs', 'report', 'ui', 'sandbox'],
  ['api', 'media', 'journal', 'download', 'request', 'config'],
  ['platform'],
  ['errors'],
];

/** Packages that belong to one place, and built-ins that only the edge of the process may touch. */
const OWNERS: Readonly<Record<string, RegExp>> = {
  got: /^api\/http\.ts$/,
  commander: /^cli\//,
  chalk: /^ui\//,
  ora: /^ui\//,
  'cli-progress': /^ui\//,
  yaml: /^config\/read-yaml\.ts$/,
  hpagent: /^api\//,
  ajv: /^sandbox\//,
  busboy: /^sandbox\//,
  'h264-mp4-encoder': /^sandbox\/video\//,
};

const GLOBALS: readonly { readonly pattern: RegExp; readonly name: string }[] = [
  { name: 'process', pattern: /(?<![.\w'"`-])process\s*\./ },
  { name: 'timers', pattern: /(?<![.\w])(setTimeout|setInterval|setImmediate)\s*\(/ },
  { name: 'Date.now', pattern: /\bDate\.now\b/ },
  { name: 'new Date()', pattern: /\bnew Date\(\s*\)/ },
  { name: 'Math.random', pattern: /\bMath\.random\b/ },
  { name: 'console', pattern: /(?<![.\w])console\s*\./ },
  { name: 'fetch', pattern: /(?<![.\w])fetch\s*\(/ },
  { name: 'process.exit', pattern: /(?<!typeof )\bprocess\.exit\b\s*\(/ },
];

function listSources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return listSources(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

function readSource(path: string): Source {
  const text = readFileSync(path, 'utf8');
  const below = relative(root, path);
  const own: { path: string; isTypeOnly: boolean }[] = [];
  const packages: string[] = [];
  const statement =
    /(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g;
  for (const [, typeOnly, fixed, lazy] of text.matchAll(statement)) {
    const target = fixed ?? lazy ?? '';
    if (target.startsWith('.')) {
      own.push({ path: relative(root, resolve(dirname(path), target)), isTypeOnly: typeOnly !== undefined });
    } else packages.push(target.replace(/^((?:@[^/]+\/)?[^/]+).*$/, '$1'));
  }
  return { path: below, text, layer: layerOf(below), own, packages };
}

function layerOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : path.replace(/\.ts$/, '');
}

function tierOf(layer: string): number {
  return TIERS.findIndex((tier) => tier.includes(layer));
}

/** Comments and strings are no code: `process.` in a sentence is allowed. */
function codeOf(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(?<!:)\/\/.*$/gm, '')
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''")
    .replace(/"(?:[^"\\\n]|\\.)*"/g, '""');
}

const sources = listSources(root).map(readSource);

describe('architecture', () => {
  it('knows every layer', () => {
    expect(sources.filter(({ layer }) => tierOf(layer) < 0).map(({ path }) => path)).toEqual([]);
    expect(sources.length).toBeGreaterThan(50);
  });

  it('has arrows that point one way', () => {
    const wrong = sources.flatMap(({ path, layer, own }) =>
      own
        .filter((target) => tierOf(layerOf(target.path)) < tierOf(layer))
        .map((target) => `${path} -> ${target.path}`),
    );
    expect(wrong).toEqual([]);
  });

  it('lets nothing but cli know the sandbox, and keeps ui and report away from the API', () => {
    const wrong = sources.flatMap(({ path, layer, own }) =>
      own
        .map((target) => ({ to: layerOf(target.path), isTypeOnly: target.isTypeOnly }))
        .filter(
          ({ to }) =>
            (to === 'sandbox' && !['sandbox', 'cli'].includes(layer)) ||
            (to === 'api' && ['ui', 'report'].includes(layer)),
        )
        .map(({ to }) => `${path} -> ${to}`),
    );
    expect(wrong).toEqual([]);
  });

  it('keeps request pure', () => {
    const impure = sources
      .filter(({ layer }) => layer === 'request')
      .flatMap(({ path, packages, own }) => [
        ...packages
          .filter((name) => /^(node:|fs|http)/.test(name) && name !== 'node:crypto')
          .map((name) => `${path}: ${name}`),
        ...own
          .filter(
            (target) => !/^(request|platform|config)\//.test(target.path) && target.path !== 'errors.ts',
          )
          .map((target) => `${path} -> ${target.path}`),
      ]);
    expect(impure).toEqual([]);
  });

  it('has no circles', () => {
    const values = new Map(
      sources.map(({ path, own }) => [path, own.filter((to) => !to.isTypeOnly).map((to) => to.path)]),
    );
    const circles: string[] = [];
    const done = new Set<string>();
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) {
        circles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
        return;
      }
      if (done.has(path)) return;
      for (const next of values.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const path of values.keys()) visit(path, []);
    expect(circles).toEqual([]);
  });

  it.each(Object.entries(OWNERS))('imports %s in its own place only', (name, place) => {
    expect(
      sources
        .filter(({ path, packages }) => packages.includes(name) && !place.test(path))
        .map(({ path }) => path),
    ).toEqual([]);
  });

  it.each(GLOBALS)('touches $name at the edge of the process only', ({ pattern, name }) => {
    const edge = name === 'process.exit' ? /^platform\/signals\.ts$/ : /^(main\.ts$|platform\/)/;
    const found = sources
      .filter(({ path, text }) => !edge.test(path) && pattern.test(codeOf(text)))
      .map(({ path }) => path);
    expect(found).toEqual([]);
  });

  it('has no drawers, no barrels and no long files', () => {
    const drawers = sources.filter(({ path }) => /(^|\/)(utils?|helpers?|common|misc|index)\.ts$/.test(path));
    expect(drawers.map(({ path }) => path)).toEqual([]);
    const long = sources.filter(({ text }) => text.split('\n').length > 301);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  it('has no default exports, no any and no re-exported whole modules', () => {
    const found = sources.filter(({ text }) =>
      /export default|export \* from|: any\b|<any>|as any\b/.test(codeOf(text)),
    );
    // It stands in for a module whose default is imported.
    expect(found.map(({ path }) => path)).toEqual(['api/without-http2.ts']);
  });
});
