import {
  ASPECT_RATIOS,
  type MediaKind,
  MODELS,
  OPERATIONS,
  type Operation,
  QUALITIES,
  TIERS,
  type Tier,
} from './models.ts';

/** One field of a request: the same word in flags, job files, settings and the body that is sent. */
export interface FieldRow {
  readonly key: string;
  /** `api`: a key of the API's JSON body; `job`: of job files only; `both`. */
  readonly of: 'api' | 'job' | 'both';
  readonly type: 'string' | 'integer' | 'boolean' | 'string[]' | 'object';
  readonly description: string;
  /** Where it is not named after the key. */
  readonly flag?: string;
  readonly values?: readonly string[];
  /** What some model takes: how many entries of a list, or how much. What the model at hand takes is checked by its row. */
  readonly min?: number;
  readonly max?: number;
  /** A number outside the range that has a meaning of its own. */
  readonly special?: number;
  readonly default?: string | number | boolean;
  /** A model that has the field needs it. */
  readonly isRequired?: boolean;
}

export const PROMPT_LIMITS = {
  /** Hard. */
  maxTokens: 10_000,
  /** Recommended, for Chinese, Japanese and Korean. */
  recommendedCjkCharacters: 500,
  /** Recommended, for English and other languages that part words by spaces. */
  recommendedWords: 1000,
} as const;

/** Sent where nobody named a field, so that a changed default of the service changes nothing. */
export const REQUEST_DEFAULTS = {
  tier: 'standard',
  duration: 5,
  quality: '720p',
  aspect_ratio: '16:9',
  generate_audio: true,
  content_filter: true,
} as const;

const PROMPT = `what the video shows; at most ${PROMPT_LIMITS.recommendedCjkCharacters} Chinese, Japanese or Korean characters or ${PROMPT_LIMITS.recommendedWords} words are recommended`;
const SECONDS = {
  min: Math.min(...MODELS.map(({ limits }) => limits.duration.min)),
  max: Math.max(...MODELS.map(({ limits }) => limits.duration.max)),
  special: -1,
};
const most = (kind: MediaKind) => Math.max(...MODELS.map(({ media }) => media[kind].max));

// biome-ignore format: one row a field
/** Every field of a request, in the order of the API's documents, which is that of the body. */
export const FIELDS = [
  { key: 'type', of: 'job', type: 'string', values: OPERATIONS, description: 'operation; may be left out where model or the media say it' },
  { key: 'model', of: 'both', type: 'string', description: 'model id; instead of tier' },
  { key: 'tier', of: 'job', type: 'string', values: TIERS, default: REQUEST_DEFAULTS.tier, description: 'model tier; instead of model' },
  { key: 'prompt', of: 'both', type: 'string', description: PROMPT },
  { key: 'image_urls', of: 'both', type: 'string[]', flag: '--image', max: most('image'), description: 'i2v: first and last frame; ref: reference images, "image 1" first; above 9 in the 2.5 preview only' },
  { key: 'images', of: 'job', type: 'string[]', flag: '--image', max: most('image'), description: 'as image_urls; files or URLs' },
  { key: 'video_urls', of: 'both', type: 'string[]', flag: '--video', max: most('video'), description: 'ref: reference videos, "video 1" first; above 3 in the 2.5 preview only' },
  { key: 'videos', of: 'job', type: 'string[]', flag: '--video', max: most('video'), description: 'as video_urls; files or URLs' },
  { key: 'audio_urls', of: 'both', type: 'string[]', flag: '--audio', max: most('audio'), description: 'ref: reference audio, never without an image or a video; the 2.5 preview takes more than 3, and audio alone' },
  { key: 'audios', of: 'job', type: 'string[]', flag: '--audio', max: most('audio'), description: 'as audio_urls; files or URLs' },
  { key: 'first', of: 'job', type: 'string', description: 'i2v: first frame; instead of images' },
  { key: 'last', of: 'job', type: 'string', description: 'i2v: last frame; only together with first' },
  { key: 'duration', of: 'both', type: 'integer', ...SECONDS, default: REQUEST_DEFAULTS.duration, description: 'seconds of video; billed; above 15, or -1 (the model chooses), in the 2.5 preview only' },
  { key: 'quality', of: 'both', type: 'string', values: QUALITIES, default: REQUEST_DEFAULTS.quality, description: 'resolution; 1080p and 4k only in tier standard' },
  { key: 'aspect_ratio', of: 'both', type: 'string', values: ASPECT_RATIOS, default: REQUEST_DEFAULTS.aspect_ratio, description: 'shape of the picture' },
  { key: 'generate_audio', of: 'both', type: 'boolean', flag: '--mute', default: REQUEST_DEFAULTS.generate_audio, description: 'sound along with the picture; free' },
  { key: 'content_filter', of: 'both', type: 'boolean', default: REQUEST_DEFAULTS.content_filter, description: 'standard content check; false costs 1.1 times the price' },
  { key: 'web_search', of: 'job', type: 'boolean', description: 'lets the model search the web (t2v in tiers standard and fast); each search is billed' },
  { key: 'model_params', of: 'both', type: 'object', flag: '--web-search', description: 'holds web_search in the API form' },
  { key: 'callback_url', of: 'both', type: 'string', description: 'public https URL that the service calls when the task ends' },
  { key: 'draft', of: 'both', type: 'boolean', description: '2.5 preview: make a draft, which seedance-2.5-draft-to-video finishes' },
  { key: 'output_format', of: 'both', type: 'string', values: ['mp4'], description: '2.5 preview: container of the clip; this program saves MP4 only' },
  { key: 'source_task_id', of: 'both', type: 'string', isRequired: true, description: '2.5 preview: task id of the draft that seedance-2.5-draft-to-video finishes' },
  { key: 'extra', of: 'job', type: 'object', description: 'fields that this version does not know, sent as they are' },
] as const satisfies readonly FieldRow[];

type Field = (typeof FIELDS)[number];

/** Says whether a key belongs to the request. */
export function isRequestKey(key: string): boolean {
  return FIELDS.some((row) => row.key === key);
}

export const MAX_CALLBACK_URL_CHARACTERS = 2048;
export const MAX_BODY_BYTES = 64 * 1024 * 1024;

type ValueOf<F extends FieldRow> = {
  string: string;
  integer: number;
  boolean: boolean;
  'string[]': readonly string[];
  object: { readonly web_search: boolean };
}[F['type']];

/** The JSON body of `POST /v1/videos/generations`, keys in the order of the API's documents. */
export type WireBody = {
  readonly model: string;
  readonly prompt: string;
  readonly [extra: string]: unknown;
} & {
  readonly [F in Exclude<Field, { readonly of: 'job' }> as Exclude<
    F['key'],
    'model' | 'prompt'
  >]?: ValueOf<F>;
};

/**
 * A request that passed every check. Media are http(s) URLs, or absolute paths of files. Settings are absent where the table
 * does not hold the model and nobody named them: a newer model may refuse what would be filled in.
 */
export interface GenerationRequest {
  readonly operation: Operation;
  /** Absent for a model id that the table does not hold. */
  readonly tier?: Tier | undefined;
  readonly body: WireBody;
}
