import * as z from 'zod/mini';
import { EvolinkError } from '../errors.ts';
import type { PriceOverride } from '../request/estimate.ts';
import { REQUEST_DEFAULTS } from '../request/fields.ts';
import { ASPECT_RATIOS, DURATION_SECONDS, QUALITIES, TIERS } from '../request/models.ts';
import { nearest } from '../request/problems.ts';
import { outputProblem } from './output.ts';

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
 * Reads how old something is, `12h` or `30d`, as milliseconds.
 * @throws EvolinkError `usage`, naming the flag
 */
export function parseAgeMs(flag: string, text: string, hint?: string): number {
  const ageMs = parseDurationMs(text, Number.MAX_SAFE_INTEGER);
  if (ageMs !== undefined) return ageMs;
  throw new EvolinkError('usage', `${flag} "${text}": must be an age such as 12h, 7d or 30d`, { hint });
}

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
  /** Takes what YAML gives. Made when a value is checked: most settings have none. */
  readonly schema: () => z.ZodMiniType<T>;
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

/** What the environment may say for yes and no. */
function booleanOf(text: string): boolean | undefined {
  if (/^(?:1|true|yes|on)$/i.test(text)) return true;
  return /^(?:0|false|no|off)$/i.test(text) ? false : undefined;
}

function kind<T>(
  schema: () => z.ZodMiniType<T>,
  expected: string,
  more: Partial<ValueKind<T>> = {},
): ValueKind<T> {
  return { schema, expected, fromText: asItIs, format: String, ...more };
}

/** Any text that is not empty, unless it is told what to look for. */
function textKind(
  expected: string,
  isValid: (text: string) => boolean = (text) => /\S/.test(text),
): ValueKind<string> {
  return kind(() => z.string().check(z.refine(isValid)), expected);
}

const OUTPUT_KIND = textKind(
  'a file, a folder/ or a pattern, such as clips/{slug}-{id}.mp4, without ~, variables and line breaks',
  (output) => /\S/.test(output) && outputProblem(output) === undefined,
);

function choiceKind<const T extends string>(allowed: readonly T[]): ValueKind<T> {
  return kind<T>(() => z.enum(allowed), `one of ${allowed.join(', ')}`, {
    suggest: (raw) => nearest(String(raw), allowed),
  });
}

const BOOLEAN_KIND = kind<boolean>(() => z.boolean(), 'true or false', {
  fromText: (text) => booleanOf(text) ?? text,
  suggest: (raw) => booleanOf(String(raw))?.toString(),
});

function integerKind(min: number, max: number): ValueKind<number> {
  const schema = () => z.int().check(z.minimum(min), z.maximum(max));
  return kind(schema, `a whole number from ${min} to ${max}`, { fromText: asNumber });
}

const DURATION_SECONDS_KIND: ValueKind<number> = {
  ...integerKind(DURATION_SECONDS.min, DURATION_SECONDS.max),
  expected: `a whole number of seconds from ${DURATION_SECONDS.min} to ${DURATION_SECONDS.max}`,
  fromText: (text) => asNumber(text.replace(/s$/, '')),
};

const CREDITS_KIND = kind<number>(() => z.number().check(z.minimum(0)), 'a number of credits, 0 or more', {
  fromText: asNumber,
});

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
  const parse = (raw: string | number) => {
    const durationMs = parseDurationMs(String(raw));
    return durationMs !== undefined && durationMs >= minMs ? durationMs : undefined;
  };
  const schema = () => parsedAs(z.union([z.string(), z.literal(0)]), parse);
  const least = minMs > 0 ? `, at least ${formatDurationMs(minMs)}` : '';
  return kind(schema, `a time with its unit, such as 45s, 30m or 1h30m${least}, at most 7d`, {
    format: formatDurationMs,
    suggest: (raw) => (/^\d+$/.test(String(raw)) && Number(raw) > 0 ? `${Number(raw)}s` : undefined),
  });
}

function sizeKind(minBytes: number, suffix: '' | '/s'): ValueKind<number> {
  const parse = (raw: string | number) => {
    const sizeBytes = parseSizeBytes(suffix === '' ? String(raw) : String(raw).replace(/\/s$/, ''));
    return sizeBytes !== undefined && sizeBytes >= minBytes ? sizeBytes : undefined;
  };
  const schema = () => parsedAs(z.union([z.string(), z.number()]), parse);
  const what = suffix === '' ? 'size' : 'speed';
  const examples = `500MB${suffix} or 4GiB${suffix}`;
  return kind(schema, `a ${what}, such as ${examples}, at least ${minBytes} bytes${suffix}`, {
    format: (value) => `${formatSizeBytes(value)}${suffix}`,
  });
}

/** An address without user name and password, which would be secrets in a file, and without white space. */
function isPlainUrl(text: string, schemes: readonly string[]): boolean {
  if (!/^https?:\/\/[^/\\\s]+[^\s\\]*$/i.test(text) || !URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return schemes.includes(protocol) && username === '' && password === '';
}

const CALLBACK_URL_KIND = textKind(
  'a full URL without user name or password, such as https://example.com/evolink',
  (text) => isPlainUrl(text, ['https:']),
);

/** The base of an API: a path is kept, a slash at its end is not. A query would end up inside of paths. */
function baseUrlKind(example: string): ValueKind<string> {
  const parse = (text: string) =>
    isPlainUrl(text, ['http:', 'https:']) && !/[?#]/.test(text)
      ? new URL(text).href.replace(/\/+$/, '')
      : undefined;
  const schema = () => parsedAs(z.string(), parse);
  return kind(schema, `a full URL without user name, password and query, such as ${example}`);
}

/** A command as its arguments, the program first: no shell reads it. */
export const ARGUMENTS_KIND: ValueKind<readonly string[]> = kind(
  () => z.array(z.string()).check(z.refine((argv) => argv.length > 0 && argv[0] !== '')),
  'a list of arguments, the program first, such as [pass, show, evolink]; no shell reads it',
  { format: (argv) => `[${argv.join(', ')}]` },
);

const priceSchema = () =>
  parsedAs(
    z.strictObject({
      tier: z.string().check(z.minLength(1)),
      quality: z.string().check(z.minLength(1)),
      without_video: z.optional(CREDITS_KIND.schema()),
      with_video: z.optional(CREDITS_KIND.schema()),
    }),
    ({ tier, quality, without_video: withoutVideo, with_video: withVideo }): PriceOverride | undefined =>
      withoutVideo === undefined && withVideo === undefined
        ? undefined
        : { tier, quality, withoutVideo, withVideo },
  );

const PRICES_KIND: ValueKind<readonly PriceOverride[]> = kind(
  () => z.array(priceSchema()),
  'a list of {tier, quality, without_video, with_video}, prices in credits per second, 0 or more, at least one of the two',
  { format: (prices) => (prices.length === 0 ? 'list prices' : `${prices.length} of your own`) },
);

/** Which files may hold a setting. `none`: the environment only. */
type FilePlace = 'project and user' | 'user' | 'none';

/** What is special about a setting. */
interface SettingFacts<T> {
  /** The heading that stands above it where settings are listed. */
  readonly group?: string;
  /** The variable that sets it, where that is not named after the key. */
  readonly env?: string | undefined;
  readonly inFile?: FilePlace;
  /**
   * What holds where a project file, which may come from somebody else, says one thing and the user (or the built-in
   * value) another; absent where the project's value simply wins. A flag or variable wins over both. (A method: lists
   * of rows hold kinds of every type.)
   */
  tighten?(own: T, project: T): T;
  /** Its value is never shown. */
  readonly isSecret?: boolean;
  /** A value as YAML writes it; else the built-in one. */
  readonly example?: string;
}

/** One setting. `T` is the type of its values, `B` that of the built-in one (`undefined` where there is none). */
export interface SettingKey<T, B extends T | undefined = T | undefined> extends SettingFacts<T> {
  /** As written in a file. */
  readonly key: string;
  readonly kind: ValueKind<T>;
  readonly builtIn: B;
  readonly description: string;
  readonly inFile: FilePlace;
  readonly example: string;
}

/** Unless told otherwise a setting may stand in both files and has a variable named after its key. */
function setting<T, B extends T | undefined>(
  key: string,
  kind: ValueKind<T>,
  builtIn: B,
  description: string,
  facts: SettingFacts<T> = {},
): SettingKey<T, B> {
  const example = builtIn === undefined ? '' : kind.format(builtIn);
  const env = `EVOLINK_${key.toUpperCase()}`;
  return { key, kind, builtIn, description, env, inFile: 'project and user', example, ...facts };
}

const NO_PRICES: readonly PriceOverride[] = [];

/** Every setting, in the order in which documents list them. Adding one is adding a row. */
export const SETTING_KEYS = {
  apiKey: setting(
    'api_key',
    textKind('text'),
    undefined,
    'API key. Better in EVOLINK_API_KEY, in a file named by EVOLINK_API_KEY_FILE, or behind api_key_command. Never commit it.',
    { group: 'Key and hosts', isSecret: true, example: 'your-key' },
  ),
  apiKeyCommand: setting(
    'api_key_command',
    ARGUMENTS_KIND,
    undefined,
    'Command that prints the API key, as a list of arguments (no shell). User config only.',
    { env: undefined, inFile: 'user', isSecret: true, example: '[pass, show, evolink]' },
  ),
  baseUrl: setting(
    'base_url',
    baseUrlKind('https://api.evolink.ai'),
    'https://api.evolink.ai',
    'Address of the API. In a project file: used only with a key of the same file, unless it is api.evolink.ai.',
  ),
  filesUrl: setting(
    'files_url',
    baseUrlKind('https://files-api.evolink.ai'),
    'https://files-api.evolink.ai',
    'Address for uploads of local media. The rule of base_url holds.',
  ),
  tier: setting('tier', choiceKind(TIERS), REQUEST_DEFAULTS.tier, `Model tier: ${TIERS.join(', ')}.`, {
    group: 'Request: a flag or a job file wins over these',
  }),
  model: setting(
    'model',
    textKind('a model id, such as seedance-2.0-text-to-video'),
    undefined,
    'Model id, instead of tier. It fits one operation only.',
    { example: 'seedance-2.0-text-to-video' },
  ),
  quality: setting(
    'quality',
    choiceKind(QUALITIES),
    REQUEST_DEFAULTS.quality,
    `Resolution: ${QUALITIES.join(', ')}; 1080p and 4k in tier standard only.`,
  ),
  aspectRatio: setting(
    'aspect_ratio',
    choiceKind(ASPECT_RATIOS),
    REQUEST_DEFAULTS.aspectRatio,
    `Width to height: ${ASPECT_RATIOS.join(', ')}.`,
    { example: `"${REQUEST_DEFAULTS.aspectRatio}"` },
  ),
  durationSeconds: setting(
    'duration',
    DURATION_SECONDS_KIND,
    REQUEST_DEFAULTS.durationSeconds,
    'Seconds of video, 4 to 15; billed.',
  ),
  generateAudio: setting(
    'generate_audio',
    BOOLEAN_KIND,
    REQUEST_DEFAULTS.generateAudio,
    'Generate audio along with the video; free.',
  ),
  contentFilter: setting(
    'content_filter',
    BOOLEAN_KIND,
    REQUEST_DEFAULTS.contentFilter,
    'Standard content check; false costs 1.1 times the price.',
  ),
  webSearch: setting(
    'web_search',
    BOOLEAN_KIND,
    undefined,
    'Let the model search the web (t2v, tiers standard and fast); each search is billed.',
    { example: 'false' },
  ),
  callbackUrl: setting(
    'callback_url',
    CALLBACK_URL_KIND,
    undefined,
    'Public https address that the service calls when a task ends.',
    { example: 'https://hooks.example.com/evolink' },
  ),
  output: setting(
    'output',
    OUTPUT_KIND,
    undefined,
    'File, folder (ends in /) or pattern of a clip. In a project file: relative to the file, and inside its folder.',
    { group: 'Output', example: 'clips/{date}-{slug}-{id}.mp4' },
  ),
  hasSidecar: setting(
    'sidecar',
    BOOLEAN_KIND,
    false,
    'Write clip.mp4.json beside each clip: request, credits, times, SHA-256.',
    { example: 'true' },
  ),
  maxSizeBytes: setting('max_size', sizeKind(1, ''), 4 * 1024 ** 3, 'Largest clip that is saved.'),
  timeoutMs: setting(
    'timeout',
    spanKind(0),
    30 * 60_000,
    'How long to wait for a task; 0 checks once. The task keeps running, `evolink resume` continues.',
    { group: 'Waiting and spending' },
  ),
  maxCredits: setting(
    'max_credits',
    CREDITS_KIND,
    undefined,
    "Don't submit if the estimate exceeds this. Of two files the smaller value holds.",
    { tighten: Math.min, example: '200' },
  ),
  prices: setting(
    'prices',
    PRICES_KIND,
    NO_PRICES,
    'Credits per second that differ from the list, for estimates. tier may be a model id. In a project file: only raises.',
    {
      env: undefined,
      tighten: (own, project) => [...own, ...project.map((price) => ({ ...price, isOnlyRaising: true }))],
      example: '[{ tier: standard, quality: 720p, without_video: 13.5, with_video: 8.2215 }]',
    },
  ),
  concurrency: setting(
    'concurrency',
    integerKind(1, 64),
    4,
    'Tasks of a run at the same time; fewer while the service limits the rate.',
  ),
  readsPerMinute: setting(
    'reads_per_minute',
    integerKind(1, 6_000),
    300,
    'Most status reads per minute, of all tasks together; fewer while the service limits the rate.',
  ),
  lockTimeoutMs: setting(
    'lock_timeout',
    spanKind(0),
    undefined,
    'How long to wait for another process that works on the same task. Built in: 10s on a terminal, else 0.',
    { example: '10s' },
  ),
  connectTimeoutMs: setting(
    'connect_timeout',
    spanKind(1),
    15_000,
    'Name lookup, connection, proxy and TLS together.',
    { group: 'Network' },
  ),
  responseTimeoutMs: setting(
    'response_timeout',
    spanKind(1),
    60_000,
    'From the end of a request to its answer.',
  ),
  idleTimeoutMs: setting(
    'idle_timeout',
    spanKind(1),
    30_000,
    'A transfer without a byte for this long is reconnected and continued.',
  ),
  minBytesPerSecond: setting(
    'min_speed',
    sizeKind(0, '/s'),
    10 * 1024,
    'A slower download is reconnected and continued; 0 accepts any speed.',
  ),
  hasColor: setting(
    'color',
    BOOLEAN_KIND,
    undefined,
    'Colors. If not set, NO_COLOR, FORCE_COLOR and the terminal decide.',
    { group: 'Screen', env: undefined, example: 'false' },
  ),
  hasProgress: setting(
    'progress',
    BOOLEAN_KIND,
    undefined,
    'Progress bars and spinners. If not set, the terminal decides.',
    { env: undefined, example: 'false' },
  ),
  notifies: setting(
    'notify',
    BOOLEAN_KIND,
    false,
    'After waits of over 30 s: a bell, and a notification of the terminal or the system. User config only.',
    { env: undefined, inFile: 'user' },
  ),
  stateFolder: setting(
    'state_dir',
    textKind('a folder'),
    undefined,
    'Folder of the records of paid tasks. Environment only.',
    { inFile: 'none' },
  ),
} as const;

export type SettingName = keyof typeof SETTING_KEYS;
/** The rows as a list. */
export const SETTING_ROWS: readonly SettingKey<unknown>[] = Object.values(SETTING_KEYS);
