import { resolve } from 'node:path';
import * as z from 'zod';
import { toDotPath } from 'zod/v4/core';
import { type ErrorKind, EvolinkError, EXIT_CODES } from '../errors.ts';
import { OPERATIONS } from '../request/models.ts';
import {
  type CreditFacts,
  JOB_STATES,
  type JobError,
  type JobReport,
  PLAN_ACTIONS,
  type RunReport,
} from './run-report.ts';

const ERROR_KINDS = [...Object.keys(EXIT_CODES).filter(isErrorKind), 'not-sent' as const];

function isErrorKind(name: string): name is ErrorKind {
  return name !== 'ok';
}

const count = z.int().min(0);
const credits = z.object({
  estimated: z.number().nullable(),
  reserved: z.number().nullable(),
  used: z.number().nullable(),
});
const text = z.string().nullable();
const addresses = z.array(z.string()).exactOptional();

const request = z.object({
  model: z.string(),
  prompt: z.string(),
  image_urls: addresses,
  video_urls: addresses,
  audio_urls: addresses,
  duration: z.number(),
  quality: z.string(),
  aspect_ratio: z.string(),
  generate_audio: z.boolean(),
  content_filter: z.boolean(),
  model_params: z.object({ web_search: z.boolean() }).exactOptional(),
  callback_url: z.string().exactOptional(),
});

const settings = z.object({
  operation: z.enum(OPERATIONS),
  model: z.string(),
  tier: text,
  duration_seconds: z.number(),
  quality: z.string(),
  aspect_ratio: z.string(),
  generate_audio: z.boolean(),
  content_filter: z.boolean(),
  web_search: z.boolean().nullable(),
});

const media = z.object({
  duration_seconds: z.number(),
  width_px: z.number().nullable(),
  height_px: z.number().nullable(),
  has_audio: z.boolean(),
});

const error = z.object({
  code: z.enum(ERROR_KINDS).describe('the name in the table of exit codes'),
  service_code: text.describe("the service's own code, such as content_policy_violation"),
  message: z.string(),
  details: z.array(z.string()),
  hint: text,
  retryable: z.boolean(),
  charged: z.enum(['no', 'yes', 'unknown']).nullable(),
});

const reference = z.object({
  name: z.string().describe('as the prompt calls it: image 1'),
  role: text.describe('first frame, last frame'),
  label: z.string().describe('name of the file, or address without its query'),
  facts: text.describe('pixels and length, as far as they are known'),
  local: z.boolean(),
});

const job = z.object({
  name: z.string().describe('unique in its file and run, such as hero[16:9]'),
  group: z.string().describe('the key in the job file; jobs of one matrix share it'),
  file: z.string(),
  line: count,
  column: count,
  variables: z.record(z.string(), z.unknown()),
  state: z.enum(JOB_STATES),
  action: z.enum(PLAN_ACTIONS),
  settings: settings.nullable(),
  prompt: text,
  references: z.array(reference).default([]).describe('pictures, clips and sounds that the prompt names'),
  request: request.nullable().describe('the body that was sent; the queries of addresses are hidden'),
  path: text.describe('absolute path of the clip: where it is, or where it will be'),
  relative_path: text.describe('the same from the folder of this report, with / on every platform'),
  outside_folder: z.boolean().describe('the clip goes out of the folder of the job file'),
  moved_from: text.describe('where the clip of this request lies under another name'),
  size_bytes: count.nullable(),
  sha256: text,
  media: media.nullable(),
  credits,
  task_id: text,
  local_id: text,
  duration_ms: z.number().nullable(),
  warnings: z.array(z.string()),
  error: error.nullable(),
});

const totals = z.object({
  planned: count,
  new: count,
  changed: count,
  forced: count,
  attached: count,
  up_to_date: count,
  renamed: count,
  adopted: count,
  invalid: count,
  saved: count,
  submitted: count,
  failed: count,
  skipped: count,
});

/** Value of `kind`, by which `evolink report merge` knows a report of a run. */
export const REPORT_KIND = 'evolink.run-report';

/** The JSON report. Every key is always there; what is not known is null. Readers ignore keys that they do not know. */
export const reportDocumentSchema = z.object({
  schema_version: z.literal(1),
  kind: z.literal(REPORT_KIND),
  tool_version: z.string(),
  dry_run: z.boolean(),
  sandbox: z.boolean(),
  stopped: z.boolean().describe('a signal or --fail-fast ended the run early'),
  folder: text
    .default(null)
    .describe('where the names of the job files start: absolute, or from the top of the CI workspace'),
  files: z.array(z.string()),
  shard: z.object({ index: count, count }).nullable(),
  started_at: z.iso.datetime(),
  ended_at: z.iso.datetime(),
  totals,
  credits,
  balance: z.number().nullable().describe('what could be spent before the run'),
  price_list_date: text,
  error: error.nullable().default(null).describe('why the run was refused before anything was sent'),
  warnings: z.array(z.string()).describe('those that belong to no job'),
  missing_shards: z.array(z.string()).default([]).describe('in a merged report: parts without a report'),
  jobs: z.array(job),
});

export type ReportDocument = z.infer<typeof reportDocumentSchema>;
export type JobDocument = ReportDocument['jobs'][number];

/** JSON Schema (draft 2020-12) of the JSON report. */
export function reportJsonSchema() {
  const schema = z.toJSONSchema(reportDocumentSchema, { io: 'input' });
  return { $id: 'urn:evolink-cli:run-report:1', title: 'evolink run report', ...schema };
}

export interface ReportSource {
  /** The file as the person named it. */
  readonly label: string;
  /** Absolute path of its folder: relative paths of clips start there, as report and clips may have moved together. */
  readonly folder: string;
}

const MAX_PROBLEMS = 5;

/**
 * Reads a JSON report back into the run that it tells of.
 * @throws EvolinkError `usage`: no JSON, no report of a run, or one of another version
 */
export function readReport(text: string, { label, folder }: ReportSource): RunReport {
  const refuse = (reason: string, details: readonly string[] = []): EvolinkError =>
    new EvolinkError('usage', `"${label}" is no JSON report of a run: ${reason}`, {
      details,
      hint: 'name files that were written by: evolink run … --report report.json',
      charged: 'no',
    });
  const document = parseJson(text, refuse);
  if (!isReport(document)) throw refuse(`"kind" must be "${REPORT_KIND}"`);
  const parsed = reportDocumentSchema.safeParse(document);
  if (parsed.success) return toReport(parsed.data, folder);
  const problems = parsed.error.issues.map(({ path, message }) => `${toDotPath(path)}: ${message}`);
  throw refuse('its form is not the expected one', problems.slice(0, MAX_PROBLEMS));
}

function parseJson(text: string, refuse: (reason: string) => EvolinkError): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refuse('it is not valid JSON');
  }
}

function isReport(document: unknown): boolean {
  return (
    typeof document === 'object' && document !== null && 'kind' in document && document.kind === REPORT_KIND
  );
}

function toReport(document: ReportDocument, folder: string): RunReport {
  const { up_to_date, ...totals } = document.totals;
  return {
    schemaVersion: 1,
    toolVersion: document.tool_version,
    isDryRun: document.dry_run,
    isSandbox: document.sandbox,
    isStopped: document.stopped,
    folder: document.folder ?? undefined,
    files: document.files,
    shard: document.shard ?? undefined,
    startedAtMs: Date.parse(document.started_at),
    endedAtMs: Date.parse(document.ended_at),
    totals: { ...totals, upToDate: up_to_date },
    credits: toCredits(document.credits),
    balance: document.balance ?? undefined,
    priceListDate: document.price_list_date ?? undefined,
    error: toError(document),
    warnings: document.warnings,
    missingShards: document.missing_shards.length === 0 ? undefined : document.missing_shards,
    jobs: document.jobs.map((job) => toJob(job, folder)),
  };
}

function toJob(job: JobDocument, folder: string): JobReport {
  const { relative_path: near, path: far } = job;
  return {
    name: job.name,
    group: job.group,
    file: job.file,
    line: job.line,
    column: job.column,
    variables: job.variables,
    state: job.state,
    action: job.action,
    settings: toSettings(job),
    prompt: job.prompt ?? undefined,
    references: toReferences(job),
    request: job.request ?? undefined,
    outputPath: near === null ? (far ?? undefined) : resolve(folder, near),
    isOutside: job.outside_folder ? true : undefined,
    movedFrom: job.moved_from ?? undefined,
    sizeBytes: job.size_bytes ?? undefined,
    sha256: job.sha256 ?? undefined,
    media: toMedia(job),
    credits: toCredits(job.credits),
    taskId: job.task_id ?? undefined,
    localId: job.local_id ?? undefined,
    durationMs: job.duration_ms ?? undefined,
    warnings: job.warnings,
    error: toError(job),
  };
}

function toReferences({ references }: JobDocument): JobReport['references'] {
  if (references.length === 0) return undefined;
  return references.map(({ name, role, label, facts, local }) => {
    return { name, role: role ?? undefined, label, facts: facts ?? undefined, isLocal: local };
  });
}

function toSettings({ settings }: JobDocument): JobReport['settings'] {
  if (settings === null) return undefined;
  return {
    operation: settings.operation,
    model: settings.model,
    tier: settings.tier ?? undefined,
    durationSeconds: settings.duration_seconds,
    quality: settings.quality,
    aspectRatio: settings.aspect_ratio,
    generateAudio: settings.generate_audio,
    contentFilter: settings.content_filter,
    webSearch: settings.web_search ?? undefined,
  };
}

function toMedia({ media }: JobDocument): JobReport['media'] {
  if (media === null) return undefined;
  return {
    durationSeconds: media.duration_seconds,
    widthPx: media.width_px ?? undefined,
    heightPx: media.height_px ?? undefined,
    hasAudio: media.has_audio,
  };
}

function toError({ error }: Pick<JobDocument, 'error'>): JobError | undefined {
  if (error === null) return undefined;
  return {
    kind: error.code,
    code: error.service_code ?? undefined,
    message: error.message,
    details: error.details,
    hint: error.hint ?? undefined,
    retryable: error.retryable,
    charged: error.charged ?? undefined,
  };
}

function toCredits({ estimated, reserved, used }: ReportDocument['credits']): CreditFacts {
  return { estimated: estimated ?? undefined, reserved: reserved ?? undefined, used: used ?? undefined };
}
