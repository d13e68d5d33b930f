import { join } from 'node:path';
import { type JobReport, type RunReport, sumTotals } from '../../src/report/run-report.ts';

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
    name: 'hero[16:9]',
    group: 'hero',
    file: 'clips.yaml',
    line: 4,
    column: 3,
    variables: { aspect_ratio: '16:9' },
    state: 'saved',
    action: 'new',
    settings: {
      operation: 't2v',
      model: 'seedance-2.0-fast-text-to-video',
      tier: 'fast',
      durationSeconds: 8,
      quality: '720p',
      aspectRatio: '16:9',
      generateAudio: true,
      contentFilter: true,
    },
    prompt: 'A macro lens focuses on a green glass frog on a leaf',
    outputPath: join(SAMPLE_FOLDER, 'out', 'hero 16:9.mp4'),
    sizeBytes: 1_258_291,
    sha256: 'ab'.repeat(32),
    media: { durationSeconds: 8.04, widthPx: 1280, heightPx: 720, hasAudio: true },
    credits: { estimated: 67.5, reserved: 67.5, used: 67.5 },
    taskId: 'task-unified-1774857405-abc123',
    localId: '01hx',
    durationMs: 94_321,
    warnings: [],
    ...changes,
  };
}

/** One job that the service refused. */
export function failedJob(changes: Partial<JobReport> = {}): JobReport {
  return sampleJob({
    name: 'product',
    group: 'product',
    line: 12,
    state: 'failed',
    outputPath: join(SAMPLE_FOLDER, 'out', 'product.mp4'),
    sizeBytes: undefined,
    sha256: undefined,
    media: undefined,
    credits: { estimated: 40 },
    error: {
      kind: 'task-failed',
      code: 'content_policy_violation',
      message: 'the service refused the content',
      details: ['the prompt names a person'],
      hint: 'change the prompt, then run it again',
      retryable: false,
      charged: 'no',
    },
    ...changes,
  });
}

/** A run of these jobs; what is named replaces its facts. */
export function sampleRun(jobs: readonly JobReport[], changes: Partial<RunReport> = {}): RunReport {
  return {
    schemaVersion: 1,
    toolVersion: '1.2.3',
    isDryRun: false,
    isSandbox: false,
    isStopped: false,
    files: [...new Set(jobs.map(({ file }) => file))],
    startedAtMs: Date.UTC(2026, 10, 21, 9, 0, 0),
    endedAtMs: Date.UTC(2026, 10, 21, 9, 12, 30),
    totals: sumTotals(jobs),
    credits: { estimated: 107.5, reserved: 67.5, used: 67.5 },
    balance: 5000,
    priceListDate: '2026-11-01',
    jobs,
    warnings: [],
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
      settings: {
        ...BASE_SETTINGS,
        model: text,
        tier: undefined,
        quality: text,
        aspectRatio: text,
      },
      prompt: text,
      references: [
        { name: 'image 1', role: 'first frame', label: text, facts: text, isLocal: true },
        { name: 'video 1', label: text, isLocal: false },
      ],
      outputPath: join(SAMPLE_FOLDER, text.replaceAll('\u0000', ''), `${index} #?%.mp4`),
      taskId: text,
      sha256: text,
      warnings: [text],
    }),
    failedJob({
      name: `failed ${text}-${index}`,
      file: text,
      error: {
        kind: 'task-failed',
        code: text,
        message: text,
        details: [text],
        hint: text,
        retryable: false,
        charged: 'unknown',
      },
    }),
  ]);
  return sampleRun(jobs, { toolVersion: HOSTILE_TEXTS[0], warnings: [...HOSTILE_TEXTS] });
}

const BASE_SETTINGS = {
  operation: 't2v',
  durationSeconds: 5,
  generateAudio: false,
  contentFilter: false,
  webSearch: true,
} as const;
