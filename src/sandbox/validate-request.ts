import * as z from 'zod/mini';
import { ApiProblem, addressKind, invalid } from './http.ts';
import {
  findModel,
  MEDIA_RULES,
  type MediaRule,
  MIB,
  type Model,
  QUALITIES,
  RATIOS,
} from './service-tables.ts';

const address = z.string().check(z.refine((text) => URL.canParse(text)));
const addresses = (max: number, min = 0) => z.array(address).check(z.minLength(min), z.maxLength(max));

const FIELDS = {
  model: z.string(),
  prompt: z.string(),
  duration: z._default(z.int().check(z.gte(4), z.lte(15)), 5),
  quality: z._default(z.enum(QUALITIES), '720p'),
  aspect_ratio: z._default(z.enum(RATIOS), '16:9'),
  generate_audio: z._default(z.boolean(), true),
  content_filter: z._default(z.boolean(), true),
  callback_url: z.optional(address),
};
const REFERENCES = (images: number, others: number) => ({
  image_urls: z.optional(addresses(images)),
  video_urls: z.optional(addresses(others)),
  audio_urls: z.optional(addresses(others)),
});
const SEARCH = z.optional(z.strictObject({ web_search: z._default(z.boolean(), false) }));

const SCHEMAS = {
  'text-to-video': z.strictObject({ ...FIELDS, model_params: SEARCH }),
  'image-to-video': z.strictObject({ ...FIELDS, image_urls: addresses(2, 1) }),
  'reference-to-video': z.strictObject({ ...FIELDS, ...REFERENCES(9, 3) }),
};
/** Known from second hand only, so that one loose schema serves every operation. */
const NEWER_SCHEMA = z.strictObject({
  ...FIELDS,
  ...REFERENCES(30, 10),
  duration: z._default(z.union([z.literal(-1), z.int().check(z.gte(4), z.lte(30))]), 5),
  draft: z.optional(z.boolean()),
  output_format: z.optional(z.enum(['mp4', 'mov'])),
  source_task_id: z.optional(z.string()),
});

const ANY_SCHEMA = z.strictObject({ ...FIELDS, ...REFERENCES(9, 3), model_params: SEARCH });
/** The body after validation, with the documents' defaults filled in. */
export type GenerationBody = z.infer<typeof ANY_SCHEMA>;

const MAX_PROMPT_TOKENS = 10_000;

/**
 * Checks a body by the schema of its model's operation and by what the documents say beyond it. Addresses are not looked at.
 * @throws ApiProblem 400 with the field, 403 for a model that this server does not offer
 */
export function checkBody(given: Record<string, unknown>): {
  readonly model: Model;
  readonly body: GenerationBody;
} {
  if (typeof given.model !== 'string' || given.model === '')
    throw invalid('model', 'model is required and must be a string');
  const model = findModel(given.model);
  if (model === undefined)
    throw new ApiProblem(403, 'model_access_denied', `Token does not have access to model: ${given.model}`);
  const parsed = schemaOf(model).safeParse(given);
  if (!parsed.success) throw schemaProblem(parsed.error.issues[0], given);
  const body: GenerationBody = parsed.data;
  checkBeyondSchema(model, body);
  return { model, body: { ...body, duration: body.duration === -1 ? 5 : body.duration } };
}

function schemaOf({ isNewer, operation }: Model): z.ZodMiniType<GenerationBody> {
  if (isNewer) return NEWER_SCHEMA;
  if (operation === 'text-to-video') return SCHEMAS['text-to-video'];
  return operation === 'image-to-video' ? SCHEMAS['image-to-video'] : SCHEMAS['reference-to-video'];
}

function schemaProblem(issue: z.core.$ZodIssue | undefined, given: unknown): ApiProblem {
  const unknownKeys = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = [...(issue?.path ?? []), ...unknownKeys];
  const param = path.join('.');
  if (unknownKeys.length > 0) return invalid(param, `${param} is not a parameter of this model`);
  if (issue?.code === 'invalid_value')
    return invalid(param, `${param} must be one of ${issue.values.join(', ')}`);
  const isAbsent = path.reduce<unknown>((value, key) => Object(value)[key], given) === undefined;
  return invalid(param, `${param} is ${isAbsent ? 'required' : 'invalid'}`);
}

function checkBeyondSchema({ id, tier, isNewer }: Model, body: GenerationBody): void {
  if (body.prompt.trim() === '') throw invalid('prompt', 'prompt must not be empty');
  if (countTokens(body.prompt) > MAX_PROMPT_TOKENS)
    throw invalid('prompt', `prompt is longer than ${MAX_PROMPT_TOKENS} tokens`);
  const qualities = Object.keys(tier.prices);
  if (!qualities.includes(body.quality))
    throw invalid('quality', `quality must be one of ${qualities.join(', ')} for ${id}`);
  const hasVisual = (body.image_urls?.length ?? 0) + (body.video_urls?.length ?? 0) > 0;
  if ((body.audio_urls?.length ?? 0) > 0 && !hasVisual && !isNewer)
    throw invalid('audio_urls', 'audio_urls needs at least one image or video with it');
  if (body.model_params !== undefined && !tier.hasWebSearch)
    throw invalid('model_params', `model_params is not supported by ${id}`);
  if (body.model_params?.web_search === true && !body.content_filter)
    throw invalid('model_params.web_search', 'web_search cannot be used with content_filter: false');
}

/** A rough count: one token a wide character, one for four others. The service's own tokenizer is not public. */
function countTokens(text: string): number {
  let tokens = 0;
  for (const character of text) tokens += /[\u1100-\uffff]/u.test(character) ? 1 : 0.25;
  return tokens;
}

/** What this server finds in a file that it holds; absent = not known. It believes neither name nor declared type. */
export interface FileFacts {
  readonly mimeType?: string | undefined;
  readonly widthPx?: number | undefined;
  readonly heightPx?: number | undefined;
  readonly seconds?: number | undefined;
  readonly framesPerSecond?: number | undefined;
  /** It is of that type and can't be read. */
  readonly isBroken?: boolean | undefined;
}

export interface OwnFile {
  readonly mimeType: string;
  readonly sizeBytes: number;
  readonly facts: FileFacts;
}

/** Finds an own file: `undefined` = not an address of this server; `'gone'` = its own, but nothing is there (any more). */
export type FindOwnFile = (url: URL) => OwnFile | 'gone' | undefined;

/** Seconds of a reference video that this server cannot look into. */
const ASSUMED_SECONDS = 5;

/**
 * Checks that every media URL can be reached by the service and that uploads fit the documented limits. Nothing is
 * fetched: public hosts count as reachable, this server's own files are looked up.
 * @returns the seconds of each reference video, 5 where unknown
 * @throws ApiProblem 400 with the field
 */
export function checkMedia(body: GenerationBody, find: FindOwnFile): readonly number[] {
  const known = MEDIA_RULES.map((rule) => {
    const urls = body[rule.field] ?? [];
    const seconds = urls.map((text, index) =>
      checkMediaUrl(text, rule, { find, param: `${rule.field}.${index}` }),
    );
    const total = seconds.reduce<number>((sum, each) => sum + (each ?? 0), 0);
    if (rule.seconds !== undefined && total > rule.seconds.max)
      throw invalid(rule.field, `all clips together have ${total.toFixed(1)} s; at most 15 s`);
    return seconds;
  });
  return (known[1] ?? []).map((seconds) => seconds ?? ASSUMED_SECONDS);
}

function checkMediaUrl(
  text: string,
  rule: MediaRule,
  { find, param }: { readonly find: FindOwnFile; readonly param: string },
): number | undefined {
  const url = new URL(text);
  const own = find(url);
  if (own === 'gone') throw invalid(param, `${text} could not be downloaded (404)`);
  if (own !== undefined) {
    checkOwnFile(own, rule, param);
    return own.facts.seconds;
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw invalid(param, `${url.protocol} URLs are not supported; Base64 is not either`);
  if (addressKind(url) !== 'public') throw invalid(param, `${text} cannot be reached by the service`);
  return undefined;
}

/** Judges a file by what is in it. */
function checkOwnFile({ mimeType, sizeBytes, facts }: OwnFile, rule: MediaRule, param: string): void {
  if (facts.isBroken === true) throw invalid(param, 'the file could not be decoded');
  if (!rule.mimeTypes.includes(facts.mimeType ?? ''))
    throw invalid(param, `${facts.mimeType ?? mimeType} is not a supported format here`);
  if (sizeBytes > rule.maxBytes) throw invalid(param, `the file is larger than ${rule.maxBytes / MIB} MB`);
  const { widthPx = Number.NaN, heightPx = Number.NaN } = facts;
  const checks = [
    ['the width in pixels', widthPx, rule.sidePx],
    ['the height in pixels', heightPx, rule.sidePx],
    ['the aspect ratio', widthPx / heightPx, rule.ratio],
    ['the number of pixels', widthPx * heightPx, rule.areaPx],
    ['the frame rate', facts.framesPerSecond ?? Number.NaN, rule.framesPerSecond],
    ['the length in seconds', facts.seconds ?? Number.NaN, rule.seconds],
  ] as const;
  for (const [what, value, range] of checks) {
    // What is not known (NaN) is neither above nor below.
    if (range !== undefined && (value < range.min || value > range.max))
      throw invalid(param, `${what} is ${Number(value.toFixed(3))}, not ${range.min} to ${range.max}`);
  }
}

const MAX_CALLBACK_LENGTH = 2048;

/**
 * Checks a callback address: HTTPS and public. Loopback is allowed here, over HTTP as well, as it is the only place that
 * this server ever calls.
 * @throws ApiProblem 400
 */
export function checkCallbackUrl(text: string): void {
  if (text.length > MAX_CALLBACK_LENGTH)
    throw invalid('callback_url', `callback_url is longer than ${MAX_CALLBACK_LENGTH} characters`);
  const url = new URL(text);
  const kind = addressKind(url);
  if (kind === 'loopback' && /^https?:$/.test(url.protocol)) return;
  if (url.protocol !== 'https:') throw invalid('callback_url', 'callback_url must use HTTPS');
  if (kind !== 'public') throw invalid('callback_url', 'callback_url must not be an internal address');
}
