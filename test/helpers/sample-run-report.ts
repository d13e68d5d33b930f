import { join } from 'node:path';
import type { JobError, JobReport, RunReport } from '../../src/report/run-report.ts';
import { REPORT_KIND, SCHEMA_VERSION, sumTotals } from '../../src/report/states.ts';

export const SAMPLE_FOLDER = '/work/clips';

/** Strings that break out of what they are put into, if anything does. */
export const HOSTILE_TEXTS = [
  '</script><script>globalThis.broken = 1</script>',
  '"><img src=x onerror="globalThis.broken = 1">',
  "' onmouseover='globalThis.broken = 1",
  '<!-- --> ]]> <![CDATA[ &amp; &lt; &#60; &unknown;',
  '| a | b |\n| --- | --- |\n# heading\n1. one\n- two',
  '`code` *bold* _it_ ~~no~~ [link](javascript:alert(1)) ![i](https://example.com/i.png) $x$ \\',
  '@octocat user@example.com https://example.com www.example.com #12',
  '::set-output name=a::b\n::error::no\n##[error]no ##vso[task.complete]',
  '[[ATTACHMENT|/etc/passwd]]',
  'nul \u0000 bell \u0007 escape \u001b[31mred\u001b[0m del \u007f csi \u009b31m form \f end \uffff',
  'bidi \u202eevil\u202c \u2066isolate\u2069 zero\u200bwidth \u2028line',
  'lone \ud800 surrogate, emoji \u{1F438}, 한국어 프롬프트, עברית',
  '%0A%0D%25::%3A,:%2C',
  'evolink_EOF\nfailed<<x\n999\nx\n',
] as const;

/** One job that was saved; what is named replaces it. */
export function sampleJob(changes: Partial<JobReport> = {}): JobReport {
  return {
    ...{ name: 'hero[16:9]', group: 'hero', file: 'clips.yaml', line: 4, column: 3 },
    variables: { aspect_ratio: '16:9' },
    ...{ state: 'saved', action: 'new', reason: null },
    settings: SETTINGS,
    prompt: 'A macro lens focuses on a green glass frog on a leaf',
    references: [],
    request: null,
    path: join(SAMPLE_FOLDER, 'out', 'hero 16:9.mp4'),
    ...{ outside_folder: false, moved_from: null, kept_as: null },
    ...{ size_bytes: 1_258_291, sha256: 'ab'.repeat(32) },
    media: { duration_seconds: 8.04, width_px: 1280, height_px: 720, has_audio: true },
    credits: { estimated: 67.5, reserved: 67.5, used: 67.5 },
    ...{ task_id: 'task-unified-1774857405-abc123', local_id: '01hx', duration_ms: 94_321 },
    ...{ warnings: [], error: null },
    ...changes,
  };
}

export const SETTINGS = {
  operation: 't2v',
  model: 'seedance-2.0-fast-text-to-video',
  tier: 'fast',
  duration_seconds: 8,
  quality: '720p',
  aspect_ratio: '16:9',
  generate_audio: true,
  content_filter: true,
  web_search: null,
} as const;

/** Why the service rejected the content; what is named replaces it. */
export function sampleError(changes: Partial<JobError> = {}): JobError {
  return {
    code: 'task-failed',
    service_code: 'content_policy_violation',
    message: 'the service refused the content',
    details: ['the prompt names a person'],
    hint: 'change the prompt, then run it again',
    retryable: false,
    charged: 'no',
    ...changes,
  };
}

/** One job that the service rejected. */
export function failedJob(changes: Partial<JobReport> = {}): JobReport {
  return sampleJob({
    ...{ name: 'product', group: 'product', line: 12, state: 'failed' },
    path: join(SAMPLE_FOLDER, 'out', 'product.mp4'),
    ...{ size_bytes: null, sha256: null, media: null },
    credits: { estimated: 40, reserved: null, used: null },
    error: sampleError(),
    ...changes,
  });
}

/** A run of these jobs; what is named replaces its facts. */
export function sampleRun(jobs: readonly JobReport[], changes: Partial<RunReport> = {}): RunReport {
  return {
    ...{ schema_version: SCHEMA_VERSION, kind: REPORT_KIND, tool_version: '1.2.3' },
    ...{ dry_run: false, sandbox: false, stopped: false, folder: null, shard: null },
    files: [...new Set(jobs.map(({ file }) => file))],
    ...{ started_at: '2026-11-21T09:00:00.000Z', ended_at: '2026-11-21T09:12:30.000Z' },
    totals: sumTotals(jobs),
    credits: { estimated: 107.5, reserved: 67.5, used: 67.5 },
    ...{ balance: 5000, price_list_date: '2026-11-01', billed_seconds: null, uploads: null },
    ...{ error: null, warnings: [], missing_shards: [], jobs },
    ...changes,
  };
}

/** Every text of a run that comes from outside, made hostile. */
export function hostileRun(): RunReport {
  const jobs = HOSTILE_TEXTS.flatMap((text, index) => [
    sampleJob({
      name: `${text}-${index}`,
      group: text,
      file: text,
      variables: { [text]: text, list: [text] },
      settings: { ...SETTINGS, model: text, tier: null, quality: text, aspect_ratio: text },
      prompt: text,
      references: [
        { name: 'image 1', role: 'first frame', label: text, facts: text, local: true },
        { name: 'video 1', role: null, label: text, facts: null, local: false },
      ],
      path: join(SAMPLE_FOLDER, text.replaceAll('\u0000', ''), `${index} #?%.mp4`),
      task_id: text,
      sha256: text,
      warnings: [text],
    }),
    failedJob({
      name: `failed ${text}-${index}`,
      file: text,
      error: sampleError({
        service_code: text,
        message: text,
        details: [text],
        hint: text,
        charged: 'unknown',
      }),
    }),
  ]);
  return sampleRun(jobs, { tool_version: HOSTILE_TEXTS[0], warnings: [...HOSTILE_TEXTS] });
}
