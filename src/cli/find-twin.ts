import { knownPath } from '../download/known-path.ts';
import type { OutputFields, OutputPlan } from '../download/types.ts';
import { continueId } from '../generate/failures.ts';
import { fieldsOf } from '../generate/save-task.ts';
import { placedIdentity, requestIdentity } from '../journal/identity.ts';
import type { TaskRecord } from '../journal/record.ts';
import { createRealPaths } from '../platform/real-folder.ts';
import { fingerprint } from '../request/fingerprint.ts';
import { toWireBody } from '../request/wire-body.ts';
import { toHumanPath } from '../ui/human-path.ts';
import { quoteCommand } from '../ui/quote-command.ts';
import type { Frame } from './command-frame.ts';
import { plannedFields } from './planned-fields.ts';
import type { PreparedJob } from './prepare-job.ts';

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
  const here = await pathOf(job.output, plannedFields(job.request, nowMs), realPath);
  for (const record of [...same].reverse()) {
    const isHere = placedIdentity(record, session.service) === identity;
    const there = await pathOf(record.output, fieldsOf(record), realPath);
    if (isHere || (here !== undefined && here === there)) return { attachTo: record };
  }
  const twin = same.at(-1);
  if (twin === undefined) return {};
  const command = quoteCommand(['evolink', 'resume', continueId(twin)]);
  return {
    purchaseNote: `the same request is open already, ${describePlace(twin)}, and this command buys another; to have that clip, stop this command and run: ${command} -o PATH`,
  };
}

/** Where a clip really goes, if its name is known by now. */
async function pathOf(
  output: OutputPlan,
  fields: OutputFields,
  realPath: (path: string) => Promise<string>,
): Promise<string | undefined> {
  const path = output.kind === 'file' ? knownPath(output, fields) : undefined;
  return path === undefined ? undefined : realPath(path);
}

function describePlace(record: TaskRecord): string {
  if (record.output.kind === 'stdout') return 'for standard output';
  const path = knownPath(record.output, fieldsOf(record));
  return path === undefined
    ? `for the folder ${toHumanPath(record.output.folder)}`
    : `for ${toHumanPath(path)}`;
}
