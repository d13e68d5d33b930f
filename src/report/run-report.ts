import { resolve } from 'node:path';
import * as z from 'zod/mini';
import { toDotPath } from 'zod/v4/core';
import { type ErrorKind, EvolinkError, EXIT_CODES } from '../errors.ts';
import { relativePath } from '../platform/folders.ts';
import { all } from '../platform/text.ts';
import { OPERATIONS } from '../request/models.ts';
import { redactAddresses } from '../request/public-url.ts';
import { TASK_RESULT } from '../task/events.ts';
import { toJsonText } from '../ui/format.ts';
import {
  JOB_STATES,
  type JobState,
  MAX_SHARDS,
  PLAN_WORDS,
  type PlanWord,
  REPORT_KIND,
  SCHEMA_VERSION,
  sumTotals,
} from './states.ts';

const count = z.int().check(z.minimum(0));
const text = z.nullable(z.string());
const number = z.nullable(z.number());
const texts = z.array(z.string());
const described = (words: string) => z.string().check(z.describe(words));
const textOf = (words: string) => text.check(z.describe(words));
/** A key that reports of earlier versions do not have. */
const lateText = (words: string) => z._default(textOf(words), null);

const settingsSchema = z.object({
  operation: z.enum(OPERATIONS),
  model: z.string(),
  tier: text,
  duration_seconds: number,
  ...all(text, 'quality', 'aspect_ratio'),
  ...all(z.nullable(z.boolean()), 'generate_audio', 'content_filter', 'web_search'),
});

const errorSchema = z.object({
  code: z
    .enum([
      ...Object.keys(EXIT_CODES).filter((name): name is ErrorKind => name !== 'ok'),
      'not-sent' as const,
    ])
    .check(z.describe('the name in the table of exit codes; not-sent: the run stopped before this job')),
  service_code: textOf("the service's own code, such as content_policy_violation"),
  message: z.string(),
  details: texts,
  hint: text,
  retryable: z.boolean(),
  charged: z.nullable(z.enum(['no', 'yes', 'unknown'])),
});

const referenceSchema = z.object({
  name: described('as the prompt calls it: image 1'),
  role: textOf('first frame, last frame'),
  label: described('name of the file, or address without its query'),
  facts: textOf('pixels and length, as far as they are known'),
  local: z.boolean(),
});

const jobSchema = z.object({
  name: described('unique in its file and run, such as hero[16:9]'),
  group: described('the key in the job file; jobs of one matrix share it'),
  file: described('the job file as it was named'),
  ...all(count, 'line', 'column'),
  variables: z.record(z.string(), z.unknown()).check(z.describe('matrix axes, columns of the row, vars')),
  state: z.enum(JOB_STATES),
  action: z.enum(PLAN_WORDS),
  reason: lateText('why a clip is made again, where the request is the same'),
  settings: z.nullable(settingsSchema),
  prompt: text,
  references: z._default(z.array(referenceSchema), []),
  request: z
    .nullable(z.looseObject({ model: z.string(), prompt: z.string() }))
    .check(z.describe('the body that was sent; the queries of addresses are hidden')),
  path: textOf('absolute path of the clip: where it is, or where it will be'),
  relative_path: textOf('the same from the folder of this report, with / on every platform'),
  outside_folder: z.boolean().check(z.describe('the clip goes out of the folder of the job file')),
  moved_from: textOf('where the clip of this request lies under another name'),
  kept_as: lateText('where a clip that was in the way is kept'),
  size_bytes: z.nullable(count),
  sha256: text,
  media: TASK_RESULT.media,
  credits: TASK_RESULT.credits,
  ...all(text, 'task_id', 'local_id'),
  duration_ms: number.check(z.describe('from the start of this job in this run to its end')),
  warnings: texts,
  error: z.nullable(errorSchema),
});

/** The report of a run. Every key is always there; what is not known is null. Readers ignore keys that they do not know. */
const reportSchema = z.object({
  schema_version: z.literal(SCHEMA_VERSION),
  kind: z.literal(REPORT_KIND),
  tool_version: z.string(),
  ...all(z.boolean(), 'dry_run', 'sandbox'),
  stopped: z.boolean().check(z.describe('a signal or --fail-fast ended the run early')),
  folder: lateText('where the names of the job files start: absolute, or from the top of the CI workspace'),
  files: texts,
  shard: z.nullable(z.object({ index: count, count: count.check(z.maximum(MAX_SHARDS)) })),
  ...all(z.iso.datetime(), 'started_at', 'ended_at'),
  totals: z.object({
    planned: count.check(z.describe('jobs of the files after --only, --skip and --shard')),
    ...all(count, ...PLAN_WORDS, ...JOB_STATES),
  }),
  credits: TASK_RESULT.credits.check(z.describe('sums over the jobs that were sent or resumed in this run')),
  balance: number.check(z.describe('what could be spent before the run')),
  price_list_date: text,
  billed_seconds: z._default(number, null),
  uploads: z._default(z.nullable(count), null),
  error: z._default(
    z.nullable(errorSchema).check(z.describe('why the run was refused before anything was sent')),
    null,
  ),
  warnings: texts.check(z.describe('those that belong to no job')),
  missing_shards: z._default(texts.check(z.describe('in a merged report: parts without a report')), []),
  jobs: z.array(jobSchema),
});

type ReportDocument = Readonly<z.output<typeof reportSchema>>;
type JobDocument = Readonly<z.output<typeof jobSchema>>;
/** A job as every report format is made from it. Where its clip lies beside a report depends on the report. */
export type JobReport = Omit<JobDocument, 'relative_path'>;
export type RunReport = Omit<ReportDocument, 'jobs'> & { readonly jobs: readonly JobReport[] };
export type JobError = z.output<typeof errorSchema>;

/** JSON Schema (draft 2020-12) of the JSON report. */
export function reportJsonSchema() {
  const schema = z.toJSONSchema(reportSchema, { io: 'input' });
  return { $id: `urn:evolink-cli:run-report:${SCHEMA_VERSION}`, title: 'evolink run report', ...schema };
}

/** The JSON report as indented text, to stand in a folder. */
export function formatJsonReport(report: RunReport, { folder }: { readonly folder: string }): string {
  const jobs = report.jobs.map((job) => toJobDocument(job, folder));
  return `${toJsonText({ ...report, jobs } satisfies ReportDocument, 2)}\n`;
}

export function toJobDocument(job: JobReport, folder: string): JobDocument {
  // Not kept for each job: jobs share the variables of their file, however large those are.
  const variables = redactAddresses(job.variables);
  return { ...job, variables, relative_path: job.path === null ? null : relativePath(folder, job.path) };
}

/** Words of version 1. */
const LEGACY_WORDS = new Map<unknown, PlanWord | JobState>(
  Object.entries({
    'up-to-date': 'up_to_date',
    planned: 'not_sent',
    skipped: 'not_sent',
    submitted: 'running',
    forced: 'changed',
    attached: 'resume',
    restored: 'restore',
    renamed: 'copied',
    adopted: 'copied',
  } as const),
);
const MAX_PROBLEMS = 5;

/**
 * Reads a JSON report, also one of version 1.
 * @param label the file as the person named it
 * @param folder absolute, of the file: relative paths of clips start there, as report and clips may have moved together
 * @throws EvolinkError `usage`: no JSON, no report of a run, or one of a newer version
 */
export function readReport(json: string, label: string, folder: string): RunReport {
  const refuse = (reason: string, details: readonly string[] = []): EvolinkError =>
    new EvolinkError('usage', `"${label}" is not a JSON report of a run: ${reason}`, {
      details,
      hint: 'evolink run … --report report.json',
    });
  let document: Json;
  try {
    document = JSON.parse(json) ?? {};
  } catch {
    throw refuse('it is not valid JSON');
  }
  if (document.kind !== REPORT_KIND) throw refuse(`"kind" must be "${REPORT_KIND}"`);
  const parsed = reportSchema.safeParse(upgrade(document));
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${toDotPath(path)}: ${message}`);
    throw refuse('its form is not the expected one', problems.slice(0, MAX_PROBLEMS));
  }
  const jobs = parsed.data.jobs.map(({ relative_path, ...job }) =>
    relative_path === null ? job : { ...job, path: resolve(folder, relative_path) },
  );
  return { ...parsed.data, totals: sumTotals(jobs), jobs };
}

type Json = Readonly<Record<string, unknown>>;

function upgrade(document: Json): Json {
  if (document.schema_version !== 1 || !Array.isArray(document.jobs)) return document;
  const wordOf = (word: unknown) => LEGACY_WORDS.get(word) ?? word;
  const jobs = document.jobs.map((job) => ({
    ...job,
    state: wordOf(job?.state),
    action: wordOf(job?.action),
  }));
  return { ...document, schema_version: SCHEMA_VERSION, totals: sumTotals([]), jobs };
}
