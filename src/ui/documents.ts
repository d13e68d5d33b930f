import * as z from 'zod/mini';
import {
  type ErrorFacts,
  type EvolinkError,
  EXIT_CODES,
  SIGNAL_EXITS,
  type StoppedError,
} from '../errors.ts';
import { all, toCamel, toIsoTime } from '../platform/text.ts';
import { takenCredits } from '../report/facts.ts';
import { recordWord, SCHEMA_VERSION } from '../report/states.ts';
import type { RunEvent } from '../run/execute.ts';
import { type InMemory, TASK_EVENTS, TASK_RESULT, type TaskEvent, type TaskResult } from '../task/events.ts';
import { describeStopped, resolveCharged, type StopFacts } from './errors.ts';

const text = z.nullable(z.string());
const number = z.nullable(z.number());
const time = z.nullable(z.iso.datetime());
const texts = z.array(z.string());
const count = z.int().check(z.minimum(0));
const str = z.string();

const ERROR = z.object({
  code: z.enum([...Object.keys(EXIT_CODES), 'signal']),
  exit: count,
  message: str,
  hint: text,
  details: texts,
  retryable: z.boolean(),
  charged: z.enum(['no', 'yes', 'unknown']),
  ...all(text, 'task_id', 'local_id', 'request_id', 'service_code'),
  http_status: number,
  resume: z.nullable(texts),
});

/** A media file as `check` and a dry run see it. */
export const REVIEW = {
  ...all(str, 'name', 'location'),
  ...all(text, 'role', 'kind', 'format', 'video_codec', 'audio_codec'),
  ...all(z.boolean(), 'local', 'ok'),
  ...all(number, 'size_bytes', 'width_px', 'height_px', 'seconds', 'frames_per_second'),
  problems: z.array(z.object(all(str, 'rule', 'is', 'allowed'))),
  warnings: texts,
};

/** One task of `evolink status`, `history` and `show`. */
export const taskRow = z.object({
  ...all(str, 'id', 'state', 'status'),
  local_id: text,
  created_at: z.iso.datetime(),
  link_expires_at: time,
  ...all(text, 'operation', 'model', 'quality', 'aspect_ratio', 'path', 'prompt', 'note', 'error'),
  ...all(number, 'duration', 'credits', 'progress_percent'),
  missing: z.boolean().check(z.describe('the file is gone')),
});

/** One file of `evolink upload --list`. */
export const uploadedFile = z.object({
  ...all(text, 'file_id', 'file_name', 'mime_type'),
  url: str,
  size_bytes: number,
  ...all(time, 'uploaded_at', 'expires_at'),
});

/** A file that a dry run would upload; `placeholder` stands in the body where its URL will be. */
export const UPLOAD = {
  ...all(str, 'placeholder', 'name', 'path'),
  size_bytes: count,
  ...all(str, 'mime_type', 'sha256'),
};

/** One file of `evolink upload`. */
export const SENT_FILE = {
  path: str,
  ...all(text, 'url', 'sha256'),
  size_bytes: number,
  expires_at: time,
  reused: z.boolean(),
};

const spent = z.looseObject({ tasks: count });

/** Every document of `--json` begins so. */
function document<S extends z.core.$ZodShape>(shape: S) {
  return z.object({ schema_version: z.literal(SCHEMA_VERSION), ok: z.boolean(), ...shape });
}

const success = document(TASK_RESULT);
const failure = document({ error: ERROR });
const error = z.optional(ERROR);

/**
 * What `--json` prints, by the name that `evolink schema` knows it by. A document that can fail in part has `error` too.
 * Built when asked for, as a command needs one of them or none.
 */
export const DOCUMENTS = {
  result: () => success,
  results: () =>
    document({ tasks: z.array(z.union([success, failure, document(all(str, 'local_id', 'state'))])) }),
  error: () => failure,
  'dry-run': () =>
    document({
      dry_run: z.literal(true),
      request: z.object({ ...all(str, 'method', 'url'), body: z.record(str, z.unknown()) }),
      estimate: z.looseObject({ ...all(number, 'credits', 'usd', 'billed_seconds'), price_list_date: str }),
      media: z.array(z.looseObject(REVIEW)),
      uploads: z.array(z.object(UPLOAD)),
      output: z.string().check(z.describe('where the clip goes; - is standard output')),
      warnings: texts,
    }),
  'resume-plan': () =>
    document({ dry_run: z.literal(true), tasks: z.array(z.object(all(str, 'id', 'state', 'next_step'))) }),
  status: () => document({ tasks: z.array(taskRow) }),
  history: () => document({ tasks: z.array(taskRow) }),
  show: () =>
    document({
      task: taskRow,
      other_key: z.boolean().check(z.describe('made with another key than the one in use now')),
      request: z.nullable(z.looseObject({ model: str })),
    }),
  open: () => document({ path: str }),
  erase: () => document({ erased: count }),
  prune: () => document({ removed: count }),
  forget: () => document({ ...all(str, 'id', 'state'), moved_to: text }),
  credits: () =>
    document({
      ...all(number, 'spendable', 'spendable_usd'),
      user: z.looseObject(all(number, 'remaining', 'used')),
      key: z.looseObject({ remaining: number, is_unlimited: z.boolean() }),
      journal: z.looseObject({ ...all(spent, 'ended', 'open', 'dismissed'), uncertain_tasks: count }),
    }),
  upload: () => document({ files: z.array(z.object(SENT_FILE)) }),
  uploads: () =>
    document({
      files: z.array(uploadedFile),
      quota: z.nullable(z.object(all(number, 'used', 'max', 'remaining'))),
    }),
  delete: () => document({ deleted: texts, error }),
  check: () => document({ files: z.array(z.looseObject({ ...REVIEW, place: text, jobs: texts })), error }),
  config: () =>
    document({
      kind: z.literal('evolink.config'),
      files: z.object(all(text, 'project', 'user')),
      settings: z.record(str, z.object({ value: z.unknown(), ...all(str, 'level', 'source') })),
    }),
  written: () => document({ path: str }),
  doctor: () =>
    document({
      checks: z.array(
        z.object({
          ...all(str, 'name', 'text'),
          verdict: z.enum(['ok', 'warning', 'failed', 'skipped']),
          hint: text,
          exit: count,
        }),
      ),
    }),
  sandbox: () => document(all(str, 'api_url', 'files_url', 'link_url')),
  merge: () =>
    document({
      reports: texts,
      totals: z.record(str, count),
      credits: z.looseObject({ estimated: number }),
      warnings: texts,
      error,
    }),
  schema: () => document({ name: str, schema: z.record(str, z.unknown()) }),
  text: () => document({ text: z.string().check(z.describe('what is printed without --json')) }),
};

export type DocumentName = keyof typeof DOCUMENTS;
/** A document without what all have; `ok` is true unless it says otherwise. */
export type DocumentBody<N extends DocumentName> = Omit<
  z.output<ReturnType<(typeof DOCUMENTS)[N]>>,
  'schema_version' | 'ok'
> & { readonly ok?: boolean };

/** What `--events` says of a run besides the events of its tasks. */
const RUN_EVENTS = {
  'run-planned': {
    ...all(count, 'planned', 'to_run', 'up_to_date', 'resume'),
    ...all(number, 'estimated_credits', 'balance'),
  },
  'job-started': { job: str, expected_seconds: z.number() },
  'job-ended': {
    ...all(str, 'job', 'state', 'action'),
    ...all(text, 'path', 'task_id'),
    ...all(number, 'credits', 'duration_ms'),
    error: z.nullable(z.object(all(str, 'code', 'message'))),
  },
  concurrency: { limit: count },
  'run-stopping': { reason: str },
} satisfies Record<Exclude<RunEvent['kind'], 'task'>, z.core.$ZodShape>;

/** One line of `--events`. The last one is `result` or `error`, with the keys of the document of `--json`. */
export function eventSchema() {
  const line = (kind: string, shape: z.core.$ZodShape) =>
    z.object({
      schema_version: z.literal(SCHEMA_VERSION),
      event: z.literal(kind),
      time: z.iso.datetime(),
      ...shape,
    });
  return z.union([
    z.looseObject({ ...line('result', {}).shape, event: z.enum(['result', 'error']), ok: z.boolean() }),
    ...Object.entries(TASK_EVENTS).map(([kind, shape]) => line(kind, { job: z.optional(str), ...shape })),
    ...Object.entries(RUN_EVENTS).map(([kind, shape]) => line(kind, shape)),
  ]);
}

/**
 * An object of a document, by its shape, from what is in memory. Every key is there; what is not known is null, or false.
 */
export function fill<S extends z.core.$ZodShape>(
  shape: S,
  source: InMemory<z.output<z.ZodMiniObject<S>>>,
): z.output<z.ZodMiniObject<S>> {
  return takeKeys(shape, source) as z.output<z.ZodMiniObject<S>>;
}

function takeKeys(shape: z.core.$ZodShape, source: object): object {
  const values = source as Readonly<Record<string, unknown>>;
  const take = (key: string, type: z.core.$ZodType): unknown => {
    const name = toCamel(key);
    if (key.endsWith('_at')) return toIsoTime(values[`${name}Ms`]);
    const value = values[name] ?? values[`is${name.charAt(0).toUpperCase()}${name.slice(1)}`] ?? null;
    return type._zod.def.type === 'boolean' ? value === true : value;
  };
  return Object.fromEntries(Object.entries(shape).map(([key, type]) => [key, take(key, type)]));
}

/** The document of a success. */
export function toResultDocument({ next: _next, paths: _paths, ...result }: TaskResult) {
  return { schema_version: SCHEMA_VERSION, ok: true, ...result };
}

/** The document of a failure. `code` is the name in the table of exit codes. */
export function toErrorDocument({ kind, exit, message, facts, isRetryable }: EvolinkError) {
  return toFailure({
    ...facts,
    code: kind,
    exit,
    message,
    isRetryable,
    charged: resolveCharged(facts, kind),
  });
}

/** The same shape for a run that a signal stopped; `code` is `signal`. */
export function toStoppedDocument({ signal, message }: StoppedError, facts: StopFacts) {
  const known = { code: 'signal', exit: SIGNAL_EXITS[signal], message, isRetryable: true };
  return toFailure({ ...facts, ...known, charged: resolveCharged(facts), hint: describeStopped(facts) });
}

function toFailure(error: Omit<InMemory<z.output<typeof ERROR>>, 'details'> & Pick<ErrorFacts, 'details'>) {
  const { details = [] } = error;
  return { schema_version: SCHEMA_VERSION, ok: false, error: fill(ERROR.shape, { ...error, details }) };
}

/** One line of `--events`; events of a task of a run carry the name of their `job`. */
export function toEventDocument(event: TaskEvent | RunEvent, atMs: number): object {
  const kind = event.kind === 'task' ? event.event.kind : event.kind;
  return { schema_version: SCHEMA_VERSION, event: kind, time: toIsoTime(atMs), ...eventFields(event) };
}

function eventFields(event: TaskEvent | RunEvent): object {
  switch (event.kind) {
    case 'task':
      return { job: event.job, ...eventFields(event.event) };
    case 'run-planned': {
      const { totals, credits, balance } = event.report;
      const { planned, up_to_date, resume } = totals;
      const estimated_credits = credits.estimated;
      return { planned, to_run: event.toRun, up_to_date, resume, estimated_credits, balance };
    }
    case 'job-ended': {
      const { name: job, state, action, path, task_id, duration_ms, error } = event.report;
      const credits = takenCredits(event.report);
      const short = error && { code: error.code, message: error.message };
      return { job, state, action, path, task_id, credits, duration_ms, error: short };
    }
    case 'attached':
      return fill(TASK_EVENTS.attached, { ...event, state: recordWord(event.state) });
    default:
      return takeKeys({ ...TASK_EVENTS, ...RUN_EVENTS }[event.kind], event);
  }
}
