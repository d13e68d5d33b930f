import { dirname, relative } from 'node:path';
import pMap from 'p-map';
import type { PriceOverride } from '../config/settings.ts';
import { placeOf } from '../generate/place-of.ts';
import { mediaHashes } from '../generate/prepare-media.ts';
import { placedIdentity, requestIdentity } from '../journal/identity.ts';
import type { TaskRecord } from '../journal/record.ts';
import { isInside } from '../platform/is-inside.ts';
import { type CreditEstimate, estimateCredits } from '../request/estimate.ts';
import { fingerprint } from '../request/fingerprint.ts';
import type { Problem, WireBody } from '../request/types.ts';
import { toWireBody } from '../request/wire-body.ts';
import { expectedSeconds } from './expected-seconds.ts';
import { type ClipRecord, inspectOutput, type OutputState } from './inspect-output.ts';
import { createOutsideCheck } from './outside-folder.ts';
import type { FileJobEntry } from './read-job-files.ts';
import type { ResolvedJob } from './resolve-job.ts';
import type { PlanAction } from './run-report.ts';

/** What a run says of a job: its names, its place in the file, its variables. */
export type JobPlace = Pick<
  FileJobEntry,
  'name' | 'group' | 'file' | 'line' | 'column' | 'variables' | 'baseFolder'
>;

/**
 * A job with what is to be done about it. It outlives its file: thousands of these live as long as the run, so nothing in
 * it leads back to the parsed document or to the functions that find places in it.
 */
export interface PlannedJob extends Omit<ResolvedJob, 'entry'> {
  readonly entry: JobPlace;
  readonly body: WireBody;
  readonly fingerprint: string;
  readonly identity: string;
  readonly estimate: CreditEstimate;
  readonly expectedSeconds: number;
  readonly action: PlanAction;
  /** The open request that is continued. */
  readonly record?: TaskRecord | undefined;
  /** The clip that is there already. */
  readonly clip?: ClipRecord | undefined;
  /** Where the clip of this very request lies, under another name. */
  readonly movedFrom?: string | undefined;
  /** The job that asks for the very clip which this one would replace. */
  readonly wantedBy?: string | undefined;
  /** The clip goes, or a link leads it, out of the folder of the job file. */
  readonly isOutside: boolean;
}

export interface PlanOptions {
  /** Open requests to this service. */
  readonly records: readonly TaskRecord[];
  /** Paths that belong to a job of the files. */
  readonly takenPaths: ReadonlySet<string>;
  /** Says whether a clip is made again although it is up to date. */
  readonly isForced: (job: { readonly name: string; readonly group: string }) => boolean;
  /** Requests go to an API on this machine: what it makes never replaces a clip that was paid for. */
  readonly isRehearsal: boolean;
  /** Which service that is, as `serviceOf`. */
  readonly service?: string | undefined;
  readonly prices: readonly PriceOverride[];
  readonly cwd: string;
}

export interface PlannedJobs {
  readonly jobs: readonly PlannedJob[];
  readonly problems: readonly Problem[];
}

/** Disks, not processors, are waited for. */
const READS_AT_ONCE = 8;

/**
 * Finds out for each job whether its clip is there, whether a request is open, or what has to be bought. Reads the places
 * of the clips and the records beside them; sends nothing.
 * @throws EvolinkError `local-io`
 */
export async function planJobs(jobs: readonly ResolvedJob[], options: PlanOptions): Promise<PlannedJobs> {
  const open = new Map(options.records.map((record) => [nameOf(record, options), record]));
  const problems: Problem[] = [];
  const leadsOutside = createOutsideCheck();
  const planned = await pMap(
    jobs,
    async (job): Promise<PlannedJob> => {
      const body = toWireBody(job.request);
      const hashes = mediaHashes(job.media.local);
      const print = fingerprint(body, hashes);
      const identity = requestIdentity(print, job.output, options.service);
      const state = await inspectOutput(job.outputPath);
      const found = open.get(identity);
      const isWanted = found !== undefined && mayReplace(found, { print, identity, state });
      const facts = { print, record: isWanted ? found : undefined, state };
      const decision = decide(job, facts, options);
      if ('problem' in decision) problems.push(decision.problem);
      const { action, clip, record } = 'problem' in decision ? NOTHING_TO_DO : decision;
      const isOutside = await leadsOutside(job.outputPath, job.entry.baseFolder);
      return {
        entry: toPlace(job.entry),
        request: job.request,
        outputPath: job.outputPath,
        isOutside,
        warnings: isOutside ? [...job.warnings, outsideWarning(job, options.cwd)] : job.warnings,
        media: job.media,
        body,
        identity,
        fingerprint: print,
        estimate: estimateCredits(job.request, {
          overrides: options.prices,
          inputVideoSeconds: job.media.inputVideoSeconds,
        }),
        expectedSeconds: expectedSeconds(job.request),
        output: { ...job.output, onExisting: clip === undefined ? 'refuse' : 'overwrite' },
        action,
        record,
        clip,
      };
    },
    { concurrency: READS_AT_ONCE },
  );
  return { jobs: planned, problems };
}

/** The identity by which an open record is found: its own, unless it was moved since to where another job wants it. */
function nameOf(record: TaskRecord, { service, takenPaths }: PlanOptions): string {
  const path = placeOf(record);
  return path !== undefined && takenPaths.has(path) ? placedIdentity(record, service) : record.identity;
}

function toPlace({ name, group, file, line, column, variables, baseFolder }: FileJobEntry): JobPlace {
  return { name, group, file, line, column, variables, baseFolder };
}

/** Not refused, as people write `../clips`; said, as a job file may come from somebody else. One line for a folder. */
function outsideWarning({ entry, outputPath }: ResolvedJob, cwd: string): Problem {
  return {
    source: entry.describe(['output']),
    value: shortPath(dirname(outputPath), cwd),
    message: 'is outside of the folder of the job file, and clips are written there',
  };
}

interface Decision {
  readonly action: PlanAction;
  readonly clip?: ClipRecord | undefined;
  readonly record?: TaskRecord | undefined;
}

const NOTHING_TO_DO: Decision = { action: 'invalid' };

/** The clip that is there for this very request is replaced only by one that was asked for later, for this very place. */
function mayReplace(
  record: TaskRecord,
  {
    print,
    identity,
    state,
  }: { readonly print: string; readonly identity: string; readonly state: OutputState },
): boolean {
  if (state.kind !== 'ours' || state.clip.fingerprint !== print) return true;
  // Saved, and only not closed yet.
  if (record.taskId !== undefined && record.taskId === state.clip.taskId) return true;
  return record.identity === identity && record.createdAtMs > (state.clip.createdAtMs ?? 0);
}

interface Facts {
  readonly print: string;
  readonly record: TaskRecord | undefined;
  readonly state: OutputState;
}

/** What is open is continued before anything is bought; what is not ours is never replaced. */
function decide(
  { entry, outputPath }: ResolvedJob,
  { print, record, state }: Facts,
  { isForced, isRehearsal, cwd }: PlanOptions,
): Decision | { readonly problem: Problem } {
  const refuse = (reason: string) => ({
    problem: {
      source: entry.describe(['output']),
      value: shortPath(outputPath, cwd),
      message: `job ${entry.name}: ${reason}, so it is never replaced; move it away, or name another output`,
    },
  });
  if (state.kind === 'foreign') {
    // A process that died after publishing has not written the record beside the clip: its request is still open.
    if (record?.state === 'completed') return { action: 'attached', record };
    return refuse(`the file ${state.reason}`);
  }
  if (state.kind === 'absent')
    return record === undefined ? { action: 'new' } : { action: 'attached', record };
  const { clip } = state;
  const isCurrent = clip.fingerprint === print && (isRehearsal || !clip.isRehearsal);
  if (isCurrent && !isForced(entry) && record?.taskId !== clip.taskId) {
    return record === undefined ? { action: 'up-to-date', clip } : { action: 'attached', clip, record };
  }
  if (isCurrent && !isForced(entry)) return { action: 'up-to-date', clip, record };
  if (isRehearsal && !clip.isRehearsal) {
    return refuse('the file is a clip of the real service, and this run is a rehearsal');
  }
  if (record !== undefined && record.taskId !== clip.taskId) return { action: 'attached', clip, record };
  return { action: isCurrent ? 'forced' : 'changed', clip };
}

/** A path as a person reads it: relative where it lies below the working folder. */
export function shortPath(path: string, cwd: string): string {
  return path !== cwd && isInside(cwd, path) ? relative(cwd, path) : path;
}

/** Says whether the job needs the paid request: an open one that was never sent needs it too. */
export function needsSubmit({ action, record }: Pick<PlannedJob, 'action' | 'record'>): boolean {
  if (action === 'attached') return record?.state === 'intent';
  return action === 'new' || action === 'changed' || action === 'forced';
}

/** Says whether the clip is there, so that nothing has to be asked of the service. */
export function isSettled({ action }: Pick<PlannedJob, 'action'>): boolean {
  return action === 'up-to-date' || action === 'adopted';
}

/** The most that a job is expected to cost, where that is known. */
export function mostCredits({ estimate }: Pick<PlannedJob, 'estimate'>): number | undefined {
  return estimate.credits ?? estimate.atMost;
}
