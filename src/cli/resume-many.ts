import { EvolinkError, EXIT_CODES } from '../errors.ts';
import type { EmitEvent } from '../generate/events.ts';
import { type Decision, type ResumeOutcome, resumeRecords } from '../generate/resume.ts';
import type { TaskRecord } from '../journal/record.ts';
import { toErrorDocument, toResultDocument } from '../ui/json-document.ts';
import { toJsonText } from '../ui/json-text.ts';
import type { Frame } from './command-frame.ts';
import type { Context } from './context.ts';
import { createDependencies } from './dependencies.ts';
import { describeOutcome } from './describe-outcome.ts';
import type { Form } from './form.ts';
import type { PlaceClip } from './place-clips.ts';

/** Polite, and enough to keep a line busy. */
const CONCURRENCY = 4;

export interface ResumeMany {
  readonly frame: Frame;
  readonly form: Form;
  readonly placeClip: PlaceClip;
  readonly waitTimeoutMs: number;
  readonly decision?: Decision | undefined;
  /** Tasks that still run are no failure: nobody asked to wait for them. */
  readonly isPendingFine: boolean;
}

/**
 * Continues records and reports each. One record is reported as a command of its own would be; several end with a summary.
 * @returns 0 when all are done, the exit code of the only one, or `partial`
 */
export async function resumeMany(
  context: Context,
  records: readonly TaskRecord[],
  options: ResumeMany,
): Promise<number> {
  const { frame, form } = options;
  const [only, ...others] = records;
  if (only === undefined) return nothing(context, form);
  const isSingle = others.length === 0;
  if (isSingle) frame.noteRecord(only);
  const deps = await createDependencies(context, frame.session, isSingle ? frame.reporter.event : silence);
  const shown = (outcome: ResumeOutcome): ResumeOutcome =>
    outcome.kind === 'failed'
      ? { ...outcome, error: frame.session.commands.inError(outcome.error) }
      : outcome;
  const outcomes = await resumeRecords(records, {
    placeClip: options.placeClip,
    waitTimeoutMs: options.waitTimeoutMs,
    decision: options.decision,
    signal: context.signals.signal,
    concurrency: CONCURRENCY,
    forRecord: (record) => (isSingle ? deps : { ...deps, emit: prefixed(record, frame.reporter.event) }),
    onOutcome: (outcome) => {
      if (!isSingle) tell(context, shown(outcome), form);
    },
  });
  const [first] = outcomes;
  if (isSingle && first !== undefined) return finishSingle(context, first, options);
  return summarize(context, outcomes.map(shown), options);
}

const silence: EmitEvent = () => undefined;

/** With several tasks only what a person must know is said while they run, each with its task. */
function prefixed(record: TaskRecord, emit: EmitEvent): EmitEvent {
  const name = record.taskId ?? record.localId;
  return (event) => {
    if (event.kind === 'warning') emit({ ...event, message: `${name}: ${event.message}` });
  };
}

async function nothing(context: Context, form: Form): Promise<number> {
  if (form === 'human') await context.io.stderr.write('nothing is unfinished\n');
  else await context.io.stdout.write(`${toJsonText(toSummary([]))}\n`);
  return 0;
}

async function finishSingle(
  context: Context,
  outcome: ResumeOutcome,
  { frame, form }: ResumeMany,
): Promise<number> {
  if (outcome.kind === 'failed') throw outcome.error;
  if (outcome.kind === 'done') {
    await frame.reporter.result(outcome.result);
    return 0;
  }
  if (form === 'human') await context.io.stderr.write(describeOutcome(outcome));
  else await context.io.stdout.write(`${toJsonText(toSummary([outcome]))}\n`);
  return 0;
}

/** The paths come out as they are saved, so that a pipe can go on with the first while the last still runs. */
function tell(context: Context, outcome: ResumeOutcome, form: Form): void {
  if (form !== 'human') return;
  void context.io.stderr.write(describeOutcome(outcome));
  if (outcome.kind !== 'done') return;
  for (const path of outcome.result.paths ?? []) void context.io.stdout.write(`${path}\n`);
}

function toSummary(outcomes: readonly ResumeOutcome[]) {
  return {
    schema_version: 1,
    ok: outcomes.every(({ kind }) => kind !== 'failed'),
    tasks: outcomes.map((outcome) => {
      switch (outcome.kind) {
        case 'done':
          return toResultDocument(outcome.result);
        case 'failed':
          return toErrorDocument(outcome.error);
        case 'dropped':
          return { schema_version: 1, ok: true, local_id: outcome.record.localId, state: 'never-sent' };
        default:
          return outcome satisfies never;
      }
    }),
  };
}

async function summarize(
  context: Context,
  outcomes: readonly ResumeOutcome[],
  options: ResumeMany,
): Promise<number> {
  const failed = outcomes.filter((outcome) => outcome.kind === 'failed');
  const bad = options.isPendingFine ? failed.filter(({ error }) => error.kind !== 'pending') : failed;
  if (options.form === 'human') {
    const done = outcomes.filter((outcome) => outcome.kind === 'done');
    const kept = done.filter(({ result }) => result.state === 'skipped').length;
    const pending = failed.length - bad.length;
    const parts = [
      `${done.length - kept} saved`,
      ...(kept > 0 ? [`${kept} there already`] : []),
      ...(pending > 0 ? [`${pending} still running`] : []),
      ...(bad.length > 0 ? [`${bad.length} not saved`] : []),
    ];
    await context.io.stderr.write(`${parts.join(', ')}\n`);
  } else await context.io.stdout.write(`${toJsonText(toSummary(outcomes))}\n`);
  return bad.length === 0 ? 0 : EXIT_CODES.partial.exit;
}

/** The error of a command that needs ids or `--all`. */
export function needsIds(command: string): EvolinkError {
  return new EvolinkError('usage', `evolink ${command} needs task ids, or --all`, {
    hint: `evolink ${command} --all; evolink status lists what is unsaved`,
    charged: 'no',
  });
}
