import * as z from 'zod/mini';
import type { Context } from '../platform/context.ts';
import { DOCUMENTS, type DocumentName, eventSchema } from '../ui/documents.ts';
import type { FormOptions } from './form.ts';
import { openReporter } from './frame.ts';

export type SchemaName = DocumentName | 'job-file' | 'report' | 'event';

/** `evolink schema`: a JSON Schema on stdout. Returns the exit code. */
export async function runSchema(
  context: Context,
  { name, options }: { readonly name: SchemaName; readonly options: FormOptions },
): Promise<number> {
  const schema = await loadSchema(name);
  const reporter = await openReporter(context, { form: options });
  await reporter.print('schema', { name, schema: { ...schema } }, `${JSON.stringify(schema, null, 2)}\n`);
  return 0;
}

async function loadSchema(name: SchemaName): Promise<object> {
  if (name === 'report') return (await import('../report/run-report.ts')).reportJsonSchema();
  if (name === 'job-file') return (await import('../run/job-file-schema.ts')).jobFileSchema();
  const schema = z.toJSONSchema(name === 'event' ? eventSchema() : DOCUMENTS[name], { io: 'input' });
  return { $id: `urn:evolink-cli:${name}:1`, title: `evolink ${name}`, ...schema };
}
