import { toErrorDocument, toResultDocument, toStoppedDocument } from './json-document.ts';
import { toJsonText } from './json-text.ts';
import { createPlainReporter } from './plain-reporter.ts';
import type { Reporter } from './reporter.ts';
import type { ReporterContext } from './reporter-context.ts';

/**
 * One JSON document on stdout, whatever the end. stderr keeps what a person needs: errors and warnings, and with
 * `verbose` the lines of the plain form.
 */
export function createJsonReporter(context: ReporterContext): Reporter {
  const { io, verbosity } = context;
  const people = createPlainReporter(context);
  const print = (document: unknown): Promise<void> => io.stdout.write(`${toJsonText(document)}\n`);
  return {
    event(event) {
      if (event.kind === 'warning' || verbosity === 'verbose') people.event(event);
    },
    result: (result) => print(toResultDocument(result)),
    async error(error) {
      await people.error(error);
      await print(toErrorDocument(error));
    },
    async stopped(error, facts) {
      await people.stopped(error, facts);
      await print(toStoppedDocument(error, facts));
    },
    close() {},
  };
}
