import type { Context } from '../platform/context.ts';
import type { SchemaName } from './commands.ts';

/** `evolink schema`: a JSON Schema on stdout. Returns the exit code. */
export async function runSchema({ io }: Context, name: SchemaName): Promise<number> {
  await io.stdout.write(`${JSON.stringify(await loadSchema(name), null, 2)}\n`);
  return 0;
}

async function loadSchema(name: SchemaName): Promise<unknown> {
  if (name === 'report') return (await import('../report/document.ts')).reportJsonSchema();
  return (await import('../run/job-file-schema.ts')).jobFileSchema();
}
