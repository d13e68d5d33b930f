import type { Context } from '../platform/context.ts';
import { ASPECT_RATIOS, QUALITIES, TIERS } from '../request/models.ts';

/** What a flag is, for the parser, the help, the settings and the completion of shells. */
export interface FlagRow {
  /** With the name of its value: `<…>` is required, `[…]` may be left out. */
  readonly spelling: string;
  readonly help: string;
  /** Help of `--no-…`, where both forms exist. */
  readonly noHelp?: string;
  readonly isList?: true;
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

/** One that may be given several times. */
function list<const Spelling extends string>(spelling: Spelling, help: string) {
  return flag(spelling, help, { isList: true });
}

/** Those of every command. */
export const FORM_FLAGS = {
  json: flag('--json', 'print one JSON document on stdout'),
  events: flag('--events', 'stream progress events as NDJSON on stdout'),
  quiet: flag('--quiet', 'print errors and security warnings only'),
  verbose: flag('--verbose', 'verbose output'),
  debug: flag('--debug', 'debug output with stack traces'),
  color: flag('--no-color', 'disable colors'),
  progress: flag('--no-progress', 'disable progress bars and spinners'),
  sandbox: flag('--sandbox', 'use the built-in sandbox: no key, no network, no cost'),
} satisfies Record<string, FlagRow>;

/** Those that give a field of a request, by its name: stronger than a job file, which is stronger than the setting. */
export const FIELD_FLAGS = {
  tier: flag('--tier <tier>', `${TIERS.join('|')} (default standard)`),
  model: flag('--model <id>', 'model id, instead of a tier'),
  duration: flag('-d, --duration <seconds>', 'whole seconds, 4 to 15 (default 5); 2.5 preview: to 30, or -1'),
  quality: flag('-q, --quality <quality>', `${QUALITIES.join('|')} (default 720p)`),
  aspectRatio: flag('-r, --aspect-ratio <ratio>', `${ASPECT_RATIOS.join('|')} (default 16:9)`),
  /** The only one that says no. */
  generateAudio: flag('--mute', 'make a clip without sound', {
    noHelp: 'make a clip with sound (overrides config)',
  }),
  contentFilter: flag('--content-filter', 'enable the content filter (overrides config)', {
    noHelp: 'relax the content filter (costs 1.1 times as much)',
  }),
  webSearch: flag('--web-search', 'let the model search the web (billed per search)', {
    noHelp: 'disable web search (overrides config)',
  }),
  callbackUrl: flag('--callback-url <url>', 'HTTPS URL that the service calls when the task ends'),
  draft: flag('--draft', 'make a draft (2.5 preview models)', {
    noHelp: 'make the finished clip',
  }),
  outputFormat: flag('--output-format <format>', 'container of the clip (2.5 preview models): mp4'),
  sourceTaskId: flag('--source-task-id <id>', 'draft to finish (seedance-2.5-draft-to-video)'),
  output: flag('-o, --output <path>', 'file, directory/, pattern ({slug}-{id}.mp4), or - for stdout'),
} satisfies Record<string, FlagRow>;

/** Those that override the setting of their name. */
export const SETTING_FLAGS = {
  color: FORM_FLAGS.color,
  progress: FORM_FLAGS.progress,
  sidecar: flag('--sidecar', 'write clip.mp4.json beside the clip: request, credits, times, SHA-256', {
    noHelp: 'disable the sidecar (overrides config)',
  }),
  timeout: flag(
    '--timeout <time>',
    'how long to wait, e.g. 90s, 30m, 2h; 0 checks once and exits (default 30m)',
  ),
  maxCredits: flag('--max-credits <credits>', "don't submit if the estimate exceeds this"),
  notify: flag('--notify', 'ring and notify when a wait of over 30 s ends', {
    noHelp: "don't notify (overrides config)",
  }),
  concurrency: flag('--concurrency <tasks>', 'tasks at the same time (default 4)'),
} satisfies Record<string, FlagRow>;

/** Every flag, by the name under which a command gets its value. No defaults: the merge needs to know what was typed. */
export const FLAGS = {
  ...FORM_FLAGS,
  ...FIELD_FLAGS,
  ...SETTING_FLAGS,
  prompt: flag('-p, --prompt <text>', 'the prompt, instead of the argument'),
  promptFile: flag('--prompt-file <file>', 'read the prompt from a file, or from standard input with -'),
  file: flag('-f, --file <job>', 'job file or API body (YAML or JSON); flags override it'),
  job: flag('--job <name>', 'job to use if the file has several'),

  set: list('--set <key=json>', 'send a field that this version does not know; repeatable'),

  image: list('-i, --image <file|url>', 'reference images, up to 9: -i a.png b.png'),
  video: list('-v, --video <file|url>', 'reference videos, up to 3'),
  audio: list('-a, --audio <file|url>', 'reference audio, up to 3, never alone'),
  first: flag('--first <file|url>', 'first frame', { conflicts: 'image' }),
  last: flag('--last <file|url>', 'last frame', { conflicts: 'image' }),
  checkUrls: flag('--check-urls', 'check media URLs too, by their first bytes'),
  noCheckUrls: flag('--no-check-urls', 'check none (default)', { isHidden: true }),

  overwrite: flag('--overwrite', 'replace an existing file', { conflicts: 'skipExisting' }),
  skipExisting: flag('--skip-existing', 'do nothing if the file exists'),

  count: flag('--count <takes>', 'how many clips of the request, 2 to 9'),

  wait: flag('--no-wait', 'submit, print the task id and exit'),
  dryRun: flag('--dry-run', 'print the exact request and the estimate; send nothing'),
  priceCredits: flag('--price-credits <credits>', 'what a clip costs if the price list has no price'),
  new: flag('--new', 'submit even if an identical request is still running'),
  open: flag('--open', "open the saved clip in the system's player"),
  yes: flag('--yes', "don't ask"),

  only: list('--only <glob>', 'only jobs with this name, e.g. "hero" or "product/*"; repeatable'),
  skip: list('--skip <glob>', 'all jobs but these; repeatable'),
  shard: flag('--shard <i/n>', 'the i-th of n parts, for several machines; auto asks the CI'),
  force: flag('--force', 'make selected clips again even if they are up to date'),
  maxJobs: flag('--max-jobs <count>', 'how many jobs the files may expand to (default 10000)'),
  allowPartial: flag('--allow-partial', 'go as far as the balance or --max-credits allows'),
  retryFailed: flag(
    '--retry-failed <times>',
    'resubmit tasks that failed for a temporary reason (default 0)',
  ),
  keepGoing: flag('--keep-going', 'continue when a job fails (default)', { conflicts: 'failFast' }),
  failFast: flag('--fail-fast', 'submit nothing more once a job fails; running tasks are saved'),
  report: list('--report <file>', 'write a report: .json, .xml (JUnit), .md, .html; repeatable'),
  user: flag('--user', 'your own config instead, with your API key'),
  init: flag('--init [file]', 'write an example (default evolink.yaml) and exit'),

  resubmit: flag('--resubmit <id>', 'send an uncertain request again, with the same idempotency key'),
  task: flag('--task <id>', 'the task of an uncertain request, as found in the dashboard'),
  watch: flag('--watch', 'keep watching until everything has ended'),
  prune: flag('--prune [age]', 'remove records of tasks that ended longer ago than this (default 30d)', {
    conflicts: 'watch',
  }),
  limit: flag('--limit <count>', 'how many (default 20)'),
  since: flag('--since <age>', 'only those of the last 12h, 7d, …'),
  failed: flag('--failed', 'only those that failed or expired'),
  erase: flag('--erase', 'erase prompts and paths; credits stay', { conflicts: 'limit' }),
  before: flag('--before <age>', 'erase those that ended longer ago, e.g. 90d'),
  all: flag('--all', 'save everything that is finished and not saved'),
  unverified: flag('--unverified', "save a clip even if it can't be read as a video"),
  list: flag('--list', 'list uploaded files', { conflicts: 'delete' }),
  delete: list('--delete <id>', 'delete an uploaded file; repeatable'),
  port: flag('--port <port>', 'port of the API (default: any free one)'),
  speed: flag('--speed <factor>', 'how much faster than the real service (default 60)'),
  faults: flag('--faults <plan>', 'what goes wrong, e.g. "link:cut@65536": see evolink help faults'),
  install: flag('--install <folder>', 'write SKILL.md into this folder instead'),
  installShell: flag('--install', 'set it up for the current shell, or the given one'),
  credits: flag('--credits <credits>', 'balance at the start'),
  seed: flag('--seed <number>', 'seed for all randomness'),
} satisfies Record<string, FlagRow>;

export type FlagName = keyof typeof FLAGS;

/** What is a number, by the name of its value. */
export type NumberName = 'takes' | 'count' | 'times' | 'tasks' | 'credits' | 'factor' | 'number' | 'port';

type ValueOf<Row extends FlagRow> = Row extends { isList: true }
  ? readonly string[]
  : Row['spelling'] extends `${string}<${NumberName}>`
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
}

/** The setting or field of a name: `max_credits` of `maxCredits`. */
export function keyOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** `--notify`, and `--no-notify` where there is one. */
function longNames({ spelling, noHelp }: FlagRow): readonly string[] {
  const [long = ''] = /--[\w-]+/.exec(spelling) ?? [];
  return noHelp === undefined ? [long] : [long, long.replace('--', '--no-')];
}

/** The flags that say something of a setting, as they are typed. */
export function flagsOfSetting(key: string): readonly string[] {
  const found = Object.entries(FLAGS).find(([name]) => keyOf(name) === key);
  return found === undefined ? [] : longNames(found[1]);
}

/** The flag as it was typed; undefined where it was not. */
export function typedFlag(row: FlagRow, value: unknown): string | undefined {
  const [long = ''] = longNames(row);
  const no = long.startsWith('--no-') ? long : long.replace('--', '--no-');
  // The parser says `true` where a flag that only switches off was not typed.
  if (value === undefined || (value === true && long === no)) return undefined;
  return value === false ? no : long;
}

/** What was typed, and the flag that it was typed with. */
export interface Typed {
  readonly value: unknown;
  readonly source: string;
}

/** What was typed of some flags, by their keys. */
export function typedOf(
  flags: Readonly<Record<string, FlagRow>>,
  options: Readonly<Record<string, unknown>>,
): Readonly<Record<string, Typed>> {
  const typed = Object.entries(flags).flatMap(([name, row]) => {
    const value = options[name];
    const source = typedFlag(row, value);
    return source === undefined ? [] : [[keyOf(name), { value, source }] as const];
  });
  return Object.fromEntries(typed);
}
