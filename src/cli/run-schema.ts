import { jobFileSchema } from '../jobs/job-file-schema.ts';
import type { Context } from './context.ts';

/** `evolink schema`: the JSON Schema of job files on stdout. Returns the exit code. */
export async function runSchema({ io }: Context): Promise<number> {
  await io.stdout.write(`${JSON.stringify(jobFileSchema(), null, 2)}\n`);
  return 0;
}
