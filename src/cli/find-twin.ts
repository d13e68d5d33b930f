import { knownPath } from '../download/known-path.ts';
import { continueId } from '../generate/failures.ts';
import { fieldsOf } from '../generate/save-task.ts';
import { requestIdentity } from '../journal/identity.ts';
import type { TaskRecord } from '../journal/record.ts';
import { fingerprint } from '../request/fingerprint.ts';
import { toWireBody } from '../request/wire-body.ts';
import { toHumanPath } from '../ui/human-path.ts';
import { quoteCommand } from '../ui/quote-command.ts';
import type { Frame } from './command-frame.ts';
import type { PreparedJob } from './prepare-job.ts';

/**
 * The identity under which the very same request is open for this place, where it was made for another and moved here since.
 * Where it is open for another place, that is said: another `-o` is another command, and buys another clip, but not
 * everybody who names a better place for the first one means that.
 */
export async function findTwin(
  { session, warn }: Frame,
  job: PreparedJob,
): Promise<TaskRecord['identity'] | undefined> {
  const print = fingerprint(toWireBody(job.request), job.media.hashes);
  const identity = requestIdentity(print, job.output, session.service);
  const { records } = await session.journal.readOpen();
  const same = records.filter((record) => record.fingerprint === print && session.isOwn(record));
  if (same.some((record) => record.identity === identity)) return undefined;
  const twin = same.findLast(({ state }) => state !== 'intent');
  if (twin === undefined) return undefined;
  if (requestIdentity(print, twin.output, session.service) === identity) return twin.identity;
  const command = quoteCommand(['evolink', 'resume', continueId(twin)]);
  warn(
    `the same request is open already, ${describePlace(twin)}, and this command buys another; to have that clip, stop this command and run: ${command} -o PATH`,
  );
  return undefined;
}

function describePlace(record: TaskRecord): string {
  if (record.output.kind === 'stdout') return 'for standard output';
  const path = knownPath(record.output, fieldsOf(record));
  return path === undefined
    ? `for the folder ${toHumanPath(record.output.folder)}`
    : `for ${toHumanPath(path)}`;
}
