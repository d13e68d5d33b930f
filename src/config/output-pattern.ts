import { sep } from 'node:path';
import { closest } from 'fastest-levenshtein';
import { EvolinkError } from '../errors.ts';

/** What happens when the target name is taken. `refuse` is decided before anything is paid for, and again at publish. */
export type OnExisting = 'refuse' | 'overwrite' | 'skip';

/** Where a clip goes. Absolute paths; a pattern keeps its fields until the task id is known. */
export type OutputPlan =
  | { readonly kind: 'stdout' }
  | {
      readonly kind: 'file';
      /** Absolute; the result must lie inside it. */
      readonly folder: string;
      /** Relative to the folder; may hold `{field}`s and sub-folders. */
      readonly pattern: string;
      readonly onExisting: OnExisting;
    };

/** The fields that a pattern may name. */
export const OUTPUT_FIELDS = [
  'id',
  'slug',
  'date',
  'time',
  'job',
  'index',
  'operation',
  'model',
  'tier',
  'ratio',
  'quality',
  'duration',
] as const;
export type OutputField = (typeof OUTPUT_FIELDS)[number];
export type OutputFields = Partial<Record<OutputField, string>>;

/** What the request lets us expect of the file; a difference is a warning, never a failure. */
export interface MediaExpectation {
  readonly durationSeconds?: number | undefined;
  readonly widthPx?: number | undefined;
  readonly heightPx?: number | undefined;
  readonly hasAudio?: boolean | undefined;
}

/** What the file says of itself. */
export interface MediaFacts {
  readonly durationSeconds: number;
  readonly widthPx?: number | undefined;
  readonly heightPx?: number | undefined;
  readonly hasAudio: boolean;
}

/** Bounds of one download; 0 switches a bound off where that makes sense. */
export interface DownloadLimits {
  /** No byte for this long: the attempt is dropped, and continued on a new connection. */
  readonly idleTimeoutMs: number;
  /** Slower than this over `speedWindowMs`: as above. */
  readonly minBytesPerSecond: number;
  readonly speedWindowMs: number;
  /** A body that grows past this is stopped in flight. */
  readonly maxSizeBytes: number;
  /** Attempts without progress; one that got further starts the count anew. */
  readonly maxAttempts: number;
  /** A clip that is whole by its length is saved even if it can't be read as a video. */
  readonly acceptsUnverified?: boolean | undefined;
  /** Wall time, ms since the epoch, beyond which nothing is waited for. */
  readonly deadlineAtMs?: number | undefined;
}

export const DEFAULT_DOWNLOAD_LIMITS = {
  idleTimeoutMs: 30_000,
  minBytesPerSecond: 10 * 1024,
  speedWindowMs: 30_000,
  maxSizeBytes: 4 * 1024 ** 3,
  maxAttempts: 5,
} as const satisfies DownloadLimits;

/** What happens while a link is saved: a part of the events of a task. */
export type DownloadEvent =
  | {
      readonly kind: 'download-started';
      readonly taskId: string;
      readonly totalBytes?: number | undefined;
      readonly resumedFromBytes: number;
    }
  | {
      readonly kind: 'bytes';
      readonly taskId: string;
      readonly receivedBytes: number;
      readonly totalBytes?: number | undefined;
    }
  | {
      readonly kind: 'download-retry';
      readonly taskId: string;
      readonly reason: string;
      readonly delayMs: number;
    }
  | { readonly kind: 'download-restarted'; readonly taskId: string; readonly reason: string };

/** A fresh link of the same result. */
export interface FreshLink {
  readonly link: string;
  readonly linkExpiresAtMs?: number | undefined;
}

/** One result to fetch, wherever it goes. */
export interface LinkJob {
  readonly taskId: string;
  readonly link: string;
  readonly linkExpiresAtMs?: number | undefined;
  readonly expectation?: MediaExpectation | undefined;
  /** Asks the service once more; `gone` when it says that the result exists no longer. Its errors end the download. */
  readonly refreshLink: () => Promise<FreshLink | 'gone'>;
  readonly limits: DownloadLimits;
  readonly signal: AbortSignal;
}

export interface SavedFile {
  /** Absolute path; absent when the video went to stdout. */
  readonly path?: string | undefined;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly media?: MediaFacts | undefined;
  readonly warnings: readonly string[];
  /** True when an existing file was kept (`--skip-existing`) and nothing was fetched. */
  readonly isSkipped?: boolean | undefined;
}

/**
 * One answer of the link host. Header names in lower case. The body must be read or closed; it carries the bytes of the
 * wire, never decoded (requests ask for `accept-encoding: identity`), and breaks with a `LinkFailure` when it is cut or
 * has more or fewer bytes than `content-length` says.
 */
export interface LinkResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** A chunk is valid until the next is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
  close(): void;
}

/** Why a link could not be opened or read to its end. Its message is free of the link's query. */
export class LinkFailure extends Error {
  override readonly name = 'LinkFailure';
  /**
   * `address`: refused by our own rules; `redirect`: loop, downgrade, too many; `network`: may pass by itself; `surplus`:
   * more bytes came than were announced.
   */
  readonly reason: 'address' | 'redirect' | 'certificate' | 'network' | 'protocol' | 'surplus';
  readonly isTransient: boolean;

  constructor(reason: LinkFailure['reason'], message: string, isTransient: boolean) {
    super(message);
    this.reason = reason;
    this.isTransient = isTransient;
  }
}

/** Fetches result links: no credentials ever, own redirects rules, checked addresses. */
export interface LinkClient {
  /** One GET, redirects followed by the rules of R-E7. @throws LinkFailure */
  open(
    url: string,
    options: {
      readonly range?: string | undefined;
      readonly ifRange?: string | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<LinkResponse>;
}

export type PatternPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'field'; readonly field: OutputField };

/** Why an output can't be meant as it is written; undefined where it can. */
export function outputProblem(output: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(output))
    return 'holds a control character, such as a line break';
  if (output.startsWith('~')) return 'starts with "~", which only a shell replaces; write the folder out';
  if (/^\$\{?[a-z_]/i.test(output))
    return 'starts with a variable, which only a shell replaces; write the folder out';
  if (sep !== '\\' && /^[a-z]:(?:[\\/]|$)/i.test(output))
    return 'starts with a drive letter, which only Windows has; write a path of this machine';
  return undefined;
}

/** Says whether a name is one of the fields that a pattern may use. */
function isOutputField(name: string): name is OutputField {
  return OUTPUT_FIELDS.some((field) => field === name);
}

/**
 * Splits `{date}-{slug}.mp4` into text and fields. `{{` and `}}` stand for the braces themselves.
 * @throws EvolinkError `usage` for an unknown field (with the nearest spelling) and for a brace without its partner
 */
export function parsePattern(pattern: string): readonly PatternPart[] {
  const doubled = /(?<!\{)\{\{\s*(\w+)\s*\}\}(?!\})/.exec(pattern)?.[1];
  if (doubled !== undefined && isOutputField(doubled)) {
    throw new EvolinkError(
      'usage',
      `the output pattern "${pattern}" has {{${doubled}}}: output fields take single braces`,
      { hint: `write {${doubled}}` },
    );
  }
  const tokens = pattern.match(/\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+/g) ?? [];
  return joinTexts(tokens.map((token) => toPart(token, pattern)));
}

/** The pattern that stands for exactly this text. */
export function escapePattern(text: string): string {
  return text.replace(/[{}]/g, '$&$&');
}

/** The text of a pattern that names no field; `undefined` if it names one. */
export function literalText(pattern: string): string | undefined {
  const parts = parsePattern(pattern);
  if (parts.some(({ kind }) => kind === 'field')) return undefined;
  return parts.map((part) => (part.kind === 'text' ? part.text : '')).join('');
}

function toPart(token: string, pattern: string): PatternPart {
  if (token === '{{' || token === '}}') return { kind: 'text', text: token[0] ?? '' };
  if (token === '{' || token === '}') {
    throw new EvolinkError('usage', `the output pattern "${pattern}" has a "${token}" without its partner`, {
      hint: `write "${token}${token}" for the character itself`,
    });
  }
  if (!token.startsWith('{')) return { kind: 'text', text: token };
  const name = token.slice(1, -1).trim();
  if (isOutputField(name)) return { kind: 'field', field: name };
  throw new EvolinkError('usage', `the output pattern "${pattern}" has an unknown field {${name}}`, {
    hint: name === '' ? 'fields have a name: {slug}' : `did you mean {${closest(name, [...OUTPUT_FIELDS])}}?`,
    details: [`fields: ${OUTPUT_FIELDS.map((field) => `{${field}}`).join(' ')}`],
  });
}

function joinTexts(parts: readonly PatternPart[]): readonly PatternPart[] {
  const joined: PatternPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (part.kind === 'text' && last?.kind === 'text')
      joined[joined.length - 1] = { kind: 'text', text: last.text + part.text };
    else joined.push(part);
  }
  return joined;
}
