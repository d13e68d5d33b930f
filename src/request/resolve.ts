import { resolve } from 'node:path';
import { isJobObject, type RequestDraft } from './draft.ts';
import {
  FIELDS,
  type FieldRow,
  type GenerationRequest,
  MAX_BODY_BYTES,
  MAX_CALLBACK_URL_CHARACTERS,
  REQUEST_DEFAULTS,
} from './fields.ts';
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
  OPERATIONS,
  type Operation,
  operationOfModel,
  type Problem,
  TIERS,
} from './models.ts';
import { type KeyPath, nearest, problemAt } from './problems.ts';
import { checkPrompt } from './prompt-checks.ts';
import { publicUrlProblem, toAsciiUrl } from './public-url.ts';

/** Collects what is wrong with a draft while it is checked: what refuses it, and what is only said. */
function createFindings(draft: RequestDraft) {
  const [problems, warnings]: [Problem[], Problem[]] = [[], []];
  const addTo = (list: Problem[]) => (keyPath: KeyPath, message: string, suggestion?: string) =>
    void list.push(problemAt(draft, keyPath, message, suggestion));
  return { problems, warnings, refuse: addTo(problems), warn: addTo(warnings) };
}
type Findings = ReturnType<typeof createFindings>;

interface ModelChoice {
  /** Absent where nothing may be sent. */
  readonly id?: string | undefined;
  readonly row?: ModelRow | undefined;
  /** A model that this version does not know: what it takes is not known either. */
  readonly isUnknown: boolean;
}

/** The model that a draft chooses, by its id or its tier. */
function resolveModel({ operation, value }: RequestDraft, { refuse, warn }: Findings): ModelChoice {
  const { model: id, tier: named = REQUEST_DEFAULTS.tier } = value;
  const tier = TIERS.find((known) => known === named);
  if (tier === undefined) refuse(['tier'], `must be one of ${TIERS.join(', ')}`, nearest(named, TIERS));
  if (id === undefined) {
    const row = tier && modelFor(operation, tier);
    return { id: row?.id, row, isUnknown: false };
  }
  if (typeof id !== 'string' || !/^[\x21-\x7e]+$/.test(id)) {
    refuse(['model'], 'must be a model id, such as seedance-2.0-text-to-video');
    return { isUnknown: false };
  }
  const row = findModel(id);
  const own = operationOfModel(id);
  if (row === undefined) {
    const ids = MODELS.filter((model) => model.operation === operation).map((model) => model.id);
    const message =
      'is not a model this version knows: its own limits and price are not checked, the API decides';
    warn(['model'], message, nearest(id, ids));
  } else if (row.isPreview)
    warn(['model'], 'is a preview: its limits and price are second hand, the API decides');
  if (own !== undefined && own !== operation) {
    const message = `is a model for ${OPERATION_NAMES[own]}, not for ${OPERATION_NAMES[operation]}; use \`evolink ${own}\``;
    (row === undefined ? warn : refuse)(['model'], message);
    if (row !== undefined) return { isUnknown: false };
  }
  if (value.tier !== undefined && tier !== undefined && tier !== row?.tier)
    refuse(['tier'], `does not fit the model ${id}; leave one of the two out`);
  return { id, row, isUnknown: row === undefined };
}

interface ResolveOptions {
  /** Absolute: paths of media start here. */
  readonly folder: string;
  /** Takes URLs on loopback: for an API that itself runs there. */
  readonly allowLoopback?: boolean | undefined;
}

/** Any text that is no URL of whatever scheme; two letters at least, as `C:` begins a path. */
function isPath(text: string): boolean {
  return text.trim() !== '' && !/^([a-z][a-z0-9+.-]+:\/\/|(https?|data|file):)/i.test(text);
}

/** A path counted from a folder; a URL as it stands. */
export function absoluteMedia(text: string, folder: string): string {
  return isPath(text) ? resolve(folder, text) : text;
}

/** What is wrong with one entry of a media list; undefined where it may be sent. Files are not opened here. */
function mediaProblem(entry: unknown, { allowLoopback }: ResolveOptions): string | undefined {
  if (typeof entry !== 'string' || entry.trim() === '') return 'must be a URL or the path of a file';
  if (/^https?:/i.test(entry)) return publicUrlProblem(entry, { schemes: ['http', 'https'], allowLoopback });
  if (entry.includes('\0')) return 'must not hold a NUL character';
  return isPath(entry)
    ? undefined
    : 'must be an http:// or https:// URL or the plain path of a file; Base64 data is not accepted';
}

function mediaOf({ value }: RequestDraft, kind: MediaKind): readonly unknown[] {
  const list = value[`${kind}_urls`];
  return Array.isArray(list) ? list : [];
}

/** The media of a request, as the lists of a body hold them. */
export type MediaLists = Pick<GenerationRequest['body'], 'image_urls' | 'video_urls' | 'audio_urls'> &
  Pick<GenerationRequest, 'operation'>;

/**
 * Checks the choice of the model, and number, combination and form of all reference media.
 * @returns those that are media at all, also beside problems, and where each was named
 */
function resolveMedia(draft: RequestDraft, options: ResolveOptions) {
  const findings = createFindings(draft);
  const model = resolveModel(draft, findings);
  const { refuse, warn } = findings;
  const { id, row, isUnknown } = model;
  const { operation } = draft;
  const lists: { [Key in Exclude<keyof MediaLists, 'operation'>]?: readonly string[] } = {};
  const paths: KeyPath[] = [];
  for (const kind of MEDIA_KINDS) {
    const key = `${kind}_urls` as const;
    const entries = mediaOf(draft, kind);
    const { min, max } = (row?.media ?? MEDIA_COUNTS[operation])[kind];
    if (entries.length > max) {
      const noun = kind === 'audio' ? 'audio files' : `${kind}s`;
      const more = operation === 'ref' ? '' : '; for more, use `evolink ref`';
      const others = OPERATIONS.filter((other) => MEDIA_COUNTS[other][kind].max > 0);
      const message =
        max === 0
          ? `\`evolink ${operation}\` takes no ${noun}; use ${others.map((other) => `\`evolink ${other}\``).join(' or ')}`
          : `must be ${min} to ${max} ${noun}, not ${entries.length}${more}`;
      // Another model may take more of a kind, but no model takes what its operation has no field for.
      (isUnknown && max > 0 ? warn : refuse)([key, max], message);
    }
    const list = entries.flatMap((entry, index) => {
      const message = mediaProblem(entry, options);
      if (message !== undefined) refuse([key, index], message);
      if (typeof entry !== 'string' || !(isPath(entry) || /^https?:\/\//i.test(entry))) return [];
      paths.push([key, index]);
      return [
        isPath(entry) || message !== undefined ? absoluteMedia(entry, options.folder) : toAsciiUrl(entry),
      ];
    });
    if (list.length > 0) lists[key] = list;
  }
  const [images, videos, audios] = MEDIA_KINDS.map((kind) => mediaOf(draft, kind).length);
  if (operation === 'i2v' && images === 0) refuse(['images'], 'missing; i2v needs a first frame (-i FILE)');
  if (Number(videos) < (row?.media.video.min ?? 0))
    refuse(['videos'], `missing; ${id} needs a video (-v FILE)`);
  if (operation === 'ref' && images === 0 && videos === 0) {
    const message =
      'are missing: without any, `evolink t2v` does the same, and the guide of the service calls it cheaper';
    if (audios === 0) warn(['references'], message);
    else if (row?.allowsAudioAlone !== true)
      refuse(['audio_urls', 0], 'cannot stand alone: give at least one image or video with it');
  }
  const sources = paths.map((path) => draft.locate(path).source);
  return { media: { operation, ...lists }, sources, model, findings };
}

interface FieldProblem {
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
function fieldProblem(
  field: FieldRow,
  value: unknown,
  row: ModelRow | undefined,
  { allowLoopback }: ResolveOptions,
): FieldProblem | undefined {
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
  const text = typeof value === 'string' ? value : '';
  if (field.key === 'callback_url') {
    const message = publicUrlProblem(text, { schemes: ['https'], allowLoopback });
    if (message !== undefined) return { message };
    const { length } = toAsciiUrl(text);
    const max = MAX_CALLBACK_URL_CHARACTERS;
    return length > max ? { message: `must have at most ${max} characters, not ${length}` } : undefined;
  }
  const isSome = text.trim() !== '';
  const allowed = valuesOf(field, row);
  if (isSome && allowed?.includes(text) !== false) return undefined;
  if (allowed === undefined) return { message: 'must be text' };
  const ofModel = row === undefined || allowed === field.values ? '' : ` with ${row.id}`;
  const tiers = TIERS.filter((tier) => row && modelFor(row.operation, tier)?.limits.quality.includes(text));
  const elsewhere = tiers.length > 0 ? `; ${text} needs tier ${tiers.join(' or ')}` : '';
  const message = `must be one of ${allowed.join(', ')}${ofModel}${elsewhere}`;
  return { message, suggestion: nearest(value, allowed), isLimit: isSome };
}

/** What is sent of a field that nobody named: its default, or what the model has in its place. */
function defaultOf(field: FieldRow, row: ModelRow | undefined): FieldRow['default'] {
  if (field.key === 'duration' && row?.limits.duration.open === 'only') return -1;
  const allowed = valuesOf(field, row);
  return allowed?.includes(String(field.default)) === false ? allowed[0] : field.default;
}

/** A field that only some models have, in a request for another one; of a model that is not known, its operation says it. */
function strayProblem(
  key: string,
  operation: Operation,
  { row, isUnknown }: ModelChoice,
): string | undefined {
  const owners = MODELS.filter(({ extras }) => extras.includes(key));
  const hasField = isUnknown
    ? owners.some((owner) => owner.operation === operation)
    : row === undefined || owners.includes(row);
  if (owners.length === 0 || hasField) return undefined;
  const tiers = owners.filter(({ isPreview }) => !isPreview).map(({ tier }) => tier);
  const ids = owners.map((owner) => owner.id).join(', ');
  return `exists only for ${tiers.length > 0 ? `\`evolink t2v\` with tier ${tiers.join(' or ')}` : ids}`;
}

/** Keys that have checks of their own, or that a draft has under another key. */
const OTHERS = ['type', 'model', 'tier', 'prompt', 'first', 'last', 'model_params', 'extra'];
const SETTINGS: readonly FieldRow[] = FIELDS.filter(
  ({ key, type }) => type !== 'string[]' && !OTHERS.includes(key),
);

/** What is wrong with the settings goes to the findings; the rest is what is sent of them. */
function resolveSettings(
  { value, operation, locate }: RequestDraft,
  model: ModelChoice,
  options: ResolveOptions,
  { refuse, warn }: Findings,
) {
  const { id, row, isUnknown } = model;
  const settings: Record<string, unknown> = {};
  for (const field of SETTINGS) {
    const { key } = field;
    const given = value[key];
    if (given === undefined) {
      if (!isUnknown && field.default !== undefined) settings[key] = defaultOf(field, row);
      if (field.isRequired === true && row?.extras.includes(key)) refuse([key], `missing; ${id} needs it`);
      continue;
    }
    const stray = strayProblem(key, operation, model);
    // Settings speak of every request. What a person would miss in this one is said.
    if (stray !== undefined && locate([key]).isSetting === true) {
      if (given !== false) warn([key], `${stray}; left out`);
      continue;
    }
    const found = fieldProblem(field, given, row, options);
    if (found !== undefined)
      (found.isLimit === true && isUnknown ? warn : refuse)([key], found.message, found.suggestion);
    if (stray !== undefined && !isUnknown) refuse([key], `${stray}; leave it out`);
    else if (key === 'web_search') settings.model_params = { web_search: given };
    else if (key === 'callback_url' && found === undefined) settings[key] = toAsciiUrl(String(given));
    else settings[key] = given;
  }
  if (value.web_search === true && settings.model_params !== undefined && value.content_filter === false) {
    const message = `cannot go together with content_filter false (${locate(['content_filter']).source}); leave one of the two out`;
    (isUnknown ? warn : refuse)(['web_search'], message);
  }
  return settings;
}

/**
 * Checks a draft against every rule of the API at once and gives the request to send, or all that is wrong with it.
 * Never throws. A model id outside the table is a warning; then only the rules that hold for every model are problems.
 * @returns the request exactly when there are no problems; the media always
 */
export function resolveRequest(draft: RequestDraft, options: ResolveOptions) {
  const { media, sources, model, findings } = resolveMedia(draft, options);
  const { problems, warnings, refuse, warn } = findings;
  const { prompt } = draft.value;
  const extra = isJobObject(draft.value.extra) ? draft.value.extra : {};
  const { operation, ...lists } = media;
  const countOf = (kind: MediaKind) => mediaOf(draft, kind).length;
  for (const { message, isHard } of checkPrompt(prompt, operation, countOf))
    (isHard === true ? refuse : warn)(['prompt'], message);
  // Fields that the table does not have are sent as they are.
  for (const key of Object.keys(extra)) {
    const field: FieldRow | undefined = FIELDS.find((row) => row.key === key);
    const flag = field?.flag ?? `--${key.replaceAll('_', '-')}`;
    if (field !== undefined)
      refuse(['extra', key], `has its own flag: use ${flag}, or the key ${key} in a job file`);
  }
  const settings = resolveSettings(draft, model, options, findings);
  const { id, row } = model;
  let request: GenerationRequest | undefined;
  if (id !== undefined && typeof prompt === 'string' && problems.length === 0) {
    request = {
      operation,
      tier: row?.tier,
      body: { model: id, prompt, ...lists, ...settings, ...extra },
    };
    const sizeBytes = Buffer.byteLength(JSON.stringify(request.body));
    if (sizeBytes > MAX_BODY_BYTES) {
      const [size, limit] = [sizeBytes, MAX_BODY_BYTES].map((bytes) => Math.ceil(bytes / 1024 / 1024));
      refuse(['request'], `the request has ${size} MB, the limit is ${limit} MB`);
      request = undefined;
    }
  }
  return { request, problems, warnings, media, sources };
}
