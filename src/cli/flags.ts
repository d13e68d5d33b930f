import type { Context } from '../platform/context.ts';
import { ASPECT_RATIOS, MODELS, QUALITIES, type Sourced, TIERS } from '../request/models.ts';

/** What a flag is, for the parser, the help, the settings and the completion of shells. */
export interface FlagRow {
  /** With the name of its value: `<…>` is required, `[…]` may be left out. */
  readonly spelling: string;
  readonly help: string;
  /** Help of `--no-…`, where both forms exist. */
  readonly noHelp?: string;
  /** The setting that it overrides. */
  readonly setting?: string;
  /** The setting, and field of a request, that it overrides; a job file stands between the two. */
  readonly field?: string;
  readonly reads?: 'credits' | 'count' | 'number' | 'port' | 'list';
  readonly values?: readonly string[];
  readonly conflicts?: string;
  readonly isHidden?: true;
}

function flag<const Spelling extends string, const More extends Partial<FlagRow> = Record<never, never>>(
  spelling: Spelling,
  help: string,
  more?: More,
) {
  return { spelling, help, ...more } as { readonly spelling: Spelling; readonly help: string } & More;
}

/** Every flag, by the name under which a command gets its value. No defaults: the merge needs to know what was typed. */
export const FLAGS = {
  json: flag('--json', 'print one JSON document on stdout'),
  events: flag('--events', 'stream progress events as NDJSON on stdout'),
  quiet: flag('--quiet', 'print errors and security warnings only'),
  verbose: flag('--verbose', 'verbose output'),
  debug: flag('--debug', 'debug output with stack traces'),
  color: flag('--no-color', 'disable colors', { setting: 'color' }),
  progress: flag('--no-progress', 'disable progress bars and spinners', { setting: 'progress' }),
  sandbox: flag('--sandbox', 'use the built-in sandbox: no key, no network, no cost'),

  prompt: flag('-p, --prompt <text>', 'the prompt, instead of the argument'),
  promptFile: flag('--prompt-file <file>', 'read the prompt from a file, or from standard input with -'),
  file: flag('-f, --file <job>', 'job file or API body (YAML or JSON); flags override it'),
  job: flag('--job <name>', 'job to use if the file has several'),

  tier: flag('--tier <tier>', `${TIERS.join('|')} (default standard)`, { field: 'tier', values: TIERS }),
  model: flag('--model <id>', 'model id, instead of a tier', {
    field: 'model',
    values: MODELS.map(({ id }) => id),
  }),
  duration: flag(
    '-d, --duration <seconds>',
    'whole seconds, 4 to 15 (default 5); 2.5 preview: to 30, or -1',
    { field: 'duration' },
  ),
  quality: flag('-q, --quality <quality>', `${QUALITIES.join('|')} (default 720p)`, {
    field: 'quality',
    values: QUALITIES,
  }),
  aspectRatio: flag('-r, --aspect-ratio <ratio>', `${ASPECT_RATIOS.join('|')} (default 16:9)`, {
    field: 'aspect_ratio',
    values: ASPECT_RATIOS,
  }),
  mute: flag('--mute', 'make a clip without sound', {
    noHelp: 'make a clip with sound (overrides config)',
    field: 'generate_audio',
  }),
  contentFilter: flag('--content-filter', 'enable the content filter (overrides config)', {
    noHelp: 'relax the content filter (costs 1.1 times as much)',
    field: 'content_filter',
  }),
  webSearch: flag('--web-search', 'let the model search the web (billed per search)', {
    noHelp: 'disable web search (overrides config)',
    field: 'web_search',
  }),
  callbackUrl: flag('--callback-url <url>', 'HTTPS URL that the service calls when the task ends', {
    field: 'callback_url',
  }),

  draft: flag('--draft', 'make a draft (2.5 preview models)', {
    noHelp: 'make the finished clip',
    field: 'draft',
  }),
  outputFormat: flag('--output-format <format>', 'container of the clip (2.5 preview models): mp4', {
    field: 'output_format',
    values: ['mp4'],
  }),
  sourceTaskId: flag('--source-task-id <id>', 'draft to finish (seedance-2.5-draft-to-video)', {
    field: 'source_task_id',
  }),
  set: flag('--set <key=json>', 'send a field that this version does not know; repeatable', {
    reads: 'list',
  }),

  image: flag('-i, --image <file|url>', 'reference images, up to 9: -i a.png b.png', { reads: 'list' }),
  video: flag('-v, --video <file|url>', 'reference videos, up to 3', { reads: 'list' }),
  audio: flag('-a, --audio <file|url>', 'reference audio, up to 3, never alone', { reads: 'list' }),
  first: flag('--first <file|url>', 'first frame', { conflicts: 'image' }),
  last: flag('--last <file|url>', 'last frame', { conflicts: 'image' }),
  checkUrls: flag('--check-urls', 'check media URLs too, by their first bytes'),
  noCheckUrls: flag('--no-check-urls', 'check none (default)', { isHidden: true }),

  output: flag('-o, --output <path>', 'file, directory/, pattern ({slug}-{id}.mp4), or - for stdout', {
    field: 'output',
  }),
  overwrite: flag('--overwrite', 'replace an existing file', { conflicts: 'skipExisting' }),
  skipExisting: flag('--skip-existing', 'do nothing if the file exists'),
  sidecar: flag('--sidecar', 'write clip.mp4.json beside the clip: request, credits, times, SHA-256', {
    noHelp: 'disable the sidecar (overrides config)',
    setting: 'sidecar',
  }),

  count: flag('--count <takes>', 'how many clips of the request, 2 to 9', { reads: 'count' }),

  wait: flag('--no-wait', 'submit, print the task id and exit'),
  timeout: flag(
    '--timeout <time>',
    'how long to wait, e.g. 90s, 30m, 2h; 0 checks once and exits (default 30m)',
    { setting: 'timeout' },
  ),
  dryRun: flag('--dry-run', 'print the exact request and the estimate; send nothing'),
  maxCredits: flag('--max-credits <credits>', "don't submit if the estimate exceeds this", {
    setting: 'max_credits',
    reads: 'credits',
  }),
  priceCredits: flag('--price-credits <credits>', 'what a clip costs if the price list has no price', {
    reads: 'credits',
  }),
  new: flag('--new', 'submit even if an identical request is still running'),
  notify: flag('--notify', 'ring and notify when a wait of over 30 s ends', {
    noHelp: "don't notify (overrides config)",
    setting: 'notify',
  }),
  open: flag('--open', "open the saved clip in the system's player"),
  yes: flag('--yes', "don't ask"),

  only: flag('--only <glob>', 'only jobs with this name, e.g. "hero" or "product/*"; repeatable', {
    reads: 'list',
  }),
  skip: flag('--skip <glob>', 'all jobs but these; repeatable', { reads: 'list' }),
  shard: flag('--shard <i/n>', 'the i-th of n parts, for several machines; auto asks the CI'),
  force: flag('--force', 'make selected clips again even if they are up to date'),
  maxJobs: flag('--max-jobs <count>', 'how many jobs the files may expand to (default 10000)', {
    reads: 'count',
  }),
  allowPartial: flag('--allow-partial', 'go as far as the balance or --max-credits allows'),
  retryFailed: flag(
    '--retry-failed <times>',
    'resubmit tasks that failed for a temporary reason (default 0)',
    { reads: 'count' },
  ),
  concurrency: flag('--concurrency <tasks>', 'tasks at the same time (default 4)', {
    setting: 'concurrency',
    reads: 'count',
  }),
  keepGoing: flag('--keep-going', 'continue when a job fails (default)', { conflicts: 'failFast' }),
  failFast: flag('--fail-fast', 'submit nothing more once a job fails; running tasks are saved'),
  report: flag('--report <file>', 'write a report: .json, .xml (JUnit), .md, .html; repeatable', {
    reads: 'list',
  }),
  user: flag('--user', 'your own config instead, with your API key'),
  init: flag('--init [file]', 'write an example (default evolink.yaml) and exit'),

  resubmit: flag('--resubmit <id>', 'send an uncertain request again, with the same idempotency key'),
  task: flag('--task <id>', 'the task of an uncertain request, as found in the dashboard'),
  watch: flag('--watch', 'keep watching until everything has ended'),
  prune: flag('--prune [age]', 'remove records of tasks that ended longer ago than this (default 30d)', {
    conflicts: 'watch',
  }),
  limit: flag('--limit <count>', 'how many (default 20)', { reads: 'count' }),
  since: flag('--since <age>', 'only those of the last 12h, 7d, …'),
  failed: flag('--failed', 'only those that failed or expired'),
  erase: flag('--erase', 'erase prompts and paths; credits stay', { conflicts: 'limit' }),
  before: flag('--before <age>', 'erase those that ended longer ago, e.g. 90d'),
  all: flag('--all', 'save everything that is finished and not saved'),
  unverified: flag('--unverified', "save a clip even if it can't be read as a video"),
  list: flag('--list', 'list uploaded files', { conflicts: 'delete' }),
  delete: flag('--delete <id>', 'delete an uploaded file; repeatable', { reads: 'list' }),
  port: flag('--port <port>', 'port of the API (default: any free one)', { reads: 'port' }),
  speed: flag('--speed <factor>', 'how much faster than the real service (default 60)', {
    reads: 'number',
  }),
  faults: flag('--faults <plan>', 'what goes wrong, e.g. "link:cut@65536": see evolink help faults'),
  install: flag('--install <folder>', 'write SKILL.md into this folder instead'),
  installShell: flag('--install', 'set it up for the current shell, or the given one'),
  credits: flag('--credits <credits>', 'balance at the start', { reads: 'credits' }),
  seed: flag('--seed <number>', 'seed for all randomness', { reads: 'number' }),
} satisfies Record<string, FlagRow>;

export type FlagName = keyof typeof FLAGS;

export const FORM_FLAGS = [
  'json',
  'events',
  'quiet',
  'verbose',
  'debug',
  'color',
  'progress',
  'sandbox',
] as const satisfies readonly FlagName[];

type ValueOf<Row extends FlagRow> = Row extends { reads: 'list' }
  ? readonly string[]
  : Row extends { reads: 'credits' | 'count' | 'number' | 'port' }
    ? number
    : Row['spelling'] extends `${string}<${string}`
      ? string
      : Row['spelling'] extends `${string}[${string}`
        ? string | true
        : boolean;

/** The values of flags, as a command gets them. */
export type FlagValues<Name extends FlagName = FlagName> = {
  readonly [Each in Name]?: ValueOf<(typeof FLAGS)[Each]> | undefined;
};

/** What the action of a command is given: the words that are no flags, and the flags with the global ones. */
export interface Invocation {
  readonly context: Context;
  readonly args: readonly string[];
  readonly options: FlagValues;
  readonly print: (text: string) => void;
}

/** `-q` and `--quality`. */
export function namesOf({ spelling }: FlagRow): readonly string[] {
  return spelling.match(/(?<![\w-])--?[\w-]+/g) ?? [];
}

/** The flags that say something of a setting, as they are typed. */
export function flagsOfSetting(key: string): readonly string[] {
  const rows: readonly FlagRow[] = Object.values(FLAGS);
  return rows
    .filter(({ setting, field }) => setting === key || field === key)
    .flatMap((row) => {
      const [name = ''] = namesOf(row).slice(-1);
      return row.noHelp === undefined ? [name] : [name, name.replace('--', '--no-')];
    });
}

/** What the flags of a command line say of settings, or of fields of a request, by their keys. */
export function flagsBy(
  key: 'setting' | 'field',
  options: Readonly<Record<string, unknown>>,
): Readonly<Record<string, Sourced<unknown>>> {
  const rows: readonly (readonly [string, FlagRow])[] = Object.entries(FLAGS);
  return Object.fromEntries(
    rows.flatMap(([name, row]) => {
      const value = options[name];
      const [long = ''] = namesOf(row).slice(-1);
      const isOff = value === false && row.noHelp !== undefined;
      // The parser says `true` where a flag that only switches off was not typed.
      const isDefault = value === true && long.startsWith('--no-');
      const of = row[key];
      if (of === undefined || value === undefined || isDefault) return [];
      return [[of, { value, source: isOff ? long.replace('--', '--no-') : long }]];
    }),
  );
}
