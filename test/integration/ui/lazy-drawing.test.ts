import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

test('the libraries that draw are not loaded before a terminal form is chosen', async () => {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL('../../../src/ui/reporters.ts', import.meta.url))],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    outdir: '/unused',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const outputs = Object.entries(metafile.outputs);
  const start = outputs.find(([, output]) => output.entryPoint?.endsWith('ui/reporters.ts'))?.[0] ?? '';
  const reached = new Set([start]);
  for (const path of reached) {
    for (const next of metafile.outputs[path]?.imports ?? [])
      if (next.kind === 'import-statement') reached.add(next.path);
  }
  const inputsOf = (paths: Iterable<string>) =>
    [...paths].flatMap((path) => Object.keys(metafile.outputs[path]?.inputs ?? {}));
  const isDrawing = (path: string) => /node_modules\/(chalk|ora|cli-progress)\//.test(path);
  expect(inputsOf(reached).some((path) => path.endsWith('ui/reporters.ts'))).toBe(true);
  expect(inputsOf(reached).filter(isDrawing)).toEqual([]);
  expect(inputsOf(outputs.map(([path]) => path)).filter(isDrawing)).not.toEqual([]);
});
