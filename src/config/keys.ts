import * as z from 'zod/mini';
import { EvolinkError } from '../errors.ts';
import { parseUrl } from '../platform/text.ts';
import type { PriceOverride, Setting } from '../request/estimate.ts';
import { FIELDS, type FieldRow, REQUEST_DEFAULTS } from '../request/fields.ts';
import { ASPECT_RATIOS, DURATION_SECONDS, QUALITIES, TIERS } from '../request/models.ts';
import { describeValue, nearest } from '../request/problems.ts';
import { outputProblem } from './output.ts';

/** From large to small, each at most once. */
const UNITS_MS = [86_400_000, 3_600_000, 60_000, 1000, 1];
const SPAN = /^(?=.)(?:([\d.]+)d\s*)?(?:([\d.]+)h\s*)?(?:([\d.]+)m\s*)?(?:([\d.]+)s\s*)?(?:([\d.]+)ms\s*)?$/;
/** Longer waits do not fit a timer (2^31 - 1 ms). */
const MAX_DURATION_MS = 7 * 86_400_000;

/**
 * Reads `30m`, `1h30m`, `45s`, `1.5h`, `500ms` or `0` as milliseconds. Undefined for anything else: a number without a
 * unit, a negative one, more than `maxMs` (7 days).
 */
export function parseDurationMs(text: string, maxMs = MAX_DURATION_MS): number | undefined {
  const compact = text.trim().toLowerCase();
  if (compact === '0') return 0;
  const amounts = SPAN.exec(compact)?.slice(1);
  const totalMs = amounts?.reduce((sum, amount, at) => sum + (UNITS_MS[at] ?? 0) * Number(amount ?? 0), 0);
  return totalMs !== undefined && totalMs <= maxMs ? Math.round(totalMs) : undefined;
}

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
 * Reads `4GiB`, `500 MB`, `10kB` or plain bytes (`0`, `1048576`). `kB`, `MB`, … count in thousands and `KiB`, `MiB`, …
 * in 1024 (IEC 80000-13), in any case. Undefined for anything else.
 */
export function parseSizeBytes(text: string): number | undefined {
  const [, count, unit = '', binary] =
    /^(\d{1,16}(?:\.\d{1,9})?)\s*(?:(b|[kmgt](?=i?b))(i)?b?)?$/.exec(text.trim().toLowerCase()) ?? [];
  const step = binary === undefined ? 1000 : 1024;
  const sizeBytes = Math.round(Number(count) * step ** Math.max(0, 'bkmgt'.indexOf(unit)));
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined;
}

/** How the values of a setting are written and read: in a file as YAML, in the environment and in flags as text. */
interface Kind<T> {
  /** The value of what YAML gives; undefined for a wrong one. */
  readonly read: (raw: unknown) => T | undefined;
  /** What is allowed, after "must be". */
  readonly expected: string;
  /** Turns text of the environment or a flag into what YAML would give. */
  readonly fromText: (text: string) => unknown;
  /** The allowed value that a wrong one most likely meant. */
  readonly suggest?: ((raw: unknown) => string | undefined) | undefined;
}

function kind<T>(expected: string, read: Kind<T>['read'], more: Partial<Kind<T>> = {}): Kind<T> {
  return { expected, read, fromText: (text) => text, ...more };
}

function text(expected: string, isValid = (value: string) => /\S/.test(value)): Kind<string> {
  return kind(expected, (raw) => (typeof raw === 'string' && isValid(raw) ? raw : undefined));
}

const OUTPUT = text(
  'a file, a folder/ or a pattern, such as clips/{slug}-{id}.mp4, without ~, variables and line breaks',
  (output) => outputProblem(output) === undefined,
);

function choice<const T extends string>(allowed: readonly T[]): Kind<T> {
  return kind<T>(`one of ${allowed.join(', ')}`, (raw) => allowed.find((each) => each === raw), {
    suggest: (raw) => nearest(String(raw), allowed),
  });
}

/** What the environment may say for yes and no. */
function booleanOf(word: string): boolean | undefined {
  if (/^(?:1|true|yes|on)$/i.test(word)) return true;
  return /^(?:0|false|no|off)$/i.test(word) ? false : undefined;
}

const BOOLEAN = kind('true or false', (raw) => (typeof raw === 'boolean' ? raw : undefined), {
  fromText: (word) => booleanOf(word) ?? word,
  suggest: (raw) => booleanOf(String(raw))?.toString(),
});

function number(expected: string, isValid: (value: number) => boolean): Kind<number> {
  return kind(expected, (raw) => (typeof raw === 'number' && isValid(raw) ? raw : undefined), {
    fromText: (word) => (/^-?\d+(?:\.\d+)?$/.test(word) ? Number(word) : word),
  });
}

function integer(min: number, max: number, what = 'a whole number'): Kind<number> {
  const isValid = (value: number) => Number.isInteger(value) && value >= min && value <= max;
  return number(`${what} from ${min} to ${max}`, isValid);
}

const SECONDS = integer(DURATION_SECONDS.min, DURATION_SECONDS.max, 'a whole number of seconds');
const CREDITS = number('a number of credits, 0 or more', (value) => value >= 0 && Number.isFinite(value));

/** A span in human units. */
function span(minMs: number): Kind<number> {
  const least = minMs > 0 ? `, at least ${minMs}ms` : '';
  const read = (raw: unknown) => {
    const durationMs = typeof raw === 'string' || raw === 0 ? parseDurationMs(String(raw)) : undefined;
    return durationMs !== undefined && durationMs >= minMs ? durationMs : undefined;
  };
  return kind(`a time with its unit, such as 45s, 30m or 1h30m${least}, at most 7d`, read, {
    suggest: (raw) => (/^\d+$/.test(String(raw)) && Number(raw) > 0 ? `${Number(raw)}s` : undefined),
  });
}

function size(minBytes: number, suffix: '' | '/s'): Kind<number> {
  const read = (raw: unknown) => {
    if (typeof raw !== 'string' && typeof raw !== 'number') return undefined;
    const sizeBytes = parseSizeBytes(suffix === '' ? `${raw}` : `${raw}`.replace(/\/s$/, ''));
    return sizeBytes !== undefined && sizeBytes >= minBytes ? sizeBytes : undefined;
  };
  const what = suffix === '' ? 'size' : 'speed';
  return kind(
    `a ${what}, such as 500MB${suffix} or 4GiB${suffix}, at least ${minBytes} bytes${suffix}`,
    read,
  );
}

/** An address without user name and password, which would be secrets in a file, and without white space. */
function parsePlainUrl(address: string, schemes: readonly string[]): URL | undefined {
  const url = /^https?:\/\/[^/\\\s]+[^\s\\]*$/i.test(address) ? parseUrl(address) : undefined;
  const isPlain = url?.username === '' && url.password === '' && schemes.includes(url.protocol);
  return isPlain ? url : undefined;
}

/** The base of an API: a path is kept, a slash at its end is not. A query would end up inside of paths. */
function baseUrl(example: string): Kind<string> {
  return kind(`a full URL without user name, password and query, such as ${example}`, (raw) => {
    if (typeof raw !== 'string' || /[?#]/.test(raw)) return undefined;
    return parsePlainUrl(raw, ['http:', 'https:'])?.href.replace(/\/+$/, '');
  });
}

/** A command as its arguments, the program first: no shell reads it. */
const ARGUMENTS = kind<readonly string[]>(
  'a list of arguments, the program first, such as [pass, show, evolink]; no shell reads it',
  (raw) => (Array.isArray(raw) && raw.every((word) => typeof word === 'string') && raw[0] ? raw : undefined),
);

/** Made when somebody has prices: most have none. */
const priceSchema = () => {
  const word = z.string().check(z.minLength(1));
  const credits = z.optional(z.number().check(z.minimum(0)));
  const price = z.strictObject({ tier: word, quality: word, without_video: credits, with_video: credits });
  return z.array(price.check(z.refine((each) => (each.without_video ?? each.with_video) !== undefined)));
};

const PRICES = kind<readonly PriceOverride[]>(
  'a list of {tier, quality, without_video, with_video}, prices in credits per second, 0 or more, at least one of the two',
  // Without any, as built in, the schema is not loaded.
  (raw) => (Array.isArray(raw) && raw.length === 0 ? [] : priceSchema().safeParse(raw).data),
);

/** One setting. `T` is the type of its values; `B` is `undefined` where there is none built in. */
export interface SettingRow<T = unknown, B = unknown> extends Kind<T> {
  /** As written in a file. */
  readonly key: string;
  /** As in a file. */
  readonly builtIn: B;
  readonly description: string;
  readonly example: string;
  /** The heading that stands above it where settings are listed. */
  readonly group?: string;
  /** The variable that sets it: named after the key unless told otherwise; none where only the user's file may. */
  readonly env: string | undefined;
  /** Which files may hold it, if not both. `none`: the environment only. */
  readonly inFile?: 'user' | 'none';
  /**
   * What holds where a project file, which may come from somebody else, says one thing and the user (or the built-in
   * value) another; absent where the project's value simply wins. A flag or variable wins over both.
   */
  tighten?(own: T, project: T): T;
  /** Its value is never shown. */
  readonly isSecret?: boolean;
}

function setting<T, B>(
  key: string,
  of: Kind<T>,
  builtIn: B,
  facts: Partial<SettingRow<T, B>> & { readonly description: string },
): SettingRow<T, B> {
  const example = String(builtIn ?? '');
  // What a program of the user's own starts is no matter of the environment.
  const env = facts.inFile === 'user' ? undefined : `EVOLINK_${key.toUpperCase()}`;
  return { ...of, key, builtIn, example, env, ...facts };
}

/** The fields of a request that a setting can give, with what the table of fields does not say of them. */
const REQUEST = {
  model: {
    ...text('a model id, such as seedance-2.0-text-to-video'),
    group: 'Request: a flag or a job file wins over these',
    example: 'seedance-2.0-text-to-video',
  },
  tier: choice(TIERS),
  duration: {
    ...SECONDS,
    fromText: (word: string) => SECONDS.fromText(word.replace(/s$/, '')),
    description: 'Seconds of video, 4 to 15; billed.',
  },
  quality: choice(QUALITIES),
  aspect_ratio: { ...choice(ASPECT_RATIOS), example: `"${REQUEST_DEFAULTS.aspect_ratio}"` },
  generate_audio: BOOLEAN,
  content_filter: BOOLEAN,
  web_search: { ...BOOLEAN, example: 'false' },
  callback_url: {
    ...text(
      'a full URL without user name or password, such as https://example.com/evolink',
      (address) => parsePlainUrl(address, ['https:']) !== undefined,
    ),
    example: 'https://hooks.example.com/evolink',
  },
} satisfies Partial<Record<(typeof FIELDS)[number]['key'], Kind<unknown> & Partial<SettingRow>>>;
export const REQUEST_SETTINGS = Object.keys(REQUEST) as (keyof typeof REQUEST)[];

function requestRows() {
  const rows = Object.entries<Kind<unknown>>(REQUEST).map(([key, of]) => {
    const field = FIELDS.find((each) => each.key === key) as FieldRow;
    const list = field.values === undefined ? '' : ` (${field.values.join(', ')})`;
    const description = `${field.description.replace(/^./, (letter) => letter.toUpperCase())}${list}.`;
    return [key, setting(key, of, field.default, { description, ...of })];
  });
  return Object.fromEntries(rows) as Record<keyof typeof REQUEST, SettingRow>;
}

/** Every setting, in the order in which documents list them. Adding one is adding a row. */
export const SETTINGS = {
  apiKey: setting('api_key', text('text'), undefined, {
    group: 'Key and hosts',
    description:
      'API key. Better in EVOLINK_API_KEY, in a file named by EVOLINK_API_KEY_FILE, or behind api_key_command. Never commit it.',
    isSecret: true,
    example: 'your-key',
  }),
  apiKeyCommand: setting('api_key_command', ARGUMENTS, undefined, {
    description: 'Command that prints the API key, as a list of arguments (no shell). User config only.',
    inFile: 'user',
    isSecret: true,
    example: '[pass, show, evolink]',
  }),
  baseUrl: setting('base_url', baseUrl('https://api.evolink.ai'), 'https://api.evolink.ai', {
    description:
      'Address of the API. In a project file: used only with a key of the same file, unless it is api.evolink.ai.',
  }),
  filesUrl: setting('files_url', baseUrl('https://files-api.evolink.ai'), 'https://files-api.evolink.ai', {
    description: 'Address for uploads of local media. The rule of base_url holds.',
  }),
  ...requestRows(),
  output: setting('output', OUTPUT, undefined, {
    group: 'Output',
    description:
      'File, folder (ends in /) or pattern of a clip. In a project file: relative to the file, and inside its folder.',
    example: 'clips/{date}-{slug}-{id}.mp4',
  }),
  hasSidecar: setting('sidecar', BOOLEAN, false, {
    description: 'Write clip.mp4.json beside each clip: request, credits, times, SHA-256.',
  }),
  maxSizeBytes: setting('max_size', size(1, ''), '4GiB', {
    description: 'Largest clip that is saved.',
  }),
  timeoutMs: setting('timeout', span(0), '30m', {
    group: 'Waiting and spending',
    description:
      'How long to wait for a task; 0 checks once. The task keeps running, `evolink resume` continues.',
  }),
  maxCredits: setting('max_credits', CREDITS, undefined, {
    description: "Don't submit if the estimate exceeds this. Of two files the smaller value holds.",
    tighten: Math.min,
    example: '200',
  }),
  prices: setting('prices', PRICES, [], {
    description:
      'Credits per second that differ from the list, for estimates. tier may be a model id. In a project file: only raises.',
    env: undefined,
    tighten: (own, project) => [...own, ...project.map((price) => ({ ...price, isOnlyRaising: true }))],
    example: '[{ tier: standard, quality: 720p, without_video: 13.5, with_video: 8.2215 }]',
  }),
  concurrency: setting('concurrency', integer(1, 64), 4, {
    description: 'Tasks of a run at the same time; fewer while the service limits the rate.',
  }),
  readsPerMinute: setting('reads_per_minute', integer(1, 6_000), 300, {
    description:
      'Most status reads per minute, of all tasks together; fewer while the service limits the rate.',
  }),
  lockTimeoutMs: setting('lock_timeout', span(0), undefined, {
    description:
      'How long to wait for another process that works on the same task. Built in: 10s on a terminal, else 0.',
    example: '10s',
  }),
  connectTimeoutMs: setting('connect_timeout', span(1), '15s', {
    group: 'Network',
    description: 'Name lookup, connection, proxy and TLS together.',
  }),
  responseTimeoutMs: setting('response_timeout', span(1), '1m', {
    description: 'From the end of a request to its answer.',
  }),
  idleTimeoutMs: setting('idle_timeout', span(1), '30s', {
    description: 'A transfer without a byte for this long is reconnected and continued.',
  }),
  minBytesPerSecond: setting('min_speed', size(0, '/s'), '10KiB/s', {
    description: 'A slower download is reconnected and continued; 0 accepts any speed.',
  }),
  hasColor: setting('color', BOOLEAN, undefined, {
    group: 'Screen',
    description: 'Colors. If not set, NO_COLOR, FORCE_COLOR and the terminal decide.',
    env: undefined,
    example: 'false',
  }),
  hasProgress: setting('progress', BOOLEAN, undefined, {
    description: 'Progress bars and spinners. If not set, the terminal decides.',
    env: undefined,
    example: 'false',
  }),
  notifies: setting('notify', BOOLEAN, false, {
    description:
      'After waits of over 30 s: a bell, and a notification of the terminal or the system. User config only.',
    inFile: 'user',
  }),
  stateFolder: setting('state_dir', text('a folder'), undefined, {
    description: 'Folder of the records of paid tasks. Environment only.',
    inFile: 'none',
  }),
};

/** The rows as a list. */
export const SETTING_ROWS: readonly SettingRow[] = Object.values(SETTINGS);

/** What one source says of a setting, as YAML would give it. */
export interface Given extends Setting<unknown> {
  /** What a problem names. */
  readonly at: string;
}

/** What is wrong with a value that a row refuses; one of a secret is not quoted. */
export function valueProblem({ expected, suggest, isSecret }: SettingRow, raw: unknown) {
  const message = `must be ${expected}`;
  return isSecret === true ? { message } : { value: describeValue(raw), message, suggestion: suggest?.(raw) };
}

/** Beside the user config, which may be shared or linked as a whole. */
export const KEY_FILE_NAME = 'api-key';

/** Our variables that are no settings, in the order in which they are looked at. */
export const OTHER_VARIABLES = [
  { name: 'EVOLINK_API_KEY_FILE', description: 'file that holds the API key and nothing else (mode 0600)' },
  { name: 'EVOLINK_CONFIG', description: 'user config to read instead of the usual one' },
  { name: 'EVOLINK_SANDBOX', description: '1: as --sandbox' },
  { name: 'EVOLINK_SANDBOX_FAULTS', description: 'faults of that sandbox: see `evolink help faults`' },
  {
    name: 'EVOLINK_INTERNAL_CLOCK_RATE',
    description: 'for tests: speeds up the internal clock by this factor',
  },
] as const;
