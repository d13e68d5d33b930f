import type { ReporterOptions } from '../../src/ui/reporter.ts';

/** A reporter for people that knows nothing of the machine the tests run on. */
export const REPORTER_OPTIONS = {
  form: 'human',
  verbosity: 'normal',
  hasProgress: true,
  cwd: '/',
  env: {},
  host: 'here',
  platform: 'linux',
} as const satisfies Partial<ReporterOptions>;
