import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { ApiProblem, addressKind } from './http.ts';
import imageSchema from './schemas/image-to-video.json' with { type: 'json' };
import referenceSchema from './schemas/reference-to-video.json' with { type: 'json' };
import textSchema from './schemas/text-to-video.json' with { type: 'json' };
import type { ModelRow, SandboxOperation } from './service.ts';
import type { Upload } from './uploads.ts';

/** The body after validation, with the documents' defaults filled in. */
export interface GenerationBody {
  readonly model: string;
  readonly prompt: string;
  readonly image_urls?: readonly string[];
  readonly video_urls?: readonly string[];
  readonly audio_urls?: readonly string[];
  readonly duration: number;
  readonly quality: string;
  readonly aspect_ratio: string;
  readonly generate_audio: boolean;
  readonly content_filter: boolean;
  readonly model_params?: { readonly web_search?: boolean };
  readonly callback_url?: string;
}

const SCHEMAS = {
  'text-to-video': textSchema,
  'image-to-video': imageSchema,
  'reference-to-video': referenceSchema,
};
const MAX_PROMPT_TOKENS = 10_000;

export interface GenerationValidator {
  /**
   * Checks a body by the schema of its model's operation and by what the documents say beyond the schema.
   * Addresses are not looked at.
   * @throws ApiProblem 400 with the field, 403 for a model that this server does not offer.
   */
  check(body: Record<string, unknown>): { readonly row: ModelRow; readonly body: GenerationBody };
}

/** Compiles the documents' request schemas; each is used for every tier of its operation. */
export function createGenerationValidator(rows: readonly ModelRow[]): GenerationValidator {
  const ajv = new Ajv({
    useDefaults: true,
    strict: true,
    formats: { uri: (text: string) => URL.canParse(text) },
  });
  const compiled = new Map<SandboxOperation, ValidateFunction<GenerationBody>>();

  const validatorOf = (operation: SandboxOperation): ValidateFunction<GenerationBody> => {
    const known = compiled.get(operation);
    if (known !== undefined) return known;
    const schema = SCHEMAS[operation];
    // The documents list one model each; which others exist is a matter of the model rows.
    const anyModel = { ...schema, properties: { ...schema.properties, model: { type: 'string' } } };
    const made = ajv.compile<GenerationBody>(anyModel);
    compiled.set(operation, made);
    return made;
  };

  return {
    check: (given) => {
      const row = findRow(rows, given.model);
      const validate = validatorOf(row.operation);
      const body: unknown = structuredClone(given);
      if (!validate(body)) throw toProblem(validate.errors?.[0]);
      checkBeyondSchema(row, body);
      return { row, body };
    },
  };
}

function findRow(rows: readonly ModelRow[], model: unknown): ModelRow {
  if (typeof model !== 'string' || model === '')
    throw invalid('model', 'model is required and must be a string');
  const row = rows.find((each) => each.id === model);
  if (row === undefined)
    throw new ApiProblem(403, 'model_access_denied', `Token does not have access to model: ${model}`);
  return row;
}

function checkBeyondSchema(row: ModelRow, body: GenerationBody): void {
  if (body.prompt.trim() === '') throw invalid('prompt', 'prompt must not be empty');
  if (countTokens(body.prompt) > MAX_PROMPT_TOKENS)
    throw invalid('prompt', `prompt is longer than ${MAX_PROMPT_TOKENS} tokens`);
  if (!row.qualities.includes(body.quality)) {
    throw invalid('quality', `quality must be one of ${row.qualities.join(', ')} for ${row.id}`);
  }
  const hasVisual = (body.image_urls?.length ?? 0) + (body.video_urls?.length ?? 0) > 0;
  if ((body.audio_urls?.length ?? 0) > 0 && !hasVisual) {
    throw invalid('audio_urls', 'audio_urls needs at least one image or video with it');
  }
  if (body.model_params !== undefined && !row.hasWebSearch) {
    throw invalid('model_params', `model_params is not supported by ${row.id}`);
  }
  if (body.model_params?.web_search === true && !body.content_filter) {
    throw invalid('model_params.web_search', 'web_search cannot be used with content_filter: false');
  }
}

/** A rough count: one token a wide character, one for four others. The service's own tokenizer is not public. */
function countTokens(text: string): number {
  let tokens = 0;
  for (const character of text) tokens += /[\u1100-\uffff]/u.test(character) ? 1 : 0.25;
  return tokens;
}

function toProblem(error: ErrorObject | undefined): ApiProblem {
  const path = (error?.instancePath ?? '').slice(1).replaceAll('/', '.');
  const named = error?.params.missingProperty ?? error?.params.additionalProperty;
  const param = [path, named].filter((part) => typeof part === 'string' && part !== '').join('.');
  if (error?.keyword === 'additionalProperties')
    return invalid(param, `${param} is not a parameter of this model`);
  if (error?.keyword === 'required') return invalid(param, `${param} is required`);
  const allowed = Array.isArray(error?.params.allowedValues)
    ? `: ${error.params.allowedValues.join(', ')}`
    : '';
  return invalid(param, `${param} ${error?.message ?? 'is invalid'}${allowed}`);
}

function invalid(param: string, message: string): ApiProblem {
  return new ApiProblem(400, 'invalid_parameter', message, param);
}

interface Range {
  readonly min: number;
  readonly max: number;
}

/** What the documents say of the media of one field. */
interface MediaRule {
  readonly field: 'image_urls' | 'video_urls' | 'audio_urls';
  readonly mimeTypes: readonly string[];
  readonly maxBytes: number;
  readonly sidePx?: Range;
  readonly ratio?: Range;
  readonly areaPx?: Range;
  readonly framesPerSecond?: Range;
  readonly seconds?: Range;
}

const MIB = 1024 * 1024;
const SIDES = { sidePx: { min: 300, max: 6000 }, ratio: { min: 0.4, max: 2.5 } };

const MEDIA_RULES: readonly MediaRule[] = [
  { field: 'image_urls', mimeTypes: ['image/jpeg', 'image/png', 'image/webp'], maxBytes: 30 * MIB, ...SIDES },
  {
    field: 'video_urls',
    mimeTypes: ['video/mp4', 'video/quicktime'],
    maxBytes: 50 * MIB,
    ...SIDES,
    areaPx: { min: 409_600, max: 2_086_876 },
    // Nominal rates: 23.976 is sold as 24.
    framesPerSecond: { min: 23.9, max: 60.3 },
    seconds: { min: 1.9, max: 15.1 },
  },
  {
    field: 'audio_urls',
    mimeTypes: ['audio/wav', 'audio/mpeg'],
    maxBytes: 15 * MIB,
    // A coded sound is padded to whole frames.
    seconds: { min: 1.9, max: 15.1 },
  },
];

/** An upload, or a clip that this server made. */
type OwnFile = Pick<Upload, 'mimeType' | 'sizeBytes' | 'facts'>;

/**
 * Judges a file that this server holds by what is in it, whatever its name and declared type.
 * @throws ApiProblem 400 with the field
 */
function checkOwnFile({ mimeType, sizeBytes, facts }: OwnFile, rule: MediaRule, param: string): void {
  const refuse = (message: string) => new ApiProblem(400, 'invalid_parameter', message, param);
  if (!rule.mimeTypes.includes(facts.mimeType ?? ''))
    throw refuse(`${facts.mimeType ?? mimeType} is not a supported format here`);
  if (facts.isBroken === true) throw refuse('the file could not be decoded');
  if (sizeBytes > rule.maxBytes) throw refuse(`the file is larger than ${rule.maxBytes / MIB} MB`);
  const { widthPx, heightPx, seconds, framesPerSecond } = facts;
  const check = (value: number | undefined, range: Range | undefined, what: string): void => {
    if (value === undefined || range === undefined || (value >= range.min && value <= range.max)) return;
    throw refuse(`${what} is ${Number(value.toFixed(3))}; ${range.min} to ${range.max} are allowed`);
  };
  check(widthPx, rule.sidePx, 'the width in pixels');
  check(heightPx, rule.sidePx, 'the height in pixels');
  if (widthPx !== undefined && heightPx !== undefined) {
    check(widthPx / heightPx, rule.ratio, 'the aspect ratio');
    check(widthPx * heightPx, rule.areaPx, 'the number of pixels');
  }
  check(framesPerSecond, rule.framesPerSecond, 'the frame rate');
  check(seconds, rule.seconds, 'the length in seconds');
}

const MAX_CALLBACK_LENGTH = 2048;
/** Seconds of a reference video that this server cannot look into. */
const ASSUMED_SECONDS = 5;
/** With what padding adds to coded sounds. */
const MAX_TOTAL_SECONDS = 15.1;

/** How this server finds its own files again. */
export interface OwnFiles {
  /** `undefined` = not an address of this server; `'gone'` = its own, but nothing is there (any more). */
  find(url: URL): OwnFile | 'gone' | undefined;
}

/**
 * Checks that every media URL can be reached by the service and that uploads fit the documented limits.
 * Nothing is fetched: public hosts are taken to answer, this server's own files are looked up.
 * @returns the seconds of each reference video, 5 where unknown.
 * @throws ApiProblem 400 with the field
 */
export function checkMediaUrls(body: GenerationBody, files: OwnFiles): readonly number[] {
  const secondsOf = new Map<string, readonly number[]>();
  for (const rule of MEDIA_RULES) {
    const urls = body[rule.field] ?? [];
    const seconds = urls.map((url, index) =>
      checkMediaUrl(url, { rule, files, param: `${rule.field}.${index}` }),
    );
    if (rule.field !== 'image_urls') checkTotal(rule.field, seconds);
    secondsOf.set(
      rule.field,
      seconds.map((each) => each ?? ASSUMED_SECONDS),
    );
  }
  return secondsOf.get('video_urls') ?? [];
}

interface MediaPlace {
  readonly rule: MediaRule;
  readonly files: OwnFiles;
  readonly param: string;
}

function checkMediaUrl(text: string, { rule, files, param }: MediaPlace): number | undefined {
  const url = new URL(text);
  const own = files.find(url);
  if (own === 'gone') throw invalidOfCheckAddresses(param, `${text} could not be downloaded (404)`);
  if (own !== undefined) {
    checkOwnFile(own, rule, param);
    return own.facts.seconds;
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw invalidOfCheckAddresses(param, `${url.protocol} URLs are not supported; Base64 is not either`);
  }
  if (addressKind(url) !== 'public')
    throw invalidOfCheckAddresses(param, `${text} cannot be reached by the service`);
  return undefined;
}

function checkTotal(field: string, seconds: readonly (number | undefined)[]): void {
  const known = seconds.reduce<number>((sum, each) => sum + (each ?? 0), 0);
  if (known > MAX_TOTAL_SECONDS)
    throw invalidOfCheckAddresses(field, `all clips together have ${known.toFixed(1)} s; at most 15 s`);
}

/**
 * Checks a callback address: HTTPS and public. Loopback is allowed here, over HTTP as well, as it is the only
 * place that this server ever calls.
 * @throws ApiProblem 400
 */
export function checkCallbackUrl(text: string): void {
  if (text.length > MAX_CALLBACK_LENGTH)
    throw invalidOfCheckAddresses(
      'callback_url',
      `callback_url is longer than ${MAX_CALLBACK_LENGTH} characters`,
    );
  const url = new URL(text);
  const kind = addressKind(url);
  if (kind === 'loopback' && /^https?:$/.test(url.protocol)) return;
  if (url.protocol !== 'https:') throw invalidOfCheckAddresses('callback_url', 'callback_url must use HTTPS');
  if (kind !== 'public')
    throw invalidOfCheckAddresses('callback_url', 'callback_url must not be an internal address');
}

function invalidOfCheckAddresses(param: string, message: string): ApiProblem {
  return new ApiProblem(400, 'invalid_parameter', message, param);
}
