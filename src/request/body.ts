import {
  ASPECT_RATIOS,
  DURATION_SECONDS,
  type FilePlace,
  findModel,
  MEDIA_COUNTS,
  OPERATION_NAMES,
  OPERATIONS,
  type Operation,
  type Origin,
  operationOfModel,
  PROMPT_LIMITS,
  type Problem,
  QUALITIES,
  REQUEST_DEFAULTS,
  type RequestDraft,
  type Sourced,
  TIERS,
} from './models.ts';
import { describeValue, nearest, problemAt } from './problems.ts';
import { operationConflict } from './resolve.ts';

export type KeyPath = readonly (string | number)[];
/** Says where a key stands, for messages: `duration (job.yaml:7:5)`. */
export type Locate = (keyPath: KeyPath) => Origin;
type Body = Readonly<Record<string, unknown>>;

/** A key path as people write it: `model_params.web_search`, `image_urls[0]`. */
export function describeKeyPath(keyPath: KeyPath): string {
  return keyPath.reduce<string>((path, key) => {
    if (typeof key === 'number') return `${path}[${key}]`;
    return path === '' ? key : `${path}.${key}`;
  }, '');
}

/** Its origin is looked up when a message needs it: most values of a large file are fine. */
class BodyValue implements Sourced<unknown> {
  readonly value: unknown;
  readonly #locate: Locate;
  readonly #keyPath: KeyPath;

  constructor(value: unknown, locate: Locate, keyPath: KeyPath) {
    this.value = value;
    this.#locate = locate;
    this.#keyPath = keyPath;
  }

  get source(): string {
    return this.#locate(this.#keyPath).source;
  }

  get place(): FilePlace | undefined {
    return this.#locate(this.#keyPath).place;
  }
}

function createReader(body: Body, locate: Locate) {
  const problems: Problem[] = [];
  return {
    body,
    problems,
    locate,
    /** The value of a key with its place; undefined where the body does not have the key. */
    at: (key: string): Sourced<unknown> | undefined =>
      Object.hasOwn(body, key) && body[key] !== undefined
        ? new BodyValue(body[key], locate, [key])
        : undefined,
    refuse: (at: Sourced<unknown>, message: string, suggestion?: string): void =>
      void problems.push(problemAt(at, message, suggestion)),
  };
}
type BodyReader = ReturnType<typeof createReader>;

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
const list = (key: string, max: number, description: string): BodyKey => ({
  key,
  of: 'both',
  type: 'string[]',
  max,
  description,
});

/** Every key of a request body and of a job's request, in the order in which documents list them. */
export const BODY_KEYS: readonly BodyKey[] = [
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
  list('image_urls', image.max, 'i2v: first and last frame; ref: reference images, "image 1" first'),
  list('video_urls', video.max, 'ref: reference videos, "video 1" first'),
  list('audio_urls', audio.max, 'ref: reference audio, never without an image or a video'),
  { ...list('images', image.max, 'as image_urls; files or URLs'), of: 'job' },
  { ...list('videos', video.max, 'as video_urls; files or URLs'), of: 'job' },
  { ...list('audios', audio.max, 'as audio_urls; files or URLs'), of: 'job' },
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
];

const KNOWN_KEYS = BODY_KEYS.map((row) => row.key);
/** The keys inside `model_params`. */
export const MODEL_PARAMS_KEYS = ['web_search'] as const;

type Sources = readonly Sourced<unknown>[];

function readList({ at, refuse, locate }: BodyReader, key: string): Sources | undefined {
  const list = at(key);
  if (list === undefined) return undefined;
  if (Array.isArray(list.value))
    return list.value.map((value: unknown, index) => new BodyValue(value, locate, [key, index]));
  refuse(list, 'must be a list, also where there is only one');
  return undefined;
}

/** One list under either of its two names; both at once is a problem. */
function readEither(reader: BodyReader, key: string, apiKey: string): Sources | undefined {
  const own = readList(reader, key);
  const api = readList(reader, apiKey);
  const at = reader.at(key);
  if (at !== undefined && reader.at(apiKey) !== undefined)
    reader.refuse(at, `and ${apiKey} are the same list; leave one of the two out`);
  return own ?? api;
}

/** `first` and `last`: the frames of `i2v` by name. */
function readFrames({ at, refuse }: BodyReader, operation: Operation | undefined): Sources | undefined {
  const [first, last] = [at('first'), at('last')];
  const frame = first ?? last;
  if (frame === undefined) return undefined;
  if (operation !== undefined && operation !== 'i2v') refuse(frame, 'is only for i2v; use images');
  else if (first === undefined) refuse(frame, 'needs the first frame too; give first');
  const list = ['images', 'image_urls'].find((key) => at(key) !== undefined);
  if (list !== undefined) refuse(frame, `and ${list} are the same images; leave one of the two out`);
  return [first, last].filter((each) => each !== undefined);
}

interface DraftFromBodyOptions {
  /** The operation of the command, where one is fixed: a body that says another is a problem. */
  readonly operation?: Operation | undefined;
  readonly locate?: Locate | undefined;
}

interface DraftFromBody {
  /** Absent where no operation is known. Present beside problems too, so that one more check can report the rest. */
  readonly draft?: RequestDraft | undefined;
  readonly problems: readonly Problem[];
}

function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkKeys(reader: BodyReader, object: Body, known: readonly string[], under: KeyPath): void {
  for (const [key, value] of Object.entries(object)) {
    if (known.includes(key)) continue;
    const message = `is not a known key; known are ${known.join(', ')}`;
    reader.refuse({ value, ...reader.locate([...under, key]) }, message, nearest(key, known));
  }
}

function readOperation(reader: BodyReader, command: Operation | undefined): Operation | undefined {
  const type = reader.at('type');
  const own = OPERATIONS.find((known) => known === type?.value);
  if (type !== undefined && own === undefined) {
    const byName = OPERATIONS.find((known) => OPERATION_NAMES[known] === type.value);
    const suggestion = byName ?? nearest(String(type.value), OPERATIONS);
    reader.refuse(type, `must be one of ${OPERATIONS.join(', ')}`, suggestion);
  }
  if (command !== undefined && own !== undefined && own !== command && type !== undefined)
    reader.refuse(type, `belongs to \`evolink ${own}\`, not to \`evolink ${command}\``);
  const { model } = reader.body;
  const operation = command ?? own ?? (typeof model === 'string' ? operationOfModel(model) : undefined);
  if (operation === undefined && type === undefined) {
    const message = `missing; give ${OPERATIONS.join(', ')}, or a model that says it`;
    reader.problems.push({ ...reader.locate(['type']), message });
  }
  return operation;
}

/**
 * The model and the tier. A model of another operation is reported here and replaced by its tier: a `--tier` over it
 * would otherwise hide the mistake, and a later check would report it twice.
 */
function readModel({ at, refuse }: BodyReader, operation: Operation): Pick<RequestDraft, 'model' | 'tier'> {
  const [model, tier] = [at('model'), at('tier')];
  const row = findModel(String(model?.value));
  const conflict = row === undefined ? undefined : operationConflict(row.id, operation);
  if (model === undefined || row === undefined || conflict === undefined) return { model, tier };
  refuse(model, conflict);
  return { tier: tier ?? { value: row.tier, source: model.source, place: model.place } };
}

function readWebSearch(reader: BodyReader): Sourced<unknown> | undefined {
  const own = reader.at('web_search');
  const params = reader.at('model_params');
  if (params === undefined) return own;
  if (!isObject(params.value)) {
    reader.refuse(params, 'must be an object, such as {"web_search": true}');
    return own;
  }
  checkKeys(reader, params.value, MODEL_PARAMS_KEYS, ['model_params']);
  if (!Object.hasOwn(params.value, 'web_search')) return own;
  const inner = new BodyValue(params.value.web_search, reader.locate, ['model_params', 'web_search']);
  if (own !== undefined) reader.refuse(own, `is given twice (also as ${inner.source})`);
  return inner;
}

/**
 * Reads a JSON body as the API documents it, or the request of a job, into a draft. Strict about keys (an unknown one is
 * a problem with the nearest spelling), about two keys for one thing and about lists; values are left to
 * `resolveRequest`. Never throws.
 */
export function draftFromBody(value: unknown, options: DraftFromBodyOptions = {}): DraftFromBody {
  const locate = options.locate ?? ((keyPath) => ({ source: describeKeyPath(keyPath) || 'body' }));
  if (!isObject(value)) {
    const message = 'must be an object with keys such as prompt and duration';
    return { problems: [{ ...locate([]), value: describeValue(value), message }] };
  }
  const reader = createReader(value, locate);
  const { at, problems } = reader;
  checkKeys(reader, value, KNOWN_KEYS, []);
  const operation = readOperation(reader, options.operation);
  const frames = readFrames(reader, operation);
  const media = {
    images: readEither(reader, 'images', 'image_urls') ?? frames,
    videos: readEither(reader, 'videos', 'video_urls'),
    audios: readEither(reader, 'audios', 'audio_urls'),
  };
  const webSearch = readWebSearch(reader);
  if (operation === undefined) return { problems };
  const draft = {
    operation,
    ...readModel(reader, operation),
    ...media,
    prompt: at('prompt'),
    duration: at('duration'),
    quality: at('quality'),
    aspectRatio: at('aspect_ratio'),
    generateAudio: at('generate_audio'),
    contentFilter: at('content_filter'),
    webSearch,
    callbackUrl: at('callback_url'),
  };
  return { draft, problems };
}
