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
  type Operation,
  operationOfModel,
  type Problem,
  type Range,
  RELEASED,
  TIERS,
} from './models.ts';
import { type KeyPath, nearest, problemAt } from './problems.ts';
import { checkPrompt } from './prompt-checks.ts';
import { publicUrlProblem, toAsciiUrl } from './public-url.ts';

/** Collects what is wrong with a draft while it is checked. */
export interface Findings {
  readonly problems: Problem[];
  readonly warnings: Problem[];
  /** Adds to the problems, or to the given list. */
  readonly refuse: (keyPath: KeyPath, message: string, suggestion?: string, to?: Problem[]) => void;
}

export function createFindings(draft: RequestDraft): Findings {
  const problems: Problem[] = [];
  return {
    problems,
    warnings: [],
    refuse: (keyPath, message, suggestion, to = problems) =>
      to.push(problemAt(draft, keyPath, message, suggestion)),
  };
}

interface ModelChoice {
  readonly id?: string | undefined;
  readonly row?: ModelRow | undefined;
  /** A model that this version does not know: what it takes is not known either. */
  readonly isUnknown: boolean;
}

/** The model that a draft chooses, by its id or its tier. */
export function resolveModel(
  { operation, value }: RequestDraft,
  { refuse, warnings }: Findings,
): ModelChoice {
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
    refuse(['model'], message, nearest(id, ids), warnings);
    if (value.tier !== undefined)
      refuse(['tier'], `says nothing about the model ${id}; leave one of the two out`);
  } else if (row.isPreview)
    refuse(
      ['model'],
      'is a preview: its limits and price are second hand, the API decides',
      undefined,
      warnings,
    );
  if (own !== undefined && own !== operation) {
    const right = row && !row.isPreview ? `, or the model ${modelFor(operation, row.tier)?.id}` : '';
    const message = `is a model for ${OPERATION_NAMES[own]}, not for ${OPERATION_NAMES[operation]}; use \`evolink ${own}\`${right}`;
    refuse(['model'], message, undefined, row === undefined ? warnings : undefined);
    if (row !== undefined) return { isUnknown: false };
  }
  if (row !== undefined && value.tier !== undefined && tier !== undefined && row.tier !== tier)
    refuse(['tier'], `does not fit the model ${id}, which is of tier ${row.tier}; leave one of the two out`);
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

function countMessage(operation: Operation, kind: MediaKind, { min, max }: Range, count: number) {
  const noun = kind === 'audio' ? 'audio' : `${kind}s`;
  const i2v = kind === 'image' && operation === 't2v' ? '`evolink i2v` (first and last frame) or ' : '';
  if (max === 0) return `\`evolink ${operation}\` takes no ${noun}; use ${i2v}\`evolink ref\``;
  const range = `must be ${min} to ${max} ${kind === 'audio' ? 'audio files' : noun}, not ${count}`;
  return operation === 'ref' ? range : `${range}; for more, use \`evolink ref\``;
}

function mediaOf({ value }: RequestDraft, kind: MediaKind): readonly unknown[] {
  const list = value[`${kind}_urls`];
  return Array.isArray(list) ? list : [];
}

/** The media of a request, as the lists of a body hold them. */
export type MediaLists = Pick<GenerationRequest['body'], 'image_urls' | 'video_urls' | 'audio_urls'> &
  Pick<GenerationRequest, 'operation'>;

/**
 * Checks number, combination and form of all reference media.
 * @returns those that are media at all, also beside problems, and where each was named
 */
export function resolveMedia(
  draft: RequestDraft,
  { id, row, isUnknown }: ModelChoice,
  options: ResolveOptions,
  { problems, warnings, refuse }: Findings,
) {
  const { operation } = draft;
  const lists: { [Key in Exclude<keyof MediaLists, 'operation'>]?: readonly string[] } = {};
  const paths: KeyPath[] = [];
  for (const kind of MEDIA_KINDS) {
    const key = `${kind}_urls` as const;
    const entries = mediaOf(draft, kind);
    const range = (row?.media ?? MEDIA_COUNTS[operation])[kind];
    // Another model may take more of a kind, but no model takes what its operation has no field for.
    const counted = isUnknown && range.max > 0 ? warnings : problems;
    if (entries.length > range.max)
      refuse([key, range.max], countMessage(operation, kind, range, entries.length), undefined, counted);
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
    if (audios === 0) refuse(['references'], message, undefined, warnings);
    else if (row?.allowsAudioAlone !== true)
      refuse(['audio_urls', 0], 'cannot stand alone: give at least one image or video with it');
  }
  return { media: { operation, ...lists }, sources: paths.map((path) => draft.locate(path).source) };
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

function callbackProblem(text: unknown, { allowLoopback }: ResolveOptions): string | undefined {
  const message = publicUrlProblem(typeof text === 'string' ? text : '', {
    schemes: ['https'],
    allowLoopback,
  });
  const length = message === undefined ? toAsciiUrl(String(text)).length : 0;
  if (length <= MAX_CALLBACK_URL_CHARACTERS) return message;
  return `must have at most ${MAX_CALLBACK_URL_CHARACTERS} characters, not ${length}`;
}

/** A field that only some models have, in a request for another one; of a model that is not known, its operation says it. */
function strayProblem(
  key: string,
  operation: Operation,
  { row, isUnknown }: ModelChoice,
): string | undefined {
  const owners = MODELS.filter(({ extras }) => extras.some((extra) => extra.replace('!', '') === key));
  const hasField = isUnknown
    ? owners.some((owner) => owner.operation === operation)
    : row === undefined || owners.includes(row);
  if (owners.length === 0 || hasField) return undefined;
  const tiers = owners.filter(({ isPreview }) => !isPreview).map(({ tier }) => tier);
  const ids = owners.map((owner) => owner.id).join(', ');
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

/** Checks the prompt. @returns it, where it is text */
export function resolvePrompt(draft: RequestDraft, findings: Findings): string | undefined {
  const { operation } = draft;
  const { prompt } = draft.value;
  const refuse = (message: string) => findings.refuse(['prompt'], message);
  if (typeof prompt !== 'string') {
    refuse(
      prompt === undefined
        ? `missing; describe the video, for example: ${MISSING_PROMPT[operation]}`
        : 'must be text',
    );
    return undefined;
  }
  if (!VISIBLE.test(prompt)) refuse('must not be empty');
  // Neither survives JSON and the service's own parsing unchanged.
  if (/[\0\ud800-\udfff]/u.test(prompt))
    refuse('holds a broken character (half a character, or NUL); save the text as UTF-8');
  for (const { message, isHard } of checkPrompt(prompt, operation, (kind) => mediaOf(draft, kind).length))
    findings.refuse(['prompt'], message, undefined, isHard === true ? undefined : findings.warnings);
  return prompt;
}

/** Keys that have checks of their own, or that a draft has under another key. */
const OTHERS = ['type', 'model', 'tier', 'prompt', 'first', 'last', 'model_params', 'extra'];
const SETTINGS: readonly FieldRow[] = FIELDS.filter(
  ({ key, type }) => type !== 'string[]' && !OTHERS.includes(key),
);

/** What is wrong with the settings goes to the findings; the rest is what is sent of them. */
function resolveSettings(
  draft: RequestDraft,
  model: ModelChoice,
  options: ResolveOptions,
  { problems, warnings, refuse }: Findings,
) {
  const { id, row, isUnknown } = model;
  const { value, locate } = draft;
  const limits = isUnknown ? warnings : problems;
  const settings: Record<string, unknown> = {};
  for (const field of SETTINGS) {
    const { key } = field;
    const given = value[key];
    if (given === undefined) {
      if (!isUnknown && field.default !== undefined) settings[key] = defaultOf(field, row);
      if (row?.extras.includes(`${key}!`)) refuse([key], `missing; ${id} needs it`);
      continue;
    }
    const stray = strayProblem(key, draft.operation, model);
    // Settings speak of every request. What a person would miss in this one is said.
    if (stray !== undefined && locate([key]).isSetting === true) {
      if (given !== false) refuse([key], `${stray}; left out`, undefined, warnings);
      continue;
    }
    const found = fieldProblem(field, given, row);
    if (found !== undefined)
      refuse([key], found.message, found.suggestion, found.isLimit === true ? limits : problems);
    if (stray !== undefined && !isUnknown) refuse([key], `${stray}; leave it out`);
    else if (key === 'web_search') settings.model_params = { web_search: given };
    else settings[key] = given;
  }
  const { callback_url: callback, web_search: search } = value;
  const unreachable = callback === undefined ? undefined : callbackProblem(callback, options);
  if (unreachable !== undefined) refuse(['callback_url'], unreachable);
  else if (callback !== undefined) settings.callback_url = toAsciiUrl(String(callback));
  if (search === true && settings.model_params !== undefined && value.content_filter === false) {
    const message = `cannot go together with content_filter false (${locate(['content_filter']).source}); leave one of the two out`;
    refuse(['web_search'], message, undefined, limits);
  }
  return settings;
}

/** Fields that the table does not have, as they are sent; one that it has is refused, naming its flag. */
function resolveExtra({ value }: RequestDraft, { refuse }: Findings): object {
  const extra = isJobObject(value.extra) ? value.extra : {};
  for (const key of Object.keys(extra)) {
    const field: FieldRow | undefined = FIELDS.find((row) => row.key === key);
    const flag = field?.flag ?? `--${key.replaceAll('_', '-')}`;
    if (field !== undefined)
      refuse(['extra', key], `has its own flag: use ${flag}, or the key ${key} in a job file`);
  }
  return extra;
}

/**
 * Checks a draft against every rule of the API at once and gives the request to send, or all that is wrong with it.
 * Never throws. A model id outside the table is a warning; then only the rules that hold for every model are problems.
 * @returns the request exactly when there are no problems; the media always
 */
export function resolveRequest(draft: RequestDraft, options: ResolveOptions) {
  const findings = createFindings(draft);
  const { problems, warnings } = findings;
  const model = resolveModel(draft, findings);
  const { media, sources } = resolveMedia(draft, model, options, findings);
  const prompt = resolvePrompt(draft, findings);
  const extra = resolveExtra(draft, findings);
  const settings = resolveSettings(draft, model, options, findings);
  const found: {
    request?: GenerationRequest;
    readonly problems: readonly Problem[];
    readonly warnings: readonly Problem[];
    readonly media: MediaLists;
    readonly sources: readonly string[];
  } = { problems, warnings, media, sources };
  if (model.id === undefined || prompt === undefined || problems.length > 0) return found;
  const { operation, ...lists } = media;
  const body = { model: model.id, prompt, ...lists, ...settings, ...extra };
  const sizeBytes = Buffer.byteLength(JSON.stringify(body));
  const toMb = (bytes: number): number => Math.ceil(bytes / 1024 / 1024);
  const tooLarge = `the request has ${toMb(sizeBytes)} MB, the limit is ${toMb(MAX_BODY_BYTES)} MB`;
  if (sizeBytes > MAX_BODY_BYTES) findings.refuse(['request'], tooLarge);
  else found.request = { operation, tier: model.row?.tier, body };
  return found;
}
