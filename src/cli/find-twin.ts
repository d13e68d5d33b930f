import { knownPath } from '../download/output.ts';
import { createRealPaths } from '../platform/folders.ts';
import { quoteCommand, toHumanPath } from '../platform/text.ts';
import { fingerprint, toWireBody } from '../request/fingerprint.ts';
import { continueId } from '../task/failures.ts';
import type { TaskRecord } from '../task/record.ts';
import { placedIdentity, requestIdentity } from '../task/record.ts';
import { placeOf } from '../task/save.ts';
import type { Frame } from './frame.ts';
import { type PreparedJob, plannedFields } from './prepare-job.ts';

/** The very same request, open with another name. */
export interface Twin {
  /** Made for another place, and moved since to where this command wants its clip. */
  readonly attachTo?: TaskRecord | undefined;
  /**
   * Another is bought: another `-o` is another command. But not everybody who names a better place for the first one means
   * that.
   */
  readonly purchaseNote?: string | undefined;
}

/** Looks for open requests that are the same but for the place of their clip. */
export async function findTwin({ session }: Frame, job: PreparedJob, nowMs: number): Promise<Twin> {
  const print = fingerprint(toWireBody(job.request), job.media.hashes);
  const identity = requestIdentity(print, job.output, session.service);
  // A state folder that fails is told of where that matters.
  const { records } = await session.journal.readOpen().catch(() => ({ records: [] }));
  const same = records.filter(
    (record) => record.fingerprint === print && session.isOwn(record) && record.state !== 'intent',
  );
  if (same.some((record) => record.identity === identity)) return {};
  const realPath = createRealPaths();
  const reallyAt = async (path: string | undefined) => (path === undefined ? undefined : realPath(path));
  const { output, request } = job;
  const here = await reallyAt(
    output.kind === 'file' ? knownPath(output, plannedFields(request, nowMs)) : undefined,
  );
  for (const record of [...same].reverse()) {
    const isHere = placedIdentity(record, session.service) === identity;
    if (isHere || (here !== undefined && here === (await reallyAt(placeOf(record)))))
      return { attachTo: record };
  }
  const twin = same.at(-1);
  if (twin === undefined) return {};
  const command = quoteCommand(['evolink', 'resume', continueId(twin)]);
  return {
    purchaseNote: `the same request is open already, ${describePlace(twin)}, and this command buys another; to have that clip, stop this command and run: ${command} -o PATH`,
  };
}

function describePlace(record: TaskRecord): string {
  if (record.output.kind === 'stdout') return 'for standard output';
  const path = placeOf(record);
  return path === undefined
    ? `for the folder ${toHumanPath(record.output.folder)}`
    : `for ${toHumanPath(path)}`;
}
