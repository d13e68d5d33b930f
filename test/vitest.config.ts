import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Nothing here measures speed: a limit only ends what hangs, also on a machine with other work to do. */
const HANG_MS = 300_000;

const common = {
  root: fileURLToPath(new URL('.', import.meta.url)),
  testTimeout: HANG_MS,
  hookTimeout: HANG_MS,
  teardownTimeout: HANG_MS,
  expect: { poll: { timeout: HANG_MS, interval: 10 } },
  env: { NO_COLOR: '1', FORCE_COLOR: '', LC_ALL: 'C' },
};

export default defineConfig({
  test: {
    ...common,
    globalSetup: ['./helpers/global-setup.ts'],
    // Tests wait, for a clock or a process, about as long as they work.
    maxWorkers: 4,
    projects: [
      {
        // `npm test`: what a change of behaviour breaks.
        test: {
          ...common,
          name: 'behaviour',
          // The rooms keep no state; loading them once for all files saves half of the time.
          isolate: false,
          include: ['**/*.test.ts'],
          exclude: ['**/*.sweep.test.ts', 'browser/**'],
        },
      },
      {
        // `npm run test:sweep`: every step killed, cut or made to fail, the soak in short, the gallery in a browser, the tarball.
        test: { ...common, name: 'sweep', include: ['**/*.sweep.test.ts', 'browser/**/*.test.ts'] },
      },
    ],
  },
});
