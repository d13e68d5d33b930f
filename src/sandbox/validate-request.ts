import type { MediaFacts } from '../media/facts.ts';
import { parseUrl } from '../platform/text.ts';
import { ApiProblem, addressKind, invalid, isRecord } from './http.ts';
import { findModel, MEDIA_RULES, type MediaRule, MIB, type Model, RATIOS } from './service-tables.ts';

/** The body after validation, with the documents' defaults filled in. */
export interface GenerationBody
  extends Readonly<Partial<Record<MediaRule['field'], readonly string[]>>>,
    Readonly<Record<'prompt' | 'quality' | 'aspect_ratio', string>>,
    Readonly<Record<'generate_audio' | 'content_filter', boolean>> {
  readonly duration: number;
  readonly model_params?: { readonly web_search?: boolean };
  readonly callback_url?: string;
}

/** 10,000 tokens of four characters, roughly: the service's own tokenizer is not public. */
const MAX_PROMPT_CHARACTERS = 40_000;
/** The seconds of a clip whose length is left to the model, and of a reference video that this server cannot look into. */
const ASSUMED_SECONDS = 5;

/** What is wrong with the value of a field, after its name; undefined for a good one. */
type Check = (value: unknown, model: Model) => string | undefined;

const text: Check = (value) => (typeof value === 'string' ? undefined : 'must be a string');
const yesOrNo: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');
const oneOf = (value: unknown, allowed: readonly unknown[]) =>
  allowed.includes(value) ? undefined : `must be one of ${allowed.join(', ')}`;
const list =
  (index: number): Check =>
  (value, { media }) => {
    const [min, max] = media[index] ?? [0, 0];
    const isFit = Array.isArray(value) && value.length >= min && value.length <= max;
    return isFit ? undefined : `must be a list of ${min} to ${max} URLs`;
  };
/** In the order in which they are checked; others are no fields of a request. */
const FIELDS: Readonly<Record<string, Check>> = {
  model: text,
  prompt: (value) => {
    if (typeof value !== 'string' || value.trim() === '') return 'must not be empty';
    return value.length > MAX_PROMPT_CHARACTERS ? 'is longer than 10000 tokens' : undefined;
  },
  image_urls: list(0),
  video_urls: list(1),
  audio_urls: list(2),
  duration: (value, { isNewer, isOpenEnded }) => {
    if (isNewer && value === -1) return undefined;
    const max = isNewer ? 30 : 15;
    const isFit = !isOpenEnded && Number.isInteger(value) && Number(value) >= 4 && Number(value) <= max;
    return isFit ? undefined : `must be ${isOpenEnded ? '-1' : `an integer from 4 to ${max}`}`;
  },
  quality: (value, { tier }) => oneOf(value, Object.keys(tier.prices)),
  aspect_ratio: (value, { isAdaptive }) => oneOf(value, isAdaptive ? ['adaptive'] : RATIOS),
  generate_audio: yesOrNo,
  content_filter: yesOrNo,
  callback_url: (value) => (typeof value === 'string' && parseUrl(value) ? undefined : 'must be a URL'),
  model_params: (value) => (isRecord(value) ? undefined : 'must be an object'),
  draft: yesOrNo,
  output_format: (value) => oneOf(value, ['mp4', 'mov']),
  source_task_id: text,
};
const EXTRAS = ['model_params', 'draft', 'output_format', 'source_task_id'];
const REQUIRED = ['prompt', 'source_task_id'];

/**
 * Checks a body by the tables of its model. Whether its addresses can be reached is not looked at.
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
  const { extras = [], media, isAdaptive, isOpenEnded, isNewer } = model;
  const countsOf = (key: string) => media[MEDIA_RULES.findIndex(({ field }) => field === key)];
  const takes = (key: string) =>
    Object.hasOwn(FIELDS, key) && (!EXTRAS.includes(key) || extras.includes(key)) && countsOf(key)?.[1] !== 0;
  const unknown = Object.keys(given).find((key) => !takes(key));
  if (unknown !== undefined) throw invalid(unknown, `${unknown} is not a parameter of this model`);
  const body = {
    duration: isOpenEnded ? -1 : ASSUMED_SECONDS,
    quality: '720p',
    aspect_ratio: isAdaptive ? 'adaptive' : '16:9',
    generate_audio: true,
    content_filter: true,
    ...given,
  } as GenerationBody & Record<string, unknown>;
  for (const [key, check] of Object.entries(FIELDS).filter(([each]) => takes(each))) {
    const isRequired = REQUIRED.includes(key) || Number(countsOf(key)?.[0]) > 0;
    if (body[key] === undefined && !isRequired) continue;
    const problem = body[key] === undefined ? 'is required' : check(body[key], model);
    if (problem !== undefined) throw invalid(key, `${key} ${problem}`);
  }
  for (const { field } of MEDIA_RULES)
    for (const [index, url] of (body[field] ?? []).entries())
      if (typeof url !== 'string' || parseUrl(url) === undefined)
        throw invalid(`${field}.${index}`, `${field}.${index} must be a URL`);
  const hasVisual = (body.image_urls?.length ?? 0) + (body.video_urls?.length ?? 0) > 0;
  if ((body.audio_urls?.length ?? 0) > 0 && !hasVisual && !isNewer)
    throw invalid('audio_urls', 'audio_urls needs at least one image or video with it');
  for (const [key, value] of Object.entries(body.model_params ?? {})) {
    const problem = key === 'web_search' ? yesOrNo(value, model) : 'is not a parameter of this model';
    if (problem !== undefined) throw invalid(`model_params.${key}`, `model_params.${key} ${problem}`);
    if (value === true && !body.content_filter)
      throw invalid('model_params.web_search', 'web_search cannot be used with content_filter: false');
  }
  return { model, body: { ...body, duration: body.duration === -1 ? ASSUMED_SECONDS : body.duration } };
}

/** What this server finds in a file that it holds; absent = not known. It believes neither name nor declared type. */
export type FileFacts = Partial<
  Pick<MediaFacts, 'mimeType' | 'widthPx' | 'heightPx' | 'seconds' | 'framesPerSecond'>
> & {
  /** It is of that type and can't be read. */
  readonly isBroken?: boolean | undefined;
};

interface OwnFile {
  readonly file_size: number;
  readonly facts: FileFacts;
}

/** Finds an own file: `undefined` = not an address of this server; `'gone'` = its own, but nothing is there (any more). */
export type FindOwnFile = (url: URL) => OwnFile | 'gone' | undefined;

/**
 * Checks that every media URL can be reached by the service and that uploads fit the documented limits. Nothing is
 * fetched: public hosts count as reachable, this server's own files are looked up.
 * @returns the seconds of each reference video, 5 where unknown
 * @throws ApiProblem 400 with the field
 */
export function checkMedia(body: GenerationBody, find: FindOwnFile): readonly number[] {
  const known = MEDIA_RULES.map((rule) => {
    const lengths = (body[rule.field] ?? []).map((text, index) => {
      const [param, url] = [`${rule.field}.${index}`, new URL(text)];
      const own = find(url);
      if (own === 'gone') throw invalid(param, `${text} could not be downloaded (404)`);
      const problem = own === undefined ? addressProblem(url) : fileProblem(own, rule);
      if (problem !== undefined) throw invalid(param, problem);
      return own?.facts.seconds;
    });
    const total = lengths.reduce<number>((sum, seconds = 0) => sum + seconds, 0);
    if (rule.seconds !== undefined && total > rule.seconds.max)
      throw invalid(rule.field, `all clips together have ${total.toFixed(1)} s; at most 15 s`);
    return lengths;
  });
  return (known[1] ?? []).map((seconds = ASSUMED_SECONDS) => seconds);
}

function addressProblem(url: URL): string | undefined {
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return `${url.protocol} URLs are not supported; Base64 is not either`;
  return addressKind(url) === 'public' ? undefined : `${url.href} cannot be reached by the service`;
}

/** Judges a file by what is in it. */
function fileProblem({ file_size, facts }: OwnFile, rule: MediaRule): string | undefined {
  if (facts.isBroken === true) return 'the file could not be decoded';
  const { mimeType = 'this' } = facts;
  if (!rule.mimeTypes.includes(mimeType)) return `${mimeType} is not a supported format here`;
  if (file_size > rule.maxBytes) return `the file is larger than ${rule.maxBytes / MIB} MB`;
  // What is not known (NaN) is neither above nor below.
  const { widthPx = Number.NaN, heightPx = Number.NaN } = facts;
  const checks = [
    ['the width in pixels', widthPx, rule.sidePx],
    ['the height in pixels', heightPx, rule.sidePx],
    ['the aspect ratio', widthPx / heightPx, rule.ratio],
    ['the number of pixels', widthPx * heightPx, rule.areaPx],
    ['the frame rate', facts.framesPerSecond, rule.framesPerSecond],
    ['the length in seconds', facts.seconds, rule.seconds],
  ] as const;
  const broken = checks.find(
    ([, value = Number.NaN, range]) => range && (value < range.min || value > range.max),
  );
  return (
    broken && `${broken[0]} is ${Number(broken[1]?.toFixed(3))}, not ${broken[2]?.min} to ${broken[2]?.max}`
  );
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
  if (kind === 'loopback' && url.protocol === 'http:') return;
  if (url.protocol !== 'https:') throw invalid('callback_url', 'callback_url must use HTTPS');
  if (kind !== 'public') throw invalid('callback_url', 'callback_url must not be an internal address');
}
