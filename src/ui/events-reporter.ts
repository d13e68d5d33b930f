import { toEventDocument } from './event-document.ts';
import { toErrorDocument, toIsoTime, toResultDocument, toStoppedDocument } from './json-document.ts';
import { toJsonText } from './json-text.ts';
import { createPlainReporter } from './plain-reporter.ts';
import type { Reporter } from './reporter.ts';
import type { ReporterContext } from './reporter-context.ts';

/**
 * One JSON object a line on stdout as things happen. The last line is `result` or `error`, with the keys of the
 * `--json` document. Errors and warnings stand on stderr too, for people.
 */
export function createEventsReporter(context: ReporterContext): Reporter {
  const { io, clock } = context;
  const people = createPlainReporter(context);
  const print = (document: unknown): Promise<void> => io.stdout.write(`${toJsonText(document)}\n`);
  const printLast = ({ schema_version, ...rest }: { schema_version: number; ok: boolean }): Promise<void> =>
    print({ schema_version, event: rest.ok ? 'result' : 'error', time: toIsoTime(clock.now()), ...rest });
  return {
    event(event) {
      if (event.kind === 'warning') people.event(event);
      void print(toEventDocument(event, clock.now()));
    },
    result: (result) => printLast(toResultDocument(result)),
    async error(error) {
      await people.error(error);
      await printLast(toErrorDocument(error));
    },
    async stopped(error, facts) {
      await people.stopped(error, facts);
      await printLast(toStoppedDocument(error, facts));
    },
    close() {},
  };
}
