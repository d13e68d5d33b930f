import * as z from 'zod';
import { DURATION_SECONDS } from '../request/limits.ts';
import { nearest } from '../request/nearest.ts';
import type { PriceOverride } from './settings.ts';
import { formatDurationMs, formatSizeBytes, parseDurationMs, parseSizeBytes } from './units.ts';

/** How the values of a setting are written and read: in a file as YAML, in the environment and in flags as text. */
export interface ValueKind<T> {
  /** Takes what YAML gives. */
  readonly schema: z.ZodType<T>;
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
export function textKind(expected: string): ValueKind<string> {
  return { schema: z.string().regex(/\S/), expected, fromText: asItIs, format: (value) => value };
}

/** Files know no shell that would expand a `~`. */
export const OUTPUT_KIND: ValueKind<string> = {
  ...textKind('a file, a folder/ or a pattern, such as clips/{slug}-{id}.mp4, without ~'),
  schema: z.string().regex(/^(?!~[/\\]).*\S/s),
};

export function choiceKind<const T extends string>(allowed: readonly T[]): ValueKind<T> {
  return {
    schema: z.enum(allowed),
    expected: `one of ${allowed.join(', ')}`,
    fromText: asItIs,
    format: (value) => value,
    suggest: (raw) =>
      typeof raw === 'string' || typeof raw === 'number' ? nearest(String(raw), allowed) : undefined,
  };
}

export const BOOLEAN_KIND: ValueKind<boolean> = {
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

export function integerKind(min: number, max: number): ValueKind<number> {
  return {
    schema: z.number().int().min(min).max(max),
    expected: `a whole number from ${min} to ${max}`,
    fromText: asNumber,
    format: String,
  };
}

export const DURATION_SECONDS_KIND: ValueKind<number> = {
  ...integerKind(DURATION_SECONDS.min, DURATION_SECONDS.max),
  expected: `a whole number of seconds from ${DURATION_SECONDS.min} to ${DURATION_SECONDS.max}`,
  fromText: (text) => asNumber(text.replace(/s$/, '')),
};

export const CREDITS_KIND: ValueKind<number> = {
  schema: z.number().min(0),
  expected: 'a number of credits, 0 or more',
  fromText: asNumber,
  format: String,
};

/** A span in human units. */
export function spanKind(minMs: number): ValueKind<number> {
  const schema = z.union([z.string(), z.literal(0)]).transform((raw, context) => {
    const durationMs = parseDurationMs(String(raw));
    if (durationMs !== undefined && durationMs >= minMs) return durationMs;
    context.addIssue('not a span');
    return z.NEVER;
  });
  return {
    schema,
    expected: `a time with its unit, such as 45s, 30m or 1h30m${minMs > 0 ? `, at least ${formatDurationMs(minMs)}` : ''}, at most 7d`,
    fromText: asItIs,
    format: formatDurationMs,
    suggest: (raw) => (/^\d+$/.test(String(raw)) && Number(raw) > 0 ? `${Number(raw)}s` : undefined),
  };
}

export function sizeKind(minBytes: number, suffix: '' | '/s'): ValueKind<number> {
  const schema = z.union([z.string(), z.number()]).transform((raw, context) => {
    const text = String(raw);
    const sizeBytes = parseSizeBytes(
      suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text,
    );
    if (sizeBytes !== undefined && sizeBytes >= minBytes) return sizeBytes;
    context.addIssue('not a size');
    return z.NEVER;
  });
  return {
    schema,
    expected: `a ${suffix === '' ? 'size' : 'speed'}, such as 500MB${suffix} or 4GiB${suffix}, at least ${minBytes} bytes${suffix}`,
    fromText: asItIs,
    format: (value) => `${formatSizeBytes(value)}${suffix}`,
  };
}

/** An address without user name, query and fragment: anything else could carry a secret or end up inside a path. */
export function urlKind(schemes: readonly ('http' | 'https')[], example: string): ValueKind<string> {
  const isAllowed = (text: string) => {
    if (!/^https?:\/\/[^/\\\s]+[^\s\\]*$/i.test(text) || !URL.canParse(text)) return false;
    const url = new URL(text);
    return (
      schemes.some((scheme) => url.protocol === `${scheme}:`) && url.username === '' && url.password === ''
    );
  };
  return {
    schema: z.string().refine(isAllowed),
    expected: `a full URL without user name or password, such as ${example}`,
    fromText: asItIs,
    format: (value) => value,
  };
}

/** The base of an API: a path is kept, a slash at its end is not. */
export function baseUrlKind(example: string): ValueKind<string> {
  const kind = urlKind(['http', 'https'], example);
  const schema = z.string().transform((text, context) => {
    const isPlain = kind.schema.safeParse(text).success && !/[?#]/.test(text);
    if (isPlain) return new URL(text).href.replace(/\/+$/, '');
    context.addIssue('not a base URL');
    return z.NEVER;
  });
  return {
    ...kind,
    schema,
    expected: `a full URL without user name, password and query, such as ${example}`,
  };
}

/** A command as its arguments, the program first: no shell reads it. */
export const ARGUMENTS_KIND: ValueKind<readonly string[]> = {
  schema: z
    .array(z.string())
    .min(1)
    .refine((argv) => argv[0] !== ''),
  expected: 'a list of arguments, the program first, such as [pass, show, evolink]; no shell reads it',
  fromText: asItIs,
  format: (argv) => `[${argv.join(', ')}]`,
};

const priceSchema = z
  .strictObject({
    tier: z.string().min(1),
    quality: z.string().min(1),
    without_video: z.number().min(0).optional(),
    with_video: z.number().min(0).optional(),
  })
  .refine((price) => price.without_video !== undefined || price.with_video !== undefined)
  .transform(
    (price): PriceOverride => ({
      tier: price.tier,
      quality: price.quality,
      withoutVideo: price.without_video,
      withVideo: price.with_video,
    }),
  );

export const PRICES_KIND: ValueKind<readonly PriceOverride[]> = {
  schema: z.array(priceSchema),
  expected:
    'a list of {tier, quality, without_video, with_video}, prices in credits per second, 0 or more, at least one of the two',
  fromText: asItIs,
  format: (prices) => (prices.length === 0 ? 'list prices' : `${prices.length} of your own`),
};
