import { toWireBody } from './fingerprint.ts';
import {
  ASPECT_RATIOS,
  DURATION_SECONDS,
  findModel,
  type GenerationRequest,
  MAX_BODY_BYTES,
  MAX_CALLBACK_URL_CHARACTERS,
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
  QUALITIES,
  REQUEST_DEFAULTS,
  type RequestDraft,
  type Sourced,
  TIERS,
  type Tier,
} from './models.ts';
import { type Findings, nearest, problemAt } from './problems.ts';
import { checkPrompt } from './prompt-checks.ts';
import { publicUrlProblem, toAsciiUrl } from './public-url.ts';

/**
 * Reads the text of a duration flag: `8` or `8s` becomes the number 8. Any other text comes back as it is, so that
 * `resolveRequest` reports it together with everything else.
 */
export function coerceDuration(text: string): number | string {
  const match = /^\s*(\d{1,6})\s*s?\s*$/i.exec(text);
  return match?.[1] === undefined ? text : Number(match[1]);
}

/**
 * One draft from two: what `over` names wins (flags over a file, a job over its defaults), each value keeps its source. A
 * list of media replaces the other as a whole. `model` and `tier` are one choice: either in `over` replaces both below.
 */
export function mergeDrafts(over: RequestDraft, under: RequestDraft): RequestDraft {
  const hasChoice = over.model !== undefined || over.tier !== undefined;
  const choice = hasChoice ? over : under;
  return {
    operation: over.operation,
    model: choice.model,
    tier: choice.tier,
    prompt: over.prompt ?? under.prompt,
    images: over.images ?? under.images,
    videos: over.videos ?? under.videos,
    audios: over.audios ?? under.audios,
    duration: over.duration ?? under.duration,
    quality: over.quality ?? under.quality,
    aspectRatio: over.aspectRatio ?? under.aspectRatio,
    generateAudio: over.generateAudio ?? under.generateAudio,
    contentFilter: over.contentFilter ?? under.contentFilter,
    webSearch: over.webSearch ?? under.webSearch,
    callbackUrl: over.callbackUrl ?? under.callbackUrl,
  };
}

export interface ModelChoice {
  /** Absent where the choice itself is wrong. */
  readonly id?: string | undefined;
  readonly row?: ModelRow | undefined;
  /** A well-formed id that the table does not hold: its limits are not known, the API decides. */
  readonly isUnknown: boolean;
}

const NO_MODEL: ModelChoice = { isUnknown: false };

function oneOf(allowed: readonly string[], { value }: Sourced<unknown>) {
  const isNumber = typeof value === 'number';
  return {
    message: `must be one of ${allowed.join(', ')}${isNumber ? ', in quotes' : ''}`,
    suggestion: nearest(typeof value === 'string' || isNumber ? String(value) : '', allowed),
  };
}

function resolveTier(tier: Sourced<unknown> | undefined, findings: Findings): Tier | undefined {
  const found = tier === undefined ? REQUEST_DEFAULTS.tier : TIERS.find((known) => known === tier.value);
  if (found !== undefined || tier === undefined) return found;
  const message = `must be one of ${TIERS.join(', ')}`;
  findings.problems.push(problemAt(tier, message, oneOf(TIERS, tier).suggestion));
  return undefined;
}

/** Why a model cannot do an operation, naming the command that can; undefined where it fits or nothing is known. */
export function operationConflict(model: string, wanted: Operation): string | undefined {
  const operation = operationOfModel(model);
  if (operation === undefined || operation === wanted) return undefined;
  const row = findModel(model);
  const right = row && modelFor(wanted, row.tier)?.id;
  const instead = right === undefined ? '' : `, or the model ${right}`;
  return `is a model for ${OPERATION_NAMES[operation]}, not for ${OPERATION_NAMES[wanted]}; use \`evolink ${operation}\`${instead}`;
}

/** Chooses the model from what was asked for: an id, or a tier, or nothing (tier standard). */
export function resolveModel(draft: RequestDraft, findings: Findings): ModelChoice {
  const { model: at, tier, operation } = draft;
  if (at === undefined) {
    const wanted = resolveTier(tier, findings);
    const row = wanted && modelFor(operation, wanted);
    return { id: row?.id, row, isUnknown: false };
  }
  if (!isText(at) || !/^[^\s\p{C}]+$/u.test(at.value)) {
    findings.problems.push(problemAt(at, 'must be a model id, such as seedance-2.0-text-to-video'));
    return NO_MODEL;
  }
  const id = at.value;
  const row = findModel(id);
  const conflict = operationConflict(id, operation);
  if (row === undefined) {
    const ids = MODELS.filter((model) => model.operation === operation).map((model) => model.id);
    const message =
      'is not a model this version knows: its own limits and price are not checked, the API decides';
    findings.warnings.push(problemAt(at, message, nearest(id, ids)));
    if (conflict !== undefined) findings.warnings.push(problemAt(at, conflict));
    const tierMessage = `says nothing about the model ${id}; leave one of the two out`;
    if (tier !== undefined) findings.problems.push(problemAt(tier, tierMessage));
    return { id, isUnknown: true };
  }
  if (conflict !== undefined) {
    findings.problems.push(problemAt(at, conflict));
    return NO_MODEL;
  }
  const wanted = tier && resolveTier(tier, findings);
  const message = `does not fit the model ${id}, which is of tier ${row.tier}; leave one of the two out`;
  if (tier !== undefined && wanted !== undefined && wanted !== row.tier)
    findings.problems.push(problemAt(tier, message));
  return { id, row, isUnknown: false };
}

interface MediaOptions {
  /** Takes paths of local files beside URLs; they are checked and uploaded later. */
  readonly allowLocalMedia?: boolean | undefined;
  /** Takes URLs on loopback: for an API that itself runs there. */
  readonly allowLoopback?: boolean | undefined;
}

function draftMedia(draft: RequestDraft, kind: MediaKind): readonly Sourced<unknown>[] {
  return { image: draft.images, video: draft.videos, audio: draft.audios }[kind] ?? [];
}

/** What is said of media beyond the number that an operation takes; `ref` takes the most. */
function countMessage(operation: Operation, kind: MediaKind, count: number): string {
  const { min, max } = MEDIA_COUNTS[operation][kind];
  const noun = kind === 'audio' ? 'audio' : `${kind}s`;
  const command =
    kind === 'image' ? '`evolink i2v` (first and last frame) or `evolink ref`' : '`evolink ref`';
  if (max === 0) return `\`evolink ${operation}\` takes no ${noun}; use ${command}`;
  const range = `must be ${min} to ${max} ${kind === 'audio' ? 'audio files' : noun}, not ${count}`;
  return operation === 'i2v' ? `${range}; for more, use \`evolink ref\`` : range;
}

function checkCounts(draft: RequestDraft, { isUnknown }: ModelChoice, findings: Findings): void {
  for (const kind of MEDIA_KINDS) {
    const media = draftMedia(draft, kind);
    const { max } = MEDIA_COUNTS[draft.operation][kind];
    const surplus = media[max];
    // Another model may take more of a kind, but no model takes what its operation has no field for.
    const report = isUnknown && max > 0 ? findings.warnings : findings.problems;
    if (surplus !== undefined)
      report.push(problemAt(surplus, countMessage(draft.operation, kind, media.length)));
  }
}

function checkTogether(
  { operation, images = [], videos = [], audios = [] }: RequestDraft,
  findings: Findings,
) {
  const [audio] = audios;
  if (operation === 'i2v' && images.length === 0) {
    const message = 'missing; i2v needs a first frame (-i FILE)';
    findings.problems.push({ source: 'images', message });
  }
  if (operation !== 'ref' || images.length + videos.length > 0) return;
  const alone = 'cannot stand alone: give at least one image or video with it';
  const message =
    'are missing: without any, `evolink t2v` does the same, and the guide of the service calls it cheaper';
  if (audio !== undefined) findings.problems.push(problemAt(audio, alone));
  else findings.warnings.push({ source: 'references', message });
}

function localProblem(text: string): string | undefined {
  if (text.includes('\0')) return 'must not hold a NUL character';
  if (/^data:/i.test(text))
    return 'must be an http:// or https:// URL or a file; Base64 data is not accepted';
  if (/^file:/i.test(text)) return 'must be a plain path, without file:';
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(text) ? 'must be an http:// or https:// URL or a file' : undefined;
}

function resolveItem(at: Sourced<unknown>, options: MediaOptions, findings: Findings): string | undefined {
  const { allowLocalMedia = false, allowLoopback } = options;
  if (!isText(at) || at.value.trim() === '') {
    findings.problems.push(problemAt(at, `must be a URL${allowLocalMedia ? ' or the path of a file' : ''}`));
    return undefined;
  }
  const isLocal = allowLocalMedia && !/^https?:/i.test(at.value);
  const message = isLocal
    ? localProblem(at.value)
    : publicUrlProblem(at.value, { schemes: ['http', 'https'], allowLoopback });
  if (message === undefined) return isLocal ? at.value : toAsciiUrl(at.value);
  findings.problems.push(problemAt(at, message));
  return undefined;
}

/** Checks number, combination and form of all reference media. Local files are not opened here. */
export function resolveMedia(
  draft: RequestDraft,
  rule: { readonly model: ModelChoice; readonly options: MediaOptions },
  findings: Findings,
): Pick<GenerationRequest, 'images' | 'videos' | 'audios'> {
  checkCounts(draft, rule.model, findings);
  checkTogether(draft, findings);
  const resolve = (kind: MediaKind): readonly string[] =>
    draftMedia(draft, kind).flatMap((at) => resolveItem(at, rule.options, findings) ?? []);
  return { images: resolve('image'), videos: resolve('video'), audios: resolve('audio') };
}

/** The check of one draft: what is wrong, and where limits are told that only the known models surely have. */
interface Check extends Findings {
  readonly draft: RequestDraft;
  readonly model: ModelChoice;
  readonly limits: Problem[];
}

/** What is sent where nobody named a setting: nothing where the model is not known, as it may refuse the value. */
function defaultOf<K extends keyof typeof REQUEST_DEFAULTS>(
  { model }: Check,
  name: K,
): (typeof REQUEST_DEFAULTS)[K] | undefined {
  return model.isUnknown ? undefined : REQUEST_DEFAULTS[name];
}

function resolveDuration(check: Check): number | undefined {
  const at = check.draft.duration;
  if (at === undefined) return defaultOf(check, 'durationSeconds');
  const { value } = at;
  const { min, max } = DURATION_SECONDS;
  const range = `must be a whole number of seconds from ${min} to ${max}`;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
    const isQuoted = typeof value === 'string' && /^\d+$/.test(value);
    check.problems.push(problemAt(at, isQuoted ? `${range}, without quotes` : range));
    return undefined;
  }
  if (value < min || value > max) check.limits.push(problemAt(at, range));
  return value;
}

function resolveEnum(
  at: Sourced<unknown>,
  allowed: readonly string[],
  { limits, problems }: Check,
): string | undefined {
  if (isText(at) && allowed.includes(at.value)) return at.value;
  const { message, suggestion } = oneOf(allowed, at);
  const report = isText(at) && at.value.trim() !== '' ? limits : problems;
  report.push(problemAt(at, message, suggestion));
  return isText(at) ? at.value : undefined;
}

/** The quality, checked against the list of the model's tier. */
function resolveQuality(check: Check): string | undefined {
  const at = check.draft.quality;
  if (at === undefined) return defaultOf(check, 'quality');
  const { row } = check.model;
  const quality = QUALITIES.find((known) => known === at.value);
  if (row === undefined || quality === undefined || row.qualities.includes(quality))
    return resolveEnum(at, row?.qualities ?? QUALITIES, check);
  const rows = MODELS.filter(
    ({ operation, qualities }) => operation === row.operation && qualities.includes(quality),
  );
  const tiers = rows.map(({ tier }) => tier).join(' or ');
  const message = `must be one of ${row.qualities.join(', ')} in tier ${row.tier}; ${quality} needs tier ${tiers}`;
  check.problems.push(problemAt(at, message));
  return undefined;
}

/** A yes-or-no setting; undefined where it is wrong. */
function resolveBoolean(at: Sourced<unknown>, { problems }: Check): boolean | undefined {
  if (typeof at.value === 'boolean') return at.value;
  const isQuoted = isText(at) && /^(true|false)$/i.test(at.value);
  problems.push(problemAt(at, `must be true or false${isQuoted ? ', without quotes' : ''}`));
  return undefined;
}

/** Web search exists for text-to-video of two tiers, and not without the content filter. Absent = not sent. */
function resolveWebSearch(check: Check): boolean | undefined {
  const { webSearch: at, contentFilter, operation } = check.draft;
  if (at === undefined) return undefined;
  const webSearch = resolveBoolean(at, check);
  if (!(check.model.row?.hasWebSearch ?? operation === 't2v')) {
    const tiers = MODELS.filter((row) => row.hasWebSearch).map((row) => row.tier);
    const message = `exists only for \`evolink t2v\` with tier ${tiers.join(' or ')}; leave it out`;
    check.limits.push(problemAt(at, message));
  }
  if (webSearch === true && contentFilter?.value === false) {
    const message = `cannot go together with content_filter false (${contentFilter.source}); leave one of the two out`;
    check.limits.push(problemAt(at, message));
  }
  return webSearch;
}

function isText(at: Sourced<unknown>): at is Sourced<string> {
  return typeof at.value === 'string';
}

const MISSING_PROMPT = {
  t2v: 'evolink t2v "a paper boat on a lake at dawn"',
  i2v: 'evolink i2v "the camera slowly zooms in" --image first.jpg',
  ref: 'evolink ref "a boat in the style of image 1" --image style.png',
} as const;

function resolvePrompt(draft: RequestDraft, findings: Findings): string | undefined {
  const { prompt: at, operation } = draft;
  if (at === undefined || !isText(at)) {
    const message = `missing; describe the video, for example: ${MISSING_PROMPT[operation]}`;
    findings.problems.push(at === undefined ? { source: 'prompt', message } : problemAt(at, 'must be text'));
    return undefined;
  }
  const refuse = (message: string) => findings.problems.push(problemAt(at, message));
  if (!/[^\s\p{C}\p{Z}]/u.test(at.value)) refuse('must not be empty');
  // Neither survives JSON and the service's own parsing unchanged.
  if (/[\0\ud800-\udfff]/u.test(at.value))
    refuse('holds a broken character (half a character, or NUL); save the text as UTF-8');
  const countOf = (kind: MediaKind) => draftMedia(draft, kind).length;
  const counts = { image: countOf('image'), video: countOf('video'), audio: countOf('audio') };
  checkPrompt(at, { operation, counts }, findings);
  return at.value;
}

function resolveCallbackUrl(check: Check, { allowLoopback }: MediaOptions): string | undefined {
  const at = check.draft.callbackUrl;
  if (at === undefined) return undefined;
  const refuse = (message: string) => check.problems.push(problemAt(at, message));
  const text = isText(at) ? at.value : '';
  const message = publicUrlProblem(text, { schemes: ['https'], allowLoopback });
  if (message !== undefined) refuse(message);
  const url = message === undefined ? toAsciiUrl(text) : text;
  if (url.length > MAX_CALLBACK_URL_CHARACTERS)
    refuse(`must have at most ${MAX_CALLBACK_URL_CHARACTERS} characters, not ${url.length}`);
  return url;
}

function toRequest(
  draft: RequestDraft,
  options: MediaOptions,
  findings: Findings,
): GenerationRequest | undefined {
  const model = resolveModel(draft, findings);
  const media = resolveMedia(draft, { model, options }, findings);
  const prompt = resolvePrompt(draft, findings);
  const limits = model.isUnknown ? findings.warnings : findings.problems;
  const check: Check = { ...findings, draft, model, limits };
  const { aspectRatio, generateAudio, contentFilter } = draft;
  const settings = {
    durationSeconds: resolveDuration(check),
    quality: resolveQuality(check),
    aspectRatio: aspectRatio
      ? resolveEnum(aspectRatio, ASPECT_RATIOS, check)
      : defaultOf(check, 'aspectRatio'),
    generateAudio: generateAudio ? resolveBoolean(generateAudio, check) : defaultOf(check, 'generateAudio'),
    contentFilter: contentFilter ? resolveBoolean(contentFilter, check) : defaultOf(check, 'contentFilter'),
    webSearch: resolveWebSearch(check),
    callbackUrl: resolveCallbackUrl(check, options),
  };
  // A wrong setting of a known model is a problem, and then there is no request anyway.
  if (model.id === undefined || prompt === undefined || findings.problems.length > 0) return undefined;
  const { operation } = draft;
  const request = { operation, model: model.id, tier: model.row?.tier, prompt, ...media, ...settings };
  const sizeBytes = Buffer.byteLength(JSON.stringify(toWireBody(request)));
  if (sizeBytes <= MAX_BODY_BYTES) return request;
  const megabytes = (bytes: number) => Math.ceil(bytes / 1024 / 1024);
  const message = `the request has ${megabytes(sizeBytes)} MB, the limit is ${megabytes(MAX_BODY_BYTES)} MB`;
  findings.problems.push({ source: 'request', message });
  return undefined;
}

interface ResolvedRequest {
  /** Present exactly when there are no problems. */
  readonly request?: GenerationRequest | undefined;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/**
 * Checks a draft against every rule of the API at once and gives the request to send, or all that is wrong with it.
 * Never throws. A model id outside the table is a warning; then only the rules that hold for every model are problems.
 */
export function resolveRequest(draft: RequestDraft, options: MediaOptions = {}): ResolvedRequest {
  const findings: Findings = { problems: [], warnings: [] };
  const request = toRequest(draft, options, findings);
  return { ...findings, request };
}
