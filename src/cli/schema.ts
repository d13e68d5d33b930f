import * as z from 'zod/mini';
import { SCHEMA_VERSION } from '../report/states.ts';
import { DOCUMENTS, type DocumentName, eventSchema } from '../ui/documents.ts';
import type { Invocation } from './flags.ts';
import { openReporter } from './frame.ts';

/** `evolink schema`: a JSON Schema on stdout. Returns the exit code. */
export async function runSchema({
  context,
  args: [name = 'job-file'],
  options,
}: Invocation): Promise<number> {
  const schema = await loadSchema(name);
  const reporter = await openReporter(context, options);
  await reporter.print('schema', { name, schema: { ...schema } }, `${JSON.stringify(schema, null, 2)}\n`);
  return 0;
}

async function loadSchema(name: string): Promise<object> {
  if (name === 'report') return (await import('../report/run-report.ts')).reportJsonSchema();
  if (name === 'job-file') return (await import('../run/job-file.ts')).jobFileSchema();
  // The command line allows the names of documents alone.
  const schema = z.toJSONSchema(name === 'event' ? eventSchema() : DOCUMENTS[name as DocumentName](), {
    io: 'input',
  });
  return { $id: `urn:evolink-cli:${name}:${SCHEMA_VERSION}`, title: `evolink ${name}`, ...schema };
}
