import { resolve } from 'node:path';
import * as z from 'zod/mini';
import { toDotPath } from 'zod/v4/core';
import { type ErrorKind, EvolinkError, EXIT_CODES } from '../errors.ts';
import { OPERATIONS } from '../request/models.ts';
import { redactRequest } from '../request/public-url.ts';
import { toIsoTime, toJsonText } from '../ui/json.ts';
import {
  JOB_STATES,
  type JobReport,
  PLAN_ACTIONS,
  type ReportPlace,
  type RunReport,
  relativePath,
} from './run-report.ts';

const count = z.int().check(z.minimum(0));
const text = z.nullable(z.string());
const number = z.nullable(z.number());
const described = (words: string) => z.string().check(z.describe(words));
const textOf = (words: string) => text.check(z.describe(words));
const addresses = z.exactOptional(z.array(z.string()));
const credits = z.object({ estimated: number, reserved: number, used: number });

const request = z.object({
  model: z.string(),
  prompt: z.string(),
  image_urls: addresses,
  video_urls: addresses,
  audio_urls: addresses,
  duration: z.exactOptional(z.number()),
  quality: z.exactOptional(z.string()),
  aspect_ratio: z.exactOptional(z.string()),
  generate_audio: z.exactOptional(z.boolean()),
  content_filter: z.exactOptional(z.boolean()),
  model_params: z.exactOptional(z.object({ web_search: z.boolean() })),
  callback_url: z.exactOptional(z.string()),
});

const settings = z.object({
  operation: z.enum(OPERATIONS),
  model: z.string(),
  tier: text,
  duration_seconds: number,
  quality: text,
  aspect_ratio: text,
  generate_audio: z.nullable(z.boolean()),
  content_filter: z.nullable(z.boolean()),
  web_search: z.nullable(z.boolean()),
});

const media = z.object({
  duration_seconds: z.number(),
  width_px: number,
  height_px: number,
  has_audio: z.boolean(),
});

const error = z.object({
  code: z
    .enum([
      ...Object.keys(EXIT_CODES).filter((name): name is ErrorKind => name !== 'ok'),
      'not-sent' as const,
    ])
    .check(z.describe('the name in the table of exit codes')),
  service_code: textOf("the service's own code, such as content_policy_violation"),
  message: z.string(),
  details: z.array(z.string()),
  hint: text,
  retryable: z.boolean(),
  charged: z.nullable(z.enum(['no', 'yes', 'unknown'])),
});

const reference = z.object({
  name: described('as the prompt calls it: image 1'),
  role: textOf('first frame, last frame'),
  label: described('name of the file, or address without its query'),
  facts: textOf('pixels and length, as far as they are known'),
  local: z.boolean(),
});

const job = z.object({
  name: described('unique in its file and run, such as hero[16:9]'),
  group: described('the key in the job file; jobs of one matrix share it'),
  file: z.string(),
  line: count,
  column: count,
  variables: z.record(z.string(), z.unknown()),
  state: z.enum(JOB_STATES),
  action: z.enum(PLAN_ACTIONS),
  settings: z.nullable(settings),
  prompt: text,
  references: z._default(
    z.array(reference).check(z.describe('pictures, clips and sounds that the prompt names')),
    [],
  ),
  request: z
    .nullable(request)
    .check(z.describe('the body that was sent; the queries of addresses are hidden')),
  path: textOf('absolute path of the clip: where it is, or where it will be'),
  relative_path: textOf('the same from the folder of this report, with / on every platform'),
  outside_folder: z.boolean().check(z.describe('the clip goes out of the folder of the job file')),
  moved_from: textOf('where the clip of this request lies under another name'),
  kept_as: z._default(textOf('where a clip that was in the way is kept'), null),
  size_bytes: z.nullable(count),
  sha256: text,
  media: z.nullable(media),
  credits,
  task_id: text,
  local_id: text,
  duration_ms: number,
  warnings: z.array(z.string()),
  error: z.nullable(error),
});

const totals = z.object({
  planned: count,
  new: count,
  changed: count,
  forced: count,
  attached: count,
  up_to_date: count,
  restored: z._default(count, 0),
  renamed: count,
  adopted: count,
  invalid: count,
  saved: count,
  submitted: count,
  failed: count,
  skipped: count,
});

/** Value of `kind`, by which `evolink report merge` knows a report of a run. */
const REPORT_KIND = 'evolink.run-report';

/** The JSON report. Every key is always there; what is not known is null. Readers ignore keys that they do not know. */
export const reportDocumentSchema = z.object({
  schema_version: z.literal(1),
  kind: z.literal(REPORT_KIND),
  tool_version: z.string(),
  dry_run: z.boolean(),
  sandbox: z.boolean(),
  stopped: z.boolean().check(z.describe('a signal or --fail-fast ended the run early')),
  folder: z._default(
    textOf('where the names of the job files start: absolute, or from the top of the CI workspace'),
    null,
  ),
  files: z.array(z.string()),
  shard: z.nullable(z.object({ index: count, count })),
  started_at: z.iso.datetime(),
  ended_at: z.iso.datetime(),
  totals,
  credits,
  balance: number.check(z.describe('what could be spent before the run')),
  price_list_date: text,
  error: z._default(
    z.nullable(error).check(z.describe('why the run was refused before anything was sent')),
    null,
  ),
  warnings: z.array(z.string()).check(z.describe('those that belong to no job')),
  missing_shards: z._default(
    z.array(z.string()).check(z.describe('in a merged report: parts without a report')),
    [],
  ),
  jobs: z.array(job),
});

type ReportDocument = z.infer<typeof reportDocumentSchema>;
type JobDocument = z.infer<typeof job>;

/** JSON Schema (draft 2020-12) of the JSON report. */
export function reportJsonSchema() {
  const schema = z.toJSONSchema(reportDocumentSchema, { io: 'input' });
  return { $id: 'urn:evolink-cli:run-report:1', title: 'evolink run report', ...schema };
}

/** The JSON report as text, indented, in the form of `reportDocumentSchema`. */
export function formatJsonReport(report: RunReport, place: Pick<ReportPlace, 'folder'>): string {
  return `${toJsonText(toReportDocument(report, place), 2)}\n`;
}

/** The JSON report as plain data. Pure. */
export function toReportDocument(report: RunReport, { folder }: Pick<ReportPlace, 'folder'>): ReportDocument {
  return write(reportDocumentSchema, report, {
    kind: REPORT_KIND,
    dry_run: report.isDryRun,
    sandbox: report.isSandbox,
    stopped: report.isStopped,
    started_at: toMoment(report.startedAtMs),
    ended_at: toMoment(report.endedAtMs),
    totals: write(totals, report.totals),
    credits: write(credits, report.credits),
    error: toErrorDocument(report),
    missing_shards: report.missingShards ?? [],
    jobs: report.jobs.map((each) => toJobDocument(each, folder)),
  });
}

/** One job of the JSON report as plain data. Pure. */
export function toJobDocument(report: JobReport, folder: string): JobDocument {
  const path = report.outputPath;
  return write(job, report, {
    settings: report.settings && write(settings, report.settings),
    references: (report.references ?? []).map((each) => write(reference, each, { local: each.isLocal })),
    request: report.request && redactRequest(report.request),
    path,
    relative_path: path && relativePath(folder, path),
    outside_folder: report.isOutside === true,
    media: report.media && write(media, report.media),
    credits: write(credits, report.credits),
    error: toErrorDocument(report),
  });
}

function toErrorDocument({ error: found }: Pick<JobReport, 'error'>) {
  return found && write(error, found, { code: found.kind, service_code: found.code });
}

/** A moment that makes no sense becomes the epoch: the document needs one. */
function toMoment(atMs: number): string {
  return toIsoTime(atMs) ?? new Date(0).toISOString();
}

/** The keys of a schema in its order, each from `named` or from the property of the same name; null where nothing is known. */
function write<T extends z.ZodMiniObject>(schema: T, values: object, named: object = {}): z.infer<T> {
  const known: Readonly<Record<string, unknown>> = { ...values };
  const fixed: Readonly<Record<string, unknown>> = { ...named };
  const keys = Object.keys(schema.shape);
  return Object.fromEntries(
    keys.map((key) => [key, (key in fixed ? fixed[key] : known[toCamel(key)]) ?? null]),
  ) as z.infer<T>;
}

const camels = new Map<string, string>();

function toCamel(key: string): string {
  const known = camels.get(key) ?? key.replace(/_(\w)/g, (_whole, letter: string) => letter.toUpperCase());
  camels.set(key, known);
  return known;
}

/** The same, back: null becomes absent. */
function read<T extends object>(document: T): Known<T> {
  return Object.fromEntries(
    Object.entries(document).map(([key, value]) => [toCamel(key), value ?? undefined]),
  ) as Known<T>;
}

type Camel<K> = K extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail> & string>}` : K;
type Known<T> = {
  [K in keyof T as Camel<K> & string]: null extends T[K] ? Exclude<T[K], null> | undefined : T[K];
};

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
export function readReport(json: string, { label, folder }: ReportSource): RunReport {
  const refuse = (reason: string, details: readonly string[] = []): EvolinkError =>
    new EvolinkError('usage', `"${label}" is no JSON report of a run: ${reason}`, {
      details,
      hint: 'name files that were written by: evolink run … --report report.json',
      charged: 'no',
    });
  const document = parseJson(json);
  if (document === undefined) throw refuse('it is not valid JSON');
  if (!isReport(document)) throw refuse(`"kind" must be "${REPORT_KIND}"`);
  const parsed = reportDocumentSchema.safeParse(document);
  if (parsed.success) return toReport(parsed.data, folder);
  const problems = parsed.error.issues.map(({ path, message }) => `${toDotPath(path)}: ${message}`);
  throw refuse('its form is not the expected one', problems.slice(0, MAX_PROBLEMS));
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isReport(document: unknown): boolean {
  return (
    typeof document === 'object' && document !== null && 'kind' in document && document.kind === REPORT_KIND
  );
}

function toReport(document: ReportDocument, folder: string): RunReport {
  const { kind: _kind, dry_run, sandbox, stopped, started_at, ended_at, missing_shards, ...rest } = document;
  return {
    ...read(rest),
    isDryRun: dry_run,
    isSandbox: sandbox,
    isStopped: stopped,
    startedAtMs: Date.parse(started_at),
    endedAtMs: Date.parse(ended_at),
    totals: read(rest.totals),
    credits: read(rest.credits),
    error: readError(rest),
    missingShards: missing_shards.length === 0 ? undefined : missing_shards,
    jobs: rest.jobs.map((each) => toJob(each, folder)),
  };
}

function toJob(document: JobDocument, folder: string): JobReport {
  const { path, relative_path, outside_folder, references, ...rest } = document;
  return {
    ...read(rest),
    settings: rest.settings === null ? undefined : read(rest.settings),
    references:
      references.length === 0
        ? undefined
        : references.map(({ local, ...each }) => ({ ...read(each), isLocal: local })),
    outputPath: relative_path === null ? (path ?? undefined) : resolve(folder, relative_path),
    isOutside: outside_folder ? true : undefined,
    media: rest.media === null ? undefined : read(rest.media),
    credits: read(rest.credits),
    error: readError(rest),
  };
}

function readError({ error: found }: Pick<JobDocument, 'error'>): JobReport['error'] {
  if (found === null) return undefined;
  const { code, service_code, ...rest } = found;
  return { ...read(rest), kind: code, code: service_code ?? undefined };
}
