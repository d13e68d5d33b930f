import { resolve } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { EXAMPLE_JOB_FILE } from '../jobs/example-job-file.ts';
import { createDurably } from '../platform/durable-file.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import { localIoError } from '../platform/local-io-error.ts';
import type { Context } from './context.ts';

const DEFAULT_NAME = 'evolink.yaml';

/**
 * `evolink run --init`: writes a commented example that runs in the sandbox as it stands.
 * @throws EvolinkError `local-io` where the file exists
 */
export async function writeExample({ io, cwd }: Context, name: string | true): Promise<number> {
  const file = name === true ? DEFAULT_NAME : name;
  try {
    await createDurably(resolve(cwd, file), EXAMPLE_JOB_FILE, 0o644);
  } catch (error) {
    if (isEvolinkError(error)) throw error;
    if (fsErrorCode(error) === 'EEXIST') {
      throw new EvolinkError('local-io', `"${file}" exists already`, {
        hint: 'name another file: evolink run --init=jobs.yaml',
        charged: 'no',
      });
    }
    throw localIoError(error, 'write the example', file).with({ charged: 'no' });
  }
  await io.stderr.write(`try it at no cost: evolink run ${file} --sandbox\n`);
  await io.stdout.write(`${file}\n`);
  return 0;
}
