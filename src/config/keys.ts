import * as z from 'zod/mini';
import type { PriceOverride } from '../request/estimate.ts';
import { ASPECT_RATIOS, DURATION_SECONDS, QUALITIES, REQUEST_DEFAULTS, TIERS } from '../request/models.ts';
import { nearest } from '../request/problems.ts';
import { DEFAULT_DOWNLOAD_LIMITS, outputProblem } from './output-pattern.ts';

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

/** Longer waits do not fit a timer (2^31 - 1 ms). */
const MAX_DURATION_MS = 7 * 86_400_000;

/**
 * Reads `30m`, `1h30m`, `45s`, `1.5h`, `500ms` or `0` as milliseconds; units from large to small, each once. Undefined
 * for anything else: a number without a unit, a negative one, more than `maxMs` (7 days).
 */
export function parseDurationMs(text: string, maxMs = MAX_DURATION_MS): number | undefined {
  const compact = text.trim().toLowerCase();
  if (compact === '0') return 0;
  if (compact.length > 40 || !/^(?:\d+(?:\.\d+)?(?:ms|[smhd])\s*)+$/.test(compact)) return undefined;
  let totalMs = 0;
  let lastUnitMs = Number.POSITIVE_INFINITY;
  for (const [, amount, unit = ''] of compact.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) {
    const unitMs = MS_PER_UNIT[unit] ?? 0;
    if (unitMs >= lastUnitMs) return undefined;
    lastUnitMs = unitMs;
    totalMs += Number(amount) * unitMs;
  }
  return totalMs <= maxMs ? Math.round(totalMs) : undefined;
}

/** Milliseconds in the form that `parseDurationMs` reads: `1h30m`, `45s`, `0`. */
export function formatDurationMs(durationMs: number): string {
  let restMs = durationMs;
  let text = '';
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const unitMs = MS_PER_UNIT[unit] ?? 1;
    const count = Math.floor(restMs / unitMs);
    restMs -= count * unitMs;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === '' ? '0' : text;
}

/**
 * Reads `4GiB`, `500 MB`, `10kB` or plain bytes (`0`, `1048576`). `kB`, `MB`, … count in thousands and `KiB`, `MiB`, …
 * in 1024 (IEC 80000-13), in any case. Undefined for anything else.
 */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,9})?)\s*([kmgt]?i?b)?$/.exec(text.trim().toLowerCase());
  if (match === null) return undefined;
  const unitBytes = BYTES_PER_UNIT[match[2] ?? 'b'];
  if (unitBytes === undefined) return undefined;
  const sizeBytes = Math.round(Number(match[1]) * unitBytes);
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined;
}

/** Bytes in the form that `parseSizeBytes` reads: `4GiB` where it comes out even, `1500` where it does not. */
export function formatSizeBytes(sizeBytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const unitBytes = BYTES_PER_UNIT[unit.toLowerCase()] ?? 1;
    if (sizeBytes >= unitBytes && sizeBytes % unitBytes === 0) return `${sizeBytes / unitBytes}${unit}`;
  }
  return String(sizeBytes);
}

/** How the values of a setting are written and read: in a file as YAML, in the environment and in flags as text. */
export interface ValueKind<T> {
  /** Takes what YAML gives. */
  readonly schema: z.ZodMiniType<T>;
  /** What is allowed, after "must be". */
  readonly expected: string;
  /** Turns text of the environment or a flag into what YAML would give. */
  readonly fromText: (text: string) => unknown;
  /** The value as a person would write it. (A method: lists of rows hold kinds of every type.) */
  format(value: T): string;
  /** The allowed value that a wrong one most likely meant. */
  readonly suggest?: ((raw: unknown) => string | undefined) | undefined;
}

const asItIs = (text: string): unknown => text;
const asNumber = (text: string): unknown => (/^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text);
const BOOLEAN_WORDS: Readonly<Record<string, boolean>> = {
  '1': true,
  true: true,
  yes: true,
  on: true,
  '0': false,
  false: false,
  no: false,
  off: false,
};
const asBoolean = (text: string): unknown => BOOLEAN_WORDS[text.toLowerCase()] ?? text;

/** Any text that is not empty. */
function textKind(expected: string): ValueKind<string> {
  return { schema: z.string().check(z.regex(/\S/)), expected, fromText: asItIs, format: (value) => value };
}

const OUTPUT_KIND: ValueKind<string> = {
  ...textKind(
    'a file, a folder/ or a pattern, such as clips/{slug}-{id}.mp4, without ~, variables and line breaks',
  ),
  schema: z.string().check(
    z.regex(/\S/),
    z.refine((output) => outputProblem(output) === undefined),
  ),
};

function choiceKind<const T extends string>(allowed: readonly T[]): ValueKind<T> {
  return {
    schema: z.enum(allowed),
    expected: `one of ${allowed.join(', ')}`,
    fromText: asItIs,
    format: (value) => value,
    suggest: (raw) =>
      typeof raw === 'string' || typeof raw === 'number' ? nearest(String(raw), allowed) : undefined,
  };
}

const BOOLEAN_KIND: ValueKind<boolean> = {
  schema: z.boolean(),
  expected: 'true or false',
  fromText: asBoolean,
  format: String,
  suggest(raw) {
    const word =
      typeof raw === 'string' || typeof raw === 'number'
        ? BOOLEAN_WORDS[String(raw).toLowerCase()]
        : undefined;
    return word === undefined ? undefined : String(word);
  },
};

function integerKind(min: number, max: number): ValueKind<number> {
  return {
    schema: z.int().check(z.minimum(min), z.maximum(max)),
    expected: `a whole number from ${min} to ${max}`,
    fromText: asNumber,
    format: String,
  };
}

const DURATION_SECONDS_KIND: ValueKind<number> = {
  ...integerKind(DURATION_SECONDS.min, DURATION_SECONDS.max),
  expected: `a whole number of seconds from ${DURATION_SECONDS.min} to ${DURATION_SECONDS.max}`,
  fromText: (text) => asNumber(text.replace(/s$/, '')),
};

export const CREDITS_KIND: ValueKind<number> = {
  schema: z.number().check(z.minimum(0)),
  expected: 'a number of credits, 0 or more',
  fromText: asNumber,
  format: String,
};

/** What `parse` makes of a raw value; undefined stands for a wrong one. */
function parsedAs<R, T>(raw: z.ZodMiniType<R>, parse: (value: R) => T | undefined): z.ZodMiniType<T> {
  const schema = z.transform((value: R, context) => {
    const result = parse(value);
    if (result !== undefined) return result;
    context.issues.push({ code: 'custom', input: value });
    return z.NEVER;
  });
  return z.pipe(raw, schema);
}

/** A span in human units. */
function spanKind(minMs: number): ValueKind<number> {
  return {
    schema: parsedAs(z.union([z.string(), z.literal(0)]), (raw) => {
      const durationMs = parseDurationMs(String(raw));
      return durationMs !== undefined && durationMs >= minMs ? durationMs : undefined;
    }),
    expected: `a time with its unit, such as 45s, 30m or 1h30m${minMs > 0 ? `, at least ${formatDurationMs(minMs)}` : ''}, at most 7d`,
    fromText: asItIs,
    format: formatDurationMs,
    suggest: (raw) => (/^\d+$/.test(String(raw)) && Number(raw) > 0 ? `${Number(raw)}s` : undefined),
  };
}

function sizeKind(minBytes: number, suffix: '' | '/s'): ValueKind<number> {
  return {
    schema: parsedAs(z.union([z.string(), z.number()]), (raw) => {
      const text = String(raw);
      const sizeBytes = parseSizeBytes(
        text.endsWith(suffix) ? text.slice(0, text.length - suffix.length) : text,
      );
      return sizeBytes !== undefined && sizeBytes >= minBytes ? sizeBytes : undefined;
    }),
    expected: `a ${suffix === '' ? 'size' : 'speed'}, such as 500MB${suffix} or 4GiB${suffix}, at least ${minBytes} bytes${suffix}`,
    fromText: asItIs,
    format: (value) => `${formatSizeBytes(value)}${suffix}`,
  };
}

/** An address without user name and password, which would be secrets in a file, and without white space. */
function isPlainUrl(text: string, schemes: readonly string[]): boolean {
  if (!/^https?:\/\/[^/\\\s]+[^\s\\]*$/i.test(text) || !URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return schemes.includes(protocol) && username === '' && password === '';
}

const CALLBACK_URL_KIND: ValueKind<string> = {
  ...textKind('a full URL without user name or password, such as https://example.com/evolink'),
  schema: z.string().check(z.refine((text) => isPlainUrl(text, ['https:']))),
};

/** The base of an API: a path is kept, a slash at its end is not. A query would end up inside of paths. */
function baseUrlKind(example: string): ValueKind<string> {
  return {
    ...textKind(`a full URL without user name, password and query, such as ${example}`),
    schema: parsedAs(z.string(), (text) =>
      isPlainUrl(text, ['http:', 'https:']) && !/[?#]/.test(text)
        ? new URL(text).href.replace(/\/+$/, '')
        : undefined,
    ),
  };
}

/** A command as its arguments, the program first: no shell reads it. */
export const ARGUMENTS_KIND: ValueKind<readonly string[]> = {
  schema: z.array(z.string()).check(z.refine((argv) => argv.length > 0 && argv[0] !== '')),
  expected: 'a list of arguments, the program first, such as [pass, show, evolink]; no shell reads it',
  fromText: asItIs,
  format: (argv) => `[${argv.join(', ')}]`,
};

const priceText = z.string().check(z.minLength(1));
const creditsPerSecond = z.optional(z.number().check(z.minimum(0)));
const priceSchema = parsedAs(
  z.strictObject({
    tier: priceText,
    quality: priceText,
    without_video: creditsPerSecond,
    with_video: creditsPerSecond,
  }),
  ({ tier, quality, without_video: withoutVideo, with_video: withVideo }): PriceOverride | undefined =>
    withoutVideo === undefined && withVideo === undefined
      ? undefined
      : { tier, quality, withoutVideo, withVideo },
);

const PRICES_KIND: ValueKind<readonly PriceOverride[]> = {
  schema: z.array(priceSchema),
  expected:
    'a list of {tier, quality, without_video, with_video}, prices in credits per second, 0 or more, at least one of the two',
  fromText: asItIs,
  format: (prices) => (prices.length === 0 ? 'list prices' : `${prices.length} of your own`),
};

/** Which files may hold a setting. `none`: the environment only. */
type FilePlace = 'project and user' | 'user' | 'none';

/** One setting. `T` is the type of its values, `B` that of the built-in one (`undefined` where there is none). */
export interface SettingKey<T, B extends T | undefined = T | undefined> {
  /** As written in a file. */
  readonly key: string;
  readonly group: string;
  readonly kind: ValueKind<T>;
  readonly builtIn: B;
  readonly env?: string | undefined;
  /** The flag that sets it; of a yes-or-no setting the one that says yes. */
  readonly flag?: string | undefined;
  /** The flag that says no. */
  readonly flagOff?: string | undefined;
  readonly inFile: FilePlace;
  /**
   * What holds where a project file, which may come from somebody else, says one thing and the user (or the built-in
   * value) another; absent where the project's value simply wins. A flag or variable wins over both. (A method: lists
   * of rows hold kinds of every type.)
   */
  tighten?(own: T, project: T): T;
  /** Its value is never shown. */
  readonly isSecret: boolean;
  readonly description: string;
  /** A line of YAML that sets it. */
  readonly example: string;
}

type Row<T, B extends T | undefined> = Pick<
  SettingKey<T, B>,
  'key' | 'group' | 'kind' | 'builtIn' | 'description' | 'example'
> &
  Partial<SettingKey<T, B>>;

/** Fills up a row of the table: unless told otherwise it may stand in both files and has a variable named after its key. */
function setting<T, B extends T | undefined>(row: Row<T, B>): SettingKey<T, B> {
  return { env: `EVOLINK_${row.key.toUpperCase()}`, inFile: 'project and user', isSecret: false, ...row };
}

const HOSTS = 'Key and hosts';
const REQUEST = 'Request: a flag or a job file wins over these';
const OUTPUT = 'Output';
const WORK = 'Waiting and spending';
const NETWORK = 'Network';
const SCREEN = 'Screen';
const NO_PRICES: readonly PriceOverride[] = [];

/** Every setting, in the order in which documents list them. Adding one is adding a row. */
export const SETTING_KEYS = {
  apiKey: setting({
    key: 'api_key',
    group: HOSTS,
    kind: textKind('text'),
    builtIn: undefined,
    isSecret: true,
    description:
      'API key. Better in EVOLINK_API_KEY, in a file named by EVOLINK_API_KEY_FILE, or behind api_key_command. Never commit it.',
    example: 'api_key: your-key',
  }),
  apiKeyCommand: setting({
    key: 'api_key_command',
    group: HOSTS,
    kind: ARGUMENTS_KIND,
    builtIn: undefined,
    env: undefined,
    inFile: 'user',
    isSecret: true,
    description: 'Command that prints the API key, as a list of arguments (no shell). User config only.',
    example: 'api_key_command: [pass, show, evolink]',
  }),
  baseUrl: setting({
    key: 'base_url',
    group: HOSTS,
    kind: baseUrlKind('https://api.evolink.ai'),
    builtIn: 'https://api.evolink.ai',
    description:
      'Where the API is. In a project file: used only with a key of the same file, unless it is api.evolink.ai.',
    example: 'base_url: https://api.evolink.ai',
  }),
  filesUrl: setting({
    key: 'files_url',
    group: HOSTS,
    kind: baseUrlKind('https://files-api.evolink.ai'),
    builtIn: 'https://files-api.evolink.ai',
    description: 'Where local media are uploaded. The rule of base_url holds.',
    example: 'files_url: https://files-api.evolink.ai',
  }),
  tier: setting({
    key: 'tier',
    group: REQUEST,
    kind: choiceKind(TIERS),
    builtIn: REQUEST_DEFAULTS.tier,
    flag: '--tier',
    description: `Model tier: ${TIERS.join(', ')}.`,
    example: `tier: ${REQUEST_DEFAULTS.tier}`,
  }),
  model: setting({
    key: 'model',
    group: REQUEST,
    kind: textKind('a model id, such as seedance-2.0-text-to-video'),
    builtIn: undefined,
    flag: '--model',
    description: 'Model id, instead of tier. It fits one operation only.',
    example: 'model: seedance-2.0-text-to-video',
  }),
  quality: setting({
    key: 'quality',
    group: REQUEST,
    kind: choiceKind(QUALITIES),
    builtIn: REQUEST_DEFAULTS.quality,
    flag: '--quality',
    description: `Resolution: ${QUALITIES.join(', ')}; 1080p and 4k in tier standard only.`,
    example: `quality: ${REQUEST_DEFAULTS.quality}`,
  }),
  aspectRatio: setting({
    key: 'aspect_ratio',
    group: REQUEST,
    kind: choiceKind(ASPECT_RATIOS),
    builtIn: REQUEST_DEFAULTS.aspectRatio,
    flag: '--aspect-ratio',
    description: `Shape of the picture: ${ASPECT_RATIOS.join(', ')}.`,
    example: `aspect_ratio: "${REQUEST_DEFAULTS.aspectRatio}"`,
  }),
  durationSeconds: setting({
    key: 'duration',
    group: REQUEST,
    kind: DURATION_SECONDS_KIND,
    builtIn: REQUEST_DEFAULTS.durationSeconds,
    flag: '--duration',
    description: 'Seconds of video, 4 to 15; billed.',
    example: `duration: ${REQUEST_DEFAULTS.durationSeconds}`,
  }),
  generateAudio: setting({
    key: 'generate_audio',
    group: REQUEST,
    kind: BOOLEAN_KIND,
    builtIn: REQUEST_DEFAULTS.generateAudio,
    flag: '--no-mute',
    flagOff: '--mute',
    description: 'Sound along with the picture; free.',
    example: `generate_audio: ${REQUEST_DEFAULTS.generateAudio}`,
  }),
  contentFilter: setting({
    key: 'content_filter',
    group: REQUEST,
    kind: BOOLEAN_KIND,
    builtIn: REQUEST_DEFAULTS.contentFilter,
    flag: '--content-filter',
    flagOff: '--no-content-filter',
    description: 'Standard content check; false costs 1.1 times the price.',
    example: `content_filter: ${REQUEST_DEFAULTS.contentFilter}`,
  }),
  webSearch: setting({
    key: 'web_search',
    group: REQUEST,
    kind: BOOLEAN_KIND,
    builtIn: undefined,
    flag: '--web-search',
    flagOff: '--no-web-search',
    description: 'Lets the model search the web (t2v, tiers standard and fast); each search is billed.',
    example: 'web_search: false',
  }),
  callbackUrl: setting({
    key: 'callback_url',
    group: REQUEST,
    kind: CALLBACK_URL_KIND,
    builtIn: undefined,
    flag: '--callback-url',
    description: 'Public https address that the service calls when a task ends.',
    example: 'callback_url: https://hooks.example.com/evolink',
  }),
  output: setting({
    key: 'output',
    group: OUTPUT,
    kind: OUTPUT_KIND,
    builtIn: undefined,
    flag: '--output',
    description:
      'File, folder (ends in /) or pattern of a clip. In a project file: counted from the file, and inside its folder.',
    example: 'output: clips/{date}-{slug}-{id}.mp4',
  }),
  hasSidecar: setting({
    key: 'sidecar',
    group: OUTPUT,
    kind: BOOLEAN_KIND,
    builtIn: false,
    flag: '--sidecar',
    flagOff: '--no-sidecar',
    description: 'Writes clip.mp4.json beside each clip: request, credits, times, SHA-256.',
    example: 'sidecar: true',
  }),
  maxSizeBytes: setting({
    key: 'max_size',
    group: OUTPUT,
    kind: sizeKind(1, ''),
    builtIn: DEFAULT_DOWNLOAD_LIMITS.maxSizeBytes,
    description: 'A clip that grows past this is not saved.',
    example: 'max_size: 4GiB',
  }),
  timeoutMs: setting({
    key: 'timeout',
    group: WORK,
    kind: spanKind(0),
    builtIn: 30 * 60_000,
    flag: '--timeout',
    description: 'How long to wait for a task; 0 looks once. The task goes on, `evolink resume` continues.',
    example: 'timeout: 30m',
  }),
  maxCredits: setting({
    key: 'max_credits',
    group: WORK,
    kind: CREDITS_KIND,
    builtIn: undefined,
    flag: '--max-credits',
    tighten: Math.min,
    description:
      'Refuses, before anything is sent, what is estimated to cost more. Of two files the smaller holds.',
    example: 'max_credits: 200',
  }),
  prices: setting({
    key: 'prices',
    group: WORK,
    kind: PRICES_KIND,
    builtIn: NO_PRICES,
    tighten: (own, project) => [...own, ...project.map((price) => ({ ...price, isOnlyRaising: true }))],
    env: undefined,
    description:
      'Credits per second that differ from the list, for estimates. tier may be a model id. In a project file: only raises.',
    example: 'prices: [{ tier: standard, quality: 720p, without_video: 13.5, with_video: 8.2215 }]',
  }),
  concurrency: setting({
    key: 'concurrency',
    group: WORK,
    kind: integerKind(1, 64),
    builtIn: 4,
    flag: '--concurrency',
    description: 'Tasks of a run at the same time; less while the service says it is too much.',
    example: 'concurrency: 4',
  }),
  readsPerMinute: setting({
    key: 'reads_per_minute',
    group: WORK,
    kind: integerKind(1, 6_000),
    builtIn: 300,
    description:
      'Readings of tasks a minute at most, of all tasks together; fewer while the service says it is too much.',
    example: 'reads_per_minute: 300',
  }),
  lockTimeoutMs: setting({
    key: 'lock_timeout',
    group: WORK,
    kind: spanKind(0),
    builtIn: undefined,
    description:
      'How long to wait for another process that works on the same task. Built in: 10s on a terminal, else 0.',
    example: 'lock_timeout: 10s',
  }),
  connectTimeoutMs: setting({
    key: 'connect_timeout',
    group: NETWORK,
    kind: spanKind(1),
    builtIn: 15_000,
    description: 'Name lookup, connection, proxy and TLS together.',
    example: 'connect_timeout: 15s',
  }),
  responseTimeoutMs: setting({
    key: 'response_timeout',
    group: NETWORK,
    kind: spanKind(1),
    builtIn: 60_000,
    description: 'From the end of a request to its answer.',
    example: 'response_timeout: 1m',
  }),
  idleTimeoutMs: setting({
    key: 'idle_timeout',
    group: NETWORK,
    kind: spanKind(1),
    builtIn: DEFAULT_DOWNLOAD_LIMITS.idleTimeoutMs,
    description: 'A transfer without a byte for this long is dropped and continued.',
    example: 'idle_timeout: 30s',
  }),
  minBytesPerSecond: setting({
    key: 'min_speed',
    group: NETWORK,
    kind: sizeKind(0, '/s'),
    builtIn: DEFAULT_DOWNLOAD_LIMITS.minBytesPerSecond,
    description: 'A slower download is dropped and continued on a new connection; 0 takes any.',
    example: 'min_speed: 10KiB/s',
  }),
  hasColor: setting({
    key: 'color',
    group: SCREEN,
    kind: BOOLEAN_KIND,
    builtIn: undefined,
    env: undefined,
    flag: '--color',
    flagOff: '--no-color',
    description: 'Colours. Where it is not set NO_COLOR, FORCE_COLOR and the terminal decide.',
    example: 'color: false',
  }),
  hasProgress: setting({
    key: 'progress',
    group: SCREEN,
    kind: BOOLEAN_KIND,
    builtIn: undefined,
    env: undefined,
    flag: '--progress',
    flagOff: '--no-progress',
    description: 'Bars and spinners. Where it is not set the terminal decides.',
    example: 'progress: false',
  }),
  stateFolder: setting({
    key: 'state_dir',
    group: OUTPUT,
    kind: textKind('a folder'),
    builtIn: undefined,
    inFile: 'none',
    description: 'Where the records of paid tasks are kept. Environment only.',
    example: 'state_dir: /var/lib/evolink',
  }),
} as const;

export type SettingName = keyof typeof SETTING_KEYS;
/** The rows as a list. */
export const SETTING_ROWS: readonly SettingKey<unknown>[] = Object.values(SETTING_KEYS);
