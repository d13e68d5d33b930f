import {
  FIELDS,
  type FieldRow,
  type GenerationRequest,
  MAX_BODY_BYTES,
  MAX_CALLBACK_URL_CHARACTERS,
  NAMED_FIELDS,
  type NamedField,
  REQUEST_DEFAULTS,
  type RequestDraft,
} from './fields.ts';
import { toWireBody } from './fingerprint.ts';
import {
  DURATION_SECONDS,
  findModel,
  MEDIA_COUNTS,
  MEDIA_KINDS,
  type MediaKind,
  MODELS,
  type ModelRow,
  modelFor,
  OPERATION_NAMES,
  operationOfModel,
  type Problem,
  type Range,
  RELEASED,
  type Sourced,
  TIERS,
} from './models.ts';
import { type Findings, nearest, problemAt } from './problems.ts';
import { checkPrompt } from './prompt-checks.ts';
import { publicUrlProblem, toAsciiUrl } from './public-url.ts';

/** Fields that the table does not have, as they are sent; one that it has is refused, naming its flag. */
function resolveExtra({ extra }: RequestDraft, { problems }: Findings): GenerationRequest['extra'] {
  if (extra === undefined) return undefined;
  for (const [key, at] of Object.entries(extra)) {
    const field: FieldRow | undefined = FIELDS.find((row) => row.key === key);
    const flag = field?.flag ?? `--${key.replaceAll('_', '-')}`;
    if (field !== undefined)
      problems.push(problemAt(at, `has its own flag: use ${flag}, or the key ${key} in a job file`));
  }
  return Object.fromEntries(Object.entries(extra).map(([key, { value }]) => [key, value]));
}

/** `row` is absent for a well-formed id that the table does not hold, whose limits the API decides, and for a wrong choice. */
export type ModelChoice = ReturnType<typeof resolveModel>;

function isText(at: Sourced<unknown>): at is Sourced<string> {
  return typeof at.value === 'string';
}

/** Chooses the model from what was asked for: an id, or a tier, or nothing (tier standard). */
export function resolveModel(
  { model: at, tier: tierAt, operation }: RequestDraft,
  { problems, warnings }: Findings,
): { readonly id?: string | undefined; readonly row?: ModelRow | undefined; readonly isUnknown: boolean } {
  const value = tierAt === undefined ? REQUEST_DEFAULTS.tier : tierAt.value;
  const tier = TIERS.find((known) => known === value);
  const refuseTier = (message: string, meant?: string) =>
    tierAt !== undefined && problems.push(problemAt(tierAt, message, meant));
  if (tier === undefined) refuseTier(`must be one of ${TIERS.join(', ')}`, nearest(value, TIERS));
  if (at === undefined) {
    const row = tier && modelFor(operation, tier);
    return { id: row?.id, row, isUnknown: false };
  }
  if (!isText(at) || !/^[\x21-\x7e]+$/.test(at.value)) {
    problems.push(problemAt(at, 'must be a model id, such as seedance-2.0-text-to-video'));
    return { isUnknown: false };
  }
  const id = at.value;
  const row = findModel(id);
  const own = operationOfModel(id);
  if (row === undefined) {
    const ids = MODELS.filter((model) => model.operation === operation).map((model) => model.id);
    const message =
      'is not a model this version knows: its own limits and price are not checked, the API decides';
    warnings.push(problemAt(at, message, nearest(id, ids)));
    refuseTier(`says nothing about the model ${id}; leave one of the two out`);
  } else if (row.isPreview)
    warnings.push(problemAt(at, 'is a preview: its limits and price are second hand, the API decides'));
  if (own !== undefined && own !== operation) {
    const right = row && !row.isPreview ? `, or the model ${modelFor(operation, row.tier)?.id}` : '';
    const message = `is a model for ${OPERATION_NAMES[own]}, not for ${OPERATION_NAMES[operation]}; use \`evolink ${own}\`${right}`;
    (row === undefined ? warnings : problems).push(problemAt(at, message));
    if (row !== undefined) return { isUnknown: false };
  }
  if (row !== undefined && tier !== undefined && row.tier !== tier)
    refuseTier(`does not fit the model ${id}, which is of tier ${row.tier}; leave one of the two out`);
  return { id, row, isUnknown: row === undefined };
}

interface MediaOptions {
  /** Takes paths of local files beside URLs; they are checked and uploaded later. */
  readonly allowLocalMedia?: boolean | undefined;
  /** Takes URLs on loopback: for an API that itself runs there. */
  readonly allowLoopback?: boolean | undefined;
}

function mediaOf({ images = [], videos = [], audios = [] }: RequestDraft) {
  return { image: images, video: videos, audio: audios };
}

/** What is wrong with one entry of a media list; undefined where it may be sent. Local files are not opened here. */
function mediaProblem(at: Sourced<unknown>, { allowLocalMedia = false, allowLoopback }: MediaOptions) {
  if (!isText(at) || at.value.trim() === '')
    return `must be a URL${allowLocalMedia ? ' or the path of a file' : ''}`;
  if (!allowLocalMedia || /^https?:/i.test(at.value))
    return publicUrlProblem(at.value, { schemes: ['http', 'https'], allowLoopback });
  if (at.value.includes('\0')) return 'must not hold a NUL character';
  return /^(?:data:|file:|[a-z][a-z0-9+.-]+:\/\/)/i.test(at.value)
    ? 'must be an http:// or https:// URL or the plain path of a file; Base64 data is not accepted'
    : undefined;
}

function countMessage({ operation }: RequestDraft, kind: MediaKind, { min, max }: Range, count: number) {
  const noun = kind === 'audio' ? 'audio' : `${kind}s`;
  const i2v = kind === 'image' && operation === 't2v' ? '`evolink i2v` (first and last frame) or ' : '';
  if (max === 0) return `\`evolink ${operation}\` takes no ${noun}; use ${i2v}\`evolink ref\``;
  const range = `must be ${min} to ${max} ${kind === 'audio' ? 'audio files' : noun}, not ${count}`;
  return operation === 'ref' ? range : `${range}; for more, use \`evolink ref\``;
}

/** Checks number, combination and form of all reference media. */
export function resolveMedia(
  draft: RequestDraft,
  { model, options }: { readonly model: ModelChoice; readonly options: MediaOptions },
  { problems, warnings }: Findings,
): Pick<GenerationRequest, 'images' | 'videos' | 'audios'> {
  const { operation } = draft;
  const media = mediaOf(draft);
  const [images = [], videos = [], audios = []] = MEDIA_KINDS.map((kind) => {
    const range = (model.row?.media ?? MEDIA_COUNTS[operation])[kind];
    const surplus = media[kind][range.max];
    // Another model may take more of a kind, but no model takes what its operation has no field for.
    const counted = model.isUnknown && range.max > 0 ? warnings : problems;
    if (surplus !== undefined)
      counted.push(problemAt(surplus, countMessage(draft, kind, range, media[kind].length)));
    return media[kind].flatMap((at) => {
      const message = mediaProblem(at, options);
      if (message !== undefined) problems.push(problemAt(at, message));
      if (message !== undefined || !isText(at)) return [];
      return [/^https?:/i.test(at.value) ? toAsciiUrl(at.value) : at.value];
    });
  });
  if (operation === 'i2v' && media.image.length === 0)
    problems.push({ source: 'images', message: 'missing; i2v needs a first frame (-i FILE)' });
  if (media.video.length < (model.row?.media.video.min ?? 0))
    problems.push({ source: 'videos', message: `missing; ${model.id} needs a video (-v FILE)` });
  if (operation === 'ref' && media.image.length + media.video.length === 0) {
    const [alone] = media.audio;
    const message =
      'are missing: without any, `evolink t2v` does the same, and the guide of the service calls it cheaper';
    if (alone === undefined) warnings.push({ source: 'references', message });
    else if (model.row?.allowsAudioAlone !== true)
      problems.push(problemAt(alone, 'cannot stand alone: give at least one image or video with it'));
  }
  return { images, videos, audios };
}

interface Finding {
  readonly message: string;
  readonly suggestion?: string | undefined;
  /** A model that this version does not know may have other limits: then it is a warning. */
  readonly isLimit?: boolean;
}

/** The values of a field that has a list of them, in a model. */
function valuesOf({ key, values }: FieldRow, row: ModelRow | undefined): readonly string[] | undefined {
  return (key === 'quality' || key === 'aspect_ratio' ? row?.limits[key] : undefined) ?? values;
}

/** Why a value can't be sent in a field; undefined for one that fits. */
function fieldProblem(field: FieldRow, value: unknown, row: ModelRow | undefined): Finding | undefined {
  const isQuoted = typeof value === 'string' && /^(?:\d+|true|false)$/i.test(value) ? ', without quotes' : '';
  if (field.type === 'boolean')
    return typeof value === 'boolean' ? undefined : { message: `must be true or false${isQuoted}` };
  if (field.type === 'integer') {
    const { min, max, open }: ModelRow['limits']['duration'] = row?.limits.duration ?? DURATION_SECONDS;
    const isWhole = typeof value === 'number' && Number.isSafeInteger(value) && (value > 0 || value === -1);
    const isFit =
      value === -1 ? open !== undefined : open !== 'only' && isWhole && value >= min && value <= max;
    const range = `a whole number of seconds from ${min} to ${max}${open === 'too' ? ', or -1' : ''}`;
    const wanted = open === 'only' ? '-1: the model chooses the length' : range;
    return isFit ? undefined : { message: `must be ${wanted}${isQuoted}`, isLimit: isWhole };
  }
  const isSome = typeof value === 'string' && value.trim() !== '';
  if (field.key === 'source_task_id') return isSome ? undefined : { message: 'must be the id of a task' };
  const allowed = valuesOf(field, row);
  if (allowed === undefined || (isSome && allowed.includes(value))) return undefined;
  const message = `must be one of ${allowed.join(', ')}`;
  if (row === undefined || row.isPreview || !isSome || field.values?.includes(value) !== true) {
    const quotes = typeof value === 'number' ? ', in quotes' : '';
    return { message: message + quotes, suggestion: nearest(value, allowed), isLimit: isSome };
  }
  const isOther = ({ operation, limits }: ModelRow) =>
    operation === row.operation && limits.quality.includes(value);
  const tiers = RELEASED.filter(isOther).map(({ tier }) => tier);
  return { message: `${message} in tier ${row.tier}; ${value} needs tier ${tiers.join(' or ')}` };
}

/** What is sent of a field that nobody named: its default, or the nearest that the model has. */
function defaultOf(field: FieldRow, row: ModelRow | undefined): FieldRow['default'] {
  if (field.key === 'duration' && row?.limits.duration.open === 'only') return -1;
  const allowed = valuesOf(field, row);
  return allowed === undefined || allowed.includes(String(field.default)) ? field.default : allowed[0];
}

function callbackProblem(text: unknown, { allowLoopback }: MediaOptions): string | undefined {
  if (typeof text !== 'string') return publicUrlProblem('', { schemes: ['https'] });
  const message = publicUrlProblem(text, { schemes: ['https'], allowLoopback });
  const length = message === undefined ? toAsciiUrl(text).length : 0;
  if (length <= MAX_CALLBACK_URL_CHARACTERS) return message;
  return `must have at most ${MAX_CALLBACK_URL_CHARACTERS} characters, not ${length}`;
}

/** A field that only some models have, in a request for another one. */
function strayProblem(key: string, row: ModelRow | undefined): string | undefined {
  const owners = MODELS.filter(({ extras }) => extras.some((extra) => extra.replace('!', '') === key));
  if (row === undefined || owners.length === 0 || owners.includes(row)) return undefined;
  const tiers = owners.filter(({ isPreview }) => !isPreview).map(({ tier }) => tier);
  const ids = owners.map(({ id }) => id).join(', ');
  return `exists only for ${tiers.length > 0 ? `\`evolink t2v\` with tier ${tiers.join(' or ')}` : ids}`;
}

const MISSING_PROMPT = {
  t2v: 'evolink t2v "a paper boat on a lake at dawn"',
  i2v: 'evolink i2v "the camera slowly zooms in" --image first.jpg',
  ref: 'evolink ref "a boat in the style of image 1" --image style.png',
} as const;

/** A character that shows something, by blocks: Unicode's properties would take 30 ms to compile. */
const VISIBLE =
  /[!-~\u00a1-\u00ac\u00ae-\u061b\u061d-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u2fff\u3001-\ufefe\uff00-\uffff]/;

export function resolvePrompt(draft: RequestDraft, findings: Findings): string | undefined {
  const { prompt: at, operation } = draft;
  if (at === undefined) {
    const message = `missing; describe the video, for example: ${MISSING_PROMPT[operation]}`;
    findings.problems.push({ source: 'prompt', message });
    return undefined;
  }
  const refuse = (message: string) => findings.problems.push(problemAt(at, message));
  if (!isText(at)) {
    refuse('must be text');
    return undefined;
  }
  if (!VISIBLE.test(at.value)) refuse('must not be empty');
  // Neither survives JSON and the service's own parsing unchanged.
  if (/[\0\ud800-\udfff]/u.test(at.value))
    refuse('holds a broken character (half a character, or NUL); save the text as UTF-8');
  const { image, video, audio } = mediaOf(draft);
  checkPrompt(at, operation, { image: image.length, video: video.length, audio: audio.length }, findings);
  return at.value;
}

/** The fields that have no checks of their own above. */
const OTHERS: readonly string[] = ['model', 'tier', 'prompt', 'images', 'videos', 'audios'];
const SETTINGS: readonly NamedField[] = NAMED_FIELDS.filter(({ name }) => !OTHERS.includes(name));

/** What is wrong with the settings goes to the findings; the rest is what is sent of them, by name. */
function resolveSettings(
  draft: RequestDraft,
  { model, options }: { readonly model: ModelChoice; readonly options: MediaOptions },
  { problems, warnings }: Findings,
) {
  const { id, row, isUnknown } = model;
  const limits = isUnknown ? warnings : problems;
  const settings: Record<string, unknown> = {};
  for (const field of SETTINGS) {
    const { key, name } = field;
    const at = draft[name] as Sourced<unknown> | undefined;
    if (at === undefined) {
      if (!isUnknown && 'default' in field) settings[name] = defaultOf(field, row);
      if (row?.extras.includes(`${key}!`)) problems.push({ source: key, message: `missing; ${id} needs it` });
      continue;
    }
    const stray = strayProblem(key, row);
    const found = fieldProblem(field, at.value, row);
    if (stray !== undefined && at.isSetting === true) {
      if (at.value !== false) warnings.push(problemAt(at, `${stray}; left out`));
      continue;
    }
    if (found !== undefined)
      (found.isLimit === true ? limits : problems).push(problemAt(at, found.message, found.suggestion));
    if (stray !== undefined) limits.push(problemAt(at, `${stray}; leave it out`));
    else settings[name] = at.value;
  }
  const { callbackUrl: callback, webSearch: search, contentFilter: filter } = draft;
  const unreachable = callback && callbackProblem(callback.value, options);
  if (callback !== undefined && unreachable !== undefined) problems.push(problemAt(callback, unreachable));
  else if (callback !== undefined) settings.callbackUrl = toAsciiUrl(String(callback.value));
  if (search !== undefined && settings.webSearch === true && filter?.value === false) {
    const message = `cannot go together with content_filter false (${filter.source}); leave one of the two out`;
    limits.push(problemAt(search, message));
  }
  return settings;
}

/**
 * Checks a draft against every rule of the API at once and gives the request to send, or all that is wrong with it.
 * Never throws. A model id outside the table is a warning; then only the rules that hold for every model are problems.
 * @returns the request exactly when there are no problems
 */
export function resolveRequest(
  draft: RequestDraft,
  options: MediaOptions = {},
): {
  readonly request?: GenerationRequest;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
} {
  const findings: Findings = { problems: [], warnings: [] };
  const { problems } = findings;
  const model = resolveModel(draft, findings);
  const media = resolveMedia(draft, { model, options }, findings);
  const prompt = resolvePrompt(draft, findings);
  const extra = resolveExtra(draft, findings);
  const settings = resolveSettings(draft, { model, options }, findings);
  if (model.id === undefined || prompt === undefined || problems.length > 0) return findings;
  const { operation } = draft;
  const request = { operation, model: model.id, tier: model.row?.tier, prompt, extra, ...media, ...settings };
  const sizeBytes = Buffer.byteLength(JSON.stringify(toWireBody(request)));
  if (sizeBytes <= MAX_BODY_BYTES) return { ...findings, request };
  const [size, limit] = [sizeBytes, MAX_BODY_BYTES].map((bytes) => Math.ceil(bytes / 1024 / 1024));
  problems.push({ source: 'request', message: `the request has ${size} MB, the limit is ${limit} MB` });
  return findings;
}
