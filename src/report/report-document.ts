import * as z from 'zod';
import { type ErrorKind, EXIT_CODES } from '../errors.ts';
import { JOB_STATES, PLAN_ACTIONS } from '../jobs/run-report.ts';
import { OPERATIONS } from '../request/models.ts';

const ERROR_KINDS = Object.keys(EXIT_CODES).filter(isErrorKind);

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
  jobs: z.array(job),
});

export type ReportDocument = z.infer<typeof reportDocumentSchema>;
export type JobDocument = ReportDocument['jobs'][number];

/** JSON Schema (draft 2020-12) of the JSON report. */
export function reportJsonSchema() {
  const schema = z.toJSONSchema(reportDocumentSchema, { io: 'input' });
  return { $id: 'urn:evolink-cli:run-report:1', title: 'evolink run report', ...schema };
}
