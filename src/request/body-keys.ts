import { DURATION_SECONDS, MEDIA_COUNTS, PROMPT_LIMITS } from './limits.ts';
import { ASPECT_RATIOS, OPERATIONS, QUALITIES, REQUEST_DEFAULTS, TIERS } from './models.ts';

export interface BodyKey {
  readonly key: string;
  /** `api`: a key of the API's JSON body; `job`: of job files only; `both`. */
  readonly of: 'api' | 'job' | 'both';
  readonly type: 'string' | 'integer' | 'boolean' | 'string[]' | 'object';
  readonly description: string;
  readonly values?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  readonly default?: string | number | boolean;
}

const { image, video, audio } = MEDIA_COUNTS.ref;

/** Every key of a request body and of a job's request, in the order in which documents list them. */
export const BODY_KEYS = [
  {
    key: 'type',
    of: 'job',
    type: 'string',
    values: OPERATIONS,
    description: 'operation; may be left out where model says it',
  },
  { key: 'model', of: 'both', type: 'string', description: 'model id; instead of tier' },
  {
    key: 'tier',
    of: 'job',
    type: 'string',
    values: TIERS,
    default: REQUEST_DEFAULTS.tier,
    description: 'model tier; instead of model',
  },
  {
    key: 'prompt',
    of: 'both',
    type: 'string',
    description: `what the video shows; at most ${PROMPT_LIMITS.recommendedCjkCharacters} Chinese, Japanese or Korean characters or ${PROMPT_LIMITS.recommendedWords} words are recommended`,
  },
  {
    key: 'image_urls',
    of: 'both',
    type: 'string[]',
    max: image.max,
    description: 'i2v: first and last frame; ref: reference images, "image 1" first',
  },
  {
    key: 'video_urls',
    of: 'both',
    type: 'string[]',
    max: video.max,
    description: 'ref: reference videos, "video 1" first',
  },
  {
    key: 'audio_urls',
    of: 'both',
    type: 'string[]',
    max: audio.max,
    description: 'ref: reference audio, never without an image or a video',
  },
  { key: 'images', of: 'job', type: 'string[]', max: image.max, description: 'as image_urls; files or URLs' },
  { key: 'videos', of: 'job', type: 'string[]', max: video.max, description: 'as video_urls; files or URLs' },
  { key: 'audios', of: 'job', type: 'string[]', max: audio.max, description: 'as audio_urls; files or URLs' },
  { key: 'first', of: 'job', type: 'string', description: 'i2v: first frame; instead of images' },
  { key: 'last', of: 'job', type: 'string', description: 'i2v: last frame; only together with first' },
  {
    key: 'duration',
    of: 'both',
    type: 'integer',
    ...DURATION_SECONDS,
    default: REQUEST_DEFAULTS.durationSeconds,
    description: 'seconds of video; billed',
  },
  {
    key: 'quality',
    of: 'both',
    type: 'string',
    values: QUALITIES,
    default: REQUEST_DEFAULTS.quality,
    description: 'resolution; 1080p and 4k only in tier standard',
  },
  {
    key: 'aspect_ratio',
    of: 'both',
    type: 'string',
    values: ASPECT_RATIOS,
    default: REQUEST_DEFAULTS.aspectRatio,
    description: 'shape of the picture',
  },
  {
    key: 'generate_audio',
    of: 'both',
    type: 'boolean',
    default: REQUEST_DEFAULTS.generateAudio,
    description: 'sound along with the picture; free',
  },
  {
    key: 'content_filter',
    of: 'both',
    type: 'boolean',
    default: REQUEST_DEFAULTS.contentFilter,
    description: 'standard content check; false costs 1.1 times the price',
  },
  {
    key: 'web_search',
    of: 'job',
    type: 'boolean',
    description: 't2v in tiers standard and fast: lets the model search the web; each search is billed',
  },
  { key: 'model_params', of: 'both', type: 'object', description: 'holds web_search in the API form' },
  {
    key: 'callback_url',
    of: 'both',
    type: 'string',
    description: 'public https URL that the service calls when the task ends',
  },
] as const satisfies readonly BodyKey[];

/** The keys inside `model_params`. */
export const MODEL_PARAMS_KEYS = ['web_search'] as const;
