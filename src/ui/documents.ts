import * as z from 'zod/mini';
import { type EvolinkError, EXIT_CODES, SIGNAL_EXITS, type StoppedError } from '../errors.ts';
import { heldCredits } from '../report/facts.ts';
import { mediaSchema as media } from '../report/run-report.ts';
import { recordWord, SCHEMA_VERSION } from '../report/states.ts';
import type { RunEvent } from '../run/events.ts';
import type { TaskEvent, TaskResult } from '../task/events.ts';
import { describeStopped, resolveCharged, type StopFacts } from './errors.ts';
import { toIsoTime } from './format.ts';

const text = z.nullable(z.string());
const number = z.nullable(z.number());
const time = z.nullable(z.iso.datetime());
const texts = z.array(z.string());
const count = z.int().check(z.minimum(0));
const ERROR = z.object({
  code: z.enum([...Object.keys(EXIT_CODES), 'signal']),
  exit: count,
  message: z.string(),
  hint: text,
  details: texts,
  retryable: z.boolean(),
  charged: z.enum(['no', 'yes', 'unknown']),
  task_id: text,
  local_id: text,
  request_id: text,
  http_status: number,
  service_code: text,
  resume: z.nullable(texts),
});

const RESULT = {
  local_id: text,
  task_id: text,
  state: z.string(),
  operation: text,
  model: text,
  path: text,
  size_bytes: number,
  sha256: text,
  media: z.nullable(media),
  credits: z.object({ estimated: number, reserved: number, used: number }),
  link_expires_at: time,
  warnings: texts,
};

const REVIEW = {
  name: z.string(),
  role: text,
  kind: text,
  location: z.string(),
  local: z.boolean(),
  ok: z.boolean(),
  format: text,
  size_bytes: number,
  width_px: number,
  height_px: number,
  seconds: number,
  frames_per_second: number,
  video_codec: text,
  audio_codec: text,
  problems: z.array(z.object({ rule: z.string(), is: z.string(), allowed: z.string() })),
  warnings: texts,
};

const ENDED = {
  id: z.string(),
  local_id: z.string(),
  state: z.string(),
  created_at: time,
  operation: text,
  model: text,
  duration: number,
  quality: text,
  aspect_ratio: text,
  credits: number,
  path: text,
  missing: z.boolean().check(z.describe('the file is gone')),
  prompt: text,
  error: text,
};

const spent = z.looseObject({ tasks: count });

/** Every document of `--json` begins so. */
function document<S extends z.core.$ZodShape>(shape: S) {
  return z.object({ schema_version: z.literal(SCHEMA_VERSION), ok: z.boolean(), ...shape });
}

const success = document(RESULT);
const failure = document({ error: ERROR });

/**
 * What `--json` prints, by the name that `evolink schema` knows it by. A document that can fail in part has `error` too.
 * Built when asked for, as a command needs one of them or none.
 */
export const DOCUMENTS = {
  result: success,
  get results() {
    return document({
      tasks: z.array(z.union([success, failure, document({ local_id: z.string(), state: z.string() })])),
    });
  },
  error: failure,
  get 'dry-run'() {
    return document({
      dry_run: z.literal(true),
      request: z.object({ method: z.string(), url: z.string(), body: z.record(z.string(), z.unknown()) }),
      estimate: z.looseObject({
        credits: number,
        usd: number,
        billed_seconds: number,
        price_list_date: z.string(),
      }),
      media: z.array(z.looseObject(REVIEW)),
      uploads: z.array(z.looseObject({ path: z.string(), name: z.string(), sha256: z.string() })),
      output: z.string().check(z.describe('where the clip goes; - is standard output')),
      warnings: texts,
    });
  },
  get 'resume-plan'() {
    return document({
      dry_run: z.literal(true),
      tasks: z.array(z.object({ id: z.string(), state: z.string(), next_step: z.string() })),
    });
  },
  get status() {
    return document({
      tasks: z.array(
        z.object({
          id: z.string(),
          state: z.string(),
          status: z.string(),
          progress_percent: number,
          prompt: text,
          created_at: time,
          link_expires_at: time,
          path: text,
          credits: number,
          note: text,
        }),
      ),
    });
  },
  get history() {
    return document({ tasks: z.array(z.object(ENDED)) });
  },
  get show() {
    return document({ task: z.object(ENDED), request: z.nullable(z.looseObject({ model: z.string() })) });
  },
  get open() {
    return document({ path: z.string() });
  },
  get erase() {
    return document({ erased: count });
  },
  get prune() {
    return document({ removed: count });
  },
  get forget() {
    return document({ id: z.string(), state: z.string(), moved_to: text });
  },
  get credits() {
    return document({
      spendable: number,
      spendable_usd: number,
      user: z.looseObject({ remaining: number, used: number }),
      key: z.looseObject({ remaining: number, is_unlimited: z.boolean() }),
      journal: z.looseObject({ ended: spent, open: spent, dismissed: spent, uncertain_tasks: count }),
    });
  },
  get upload() {
    return document({
      files: z.array(
        z.object({
          path: z.string(),
          url: text,
          sha256: text,
          size_bytes: number,
          expires_at: time,
          reused: z.boolean(),
        }),
      ),
    });
  },
  get uploads() {
    return document({
      files: z.array(
        z.object({
          file_id: text,
          file_name: text,
          url: z.string(),
          size_bytes: number,
          mime_type: text,
          uploaded_at: time,
          expires_at: time,
        }),
      ),
      quota: z.nullable(z.object({ used: number, max: number, remaining: number })),
    });
  },
  get delete() {
    return document({ deleted: texts, error: z.optional(ERROR) });
  },
  get check() {
    return document({
      files: z.array(z.looseObject({ ...REVIEW, place: text, jobs: texts })),
      error: z.optional(ERROR),
    });
  },
  get config() {
    return document({
      kind: z.literal('evolink.config'),
      files: z.object({ project: text, user: text }),
      settings: z.record(z.string(), z.object({ value: z.unknown(), level: z.string(), source: z.string() })),
    });
  },
  get written() {
    return document({ path: z.string() });
  },
  get doctor() {
    return document({
      checks: z.array(
        z.object({
          name: z.string(),
          verdict: z.enum(['ok', 'warning', 'failed', 'skipped']),
          text: z.string(),
          hint: text,
          exit: count,
        }),
      ),
    });
  },
  get sandbox() {
    return document({ api_url: z.string(), files_url: z.string(), link_url: z.string() });
  },
  get merge() {
    return document({
      reports: texts,
      totals: z.record(z.string(), count),
      credits: z.looseObject({ estimated: number }),
      warnings: texts,
      error: z.optional(ERROR),
    });
  },
  get schema() {
    return document({ name: z.string(), schema: z.record(z.string(), z.unknown()) });
  },
  get text() {
    return document({ text: z.string().check(z.describe('what is printed without --json')) });
  },
};

export type DocumentName = keyof typeof DOCUMENTS;
/** A document without what all have; `ok` is true unless it says otherwise. */
export type DocumentBody<N extends DocumentName> = Omit<
  z.output<(typeof DOCUMENTS)[N]>,
  'schema_version' | 'ok'
> & { readonly ok?: boolean };

/** The fields of the lines of `--events`, by kind. */
const EVENTS = {
  warning: { code: z.string(), message: z.string() },
  planned: {
    operation: z.string(),
    model: z.string(),
    duration_seconds: number,
    quality: text,
    aspect_ratio: text,
    estimated_credits: number,
    price_list_date: z.string(),
  },
  media: { name: z.string(), role: text, label: z.string(), facts: text, local: z.boolean() },
  'upload-started': { name: z.string(), path: z.string(), total_bytes: z.number() },
  'upload-bytes': { name: z.string(), path: z.string(), sent_bytes: z.number(), total_bytes: z.number() },
  'upload-retry': { name: z.string(), path: z.string(), reason: z.string(), delay_ms: z.number() },
  uploaded: { name: z.string(), path: z.string(), url: z.string(), expires_at: time, reused: z.boolean() },
  attached: { local_id: z.string(), task_id: text, state: z.string() },
  submitting: { local_id: z.string() },
  'submit-retry': { reason: z.string(), delay_ms: z.number() },
  accepted: {
    local_id: z.string(),
    task_id: z.string(),
    reserved_credits: number,
    estimated_credits: number,
    estimated_seconds: number,
  },
  progress: {
    task_id: z.string(),
    status: z.string(),
    progress_percent: number,
    elapsed_ms: z.number(),
    remaining_ms: number,
  },
  'poll-trouble': { task_id: z.string(), reason: z.string(), retry_in_ms: z.number() },
  completed: { task_id: z.string(), elapsed_ms: z.number(), used_credits: number, link_expires_at: time },
  'download-started': { task_id: z.string(), total_bytes: number, resumed_from_bytes: z.number() },
  bytes: { task_id: z.string(), received_bytes: z.number(), total_bytes: number },
  'download-retry': { task_id: z.string(), reason: z.string(), delay_ms: z.number() },
  'download-restarted': { task_id: z.string(), reason: z.string() },
  saved: {
    task_id: z.string(),
    path: text,
    size_bytes: z.number(),
    sha256: z.string(),
    media: z.nullable(media),
    credits: number,
    link_expires_at: time,
    skipped: z.boolean(),
  },
} satisfies Record<TaskEvent['kind'], z.core.$ZodShape>;

const RUN_EVENTS = {
  'run-planned': {
    planned: count,
    to_run: count,
    up_to_date: count,
    resume: count,
    estimated_credits: number,
    balance: number,
  },
  'job-started': { job: z.string(), expected_seconds: z.number() },
  'job-ended': {
    job: z.string(),
    state: z.string(),
    action: z.string(),
    path: text,
    task_id: text,
    credits: number,
    duration_ms: number,
    error: z.nullable(z.object({ code: z.string(), message: z.string() })),
  },
  concurrency: { limit: count },
  'run-stopping': { reason: z.string() },
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
    ...Object.entries(EVENTS).map(([kind, shape]) => line(kind, { job: z.optional(z.string()), ...shape })),
    ...Object.entries(RUN_EVENTS).map(([kind, shape]) => line(kind, shape)),
  ]);
}

/**
 * An object of a document, by its shape: `task_id` is taken from `taskId`, `created_at` from `createdAtMs`, a flag also
 * from `isX`. Every key is there; what is not known is null, or false.
 */
export function fill<S extends z.core.$ZodShape>(shape: S, source: object): z.output<z.ZodMiniObject<S>>;
export function fill(shape: z.core.$ZodShape, source: object): unknown {
  const values = new Map<string, unknown>(Object.entries(source));
  return Object.fromEntries(
    Object.entries(shape).map(([key, type]) => {
      const name = key.replace(/_(.)/g, (_match, letter: string) => letter.toUpperCase());
      const flag = `is${name.charAt(0).toUpperCase()}${name.slice(1)}`;
      if (key.endsWith('_at')) return [key, isoTime(values.get(`${name}Ms`))];
      return [key, fillValue(type, values.get(name) ?? values.get(flag))];
    }),
  );
}

function fillValue(type: z.core.$ZodType, value: unknown): unknown {
  const { def } = (type as z.core.$ZodTypes)._zod;
  if (def.type === 'boolean') return value === true;
  if (value === undefined || value === null) return null;
  if (def.type === 'nullable') return fillValue(def.innerType, value);
  if (def.type === 'array')
    return Array.isArray(value) ? value.map((each) => fillValue(def.element, each)) : [];
  return def.type === 'object' && typeof value === 'object' ? fill(def.shape, value) : value;
}

function isoTime(atMs: unknown): string | null {
  return toIsoTime(typeof atMs === 'number' ? atMs : undefined);
}

/** The document of a success. */
export function toResultDocument(result: TaskResult) {
  const { estimatedCredits, reservedCredits, usedCredits } = result;
  const credits = { estimated: estimatedCredits, reserved: reservedCredits, used: usedCredits };
  return { schema_version: SCHEMA_VERSION, ok: true, ...fill(RESULT, { ...result, credits }) };
}

/** The document of a failure. `code` is the name in the table of exit codes. */
export function toErrorDocument({ kind, exit, message, facts, isRetryable: retryable }: EvolinkError) {
  const charged = resolveCharged({ kind, ...facts });
  const { details = [] } = facts;
  return toFailure({ ...facts, code: kind, exit, message, details, retryable, charged });
}

/** The same shape for a run that a signal stopped; `code` is `signal`. */
export function toStoppedDocument({ signal, message }: StoppedError, facts: StopFacts) {
  const exit = SIGNAL_EXITS[signal];
  const known = {
    retryable: true,
    charged: resolveCharged(facts),
    hint: describeStopped(facts),
    details: [],
  };
  return toFailure({ ...facts, ...known, code: 'signal', exit, message });
}

function toFailure(facts: object) {
  return { schema_version: SCHEMA_VERSION, ok: false, error: fill(ERROR.shape, facts) };
}

/** One line of `--events`; events of a task of a run carry the name of their `job`. */
export function toEventDocument(event: TaskEvent | RunEvent, atMs: number): object {
  const line = (kind: string, fields: object) => ({
    schema_version: SCHEMA_VERSION,
    event: kind,
    time: toIsoTime(atMs),
    ...fields,
  });
  switch (event.kind) {
    case 'task':
      return line(event.event.kind, { job: event.job, ...fill(EVENTS[event.event.kind], event.event) });
    case 'run-planned': {
      const { totals, credits, balance } = event.report;
      const { planned, up_to_date, resume } = totals;
      const counts = { planned, to_run: event.toRun, up_to_date, resume };
      return line(event.kind, { ...counts, estimated_credits: credits.estimated, balance });
    }
    case 'job-started':
      return line(event.kind, { job: event.job, expected_seconds: Math.round(event.expectedSeconds) });
    case 'job-ended': {
      const { name: job, state, action, path, task_id, credits, duration_ms, error } = event.report;
      return line(event.kind, {
        ...{ job, state, action, path, task_id, duration_ms },
        credits: credits.used ?? heldCredits(event.report),
        error: error && { code: error.code, message: error.message },
      });
    }
    case 'attached':
      return line(event.kind, fill(EVENTS[event.kind], { ...event, state: recordWord(event.state) }));
    case 'concurrency':
    case 'run-stopping':
      return line(event.kind, fill(RUN_EVENTS[event.kind], event));
    default:
      return line(event.kind, fill(EVENTS[event.kind], event));
  }
}
