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

function isTier(value: unknown): value is Tier {
  return TIERS.some((tier) => tier === value);
}

function resolveTier(tier: Sourced<unknown> | undefined, findings: Findings): Tier | undefined {
  if (tier === undefined) return REQUEST_DEFAULTS.tier;
  if (isTier(tier.value)) return tier.value;
  const suggestion = typeof tier.value === 'string' ? nearest(tier.value, TIERS) : undefined;
  findings.problems.push(problemAt(tier, `must be one of ${TIERS.join(', ')}`, suggestion));
  return undefined;
}

function otherOperation(model: string, operation: Operation, wanted: Operation): string {
  const row = findModel(model);
  const right = row === undefined ? undefined : modelFor(wanted, row.tier)?.id;
  const instead = right === undefined ? '' : `, or the model ${right}`;
  return `is a model for ${OPERATION_NAMES[operation]}, not for ${OPERATION_NAMES[wanted]}; use \`evolink ${operation}\`${instead}`;
}

/** Why a model cannot do an operation, naming the command that can; undefined where it fits or nothing is known. */
export function operationConflict(model: string, wanted: Operation): string | undefined {
  const operation = operationOfModel(model);
  return operation === undefined || operation === wanted
    ? undefined
    : otherOperation(model, operation, wanted);
}

function resolveUnknownModel(draft: RequestDraft, at: Sourced<unknown>, findings: Findings): ModelChoice {
  const id = String(at.value);
  const ids = MODELS.filter((model) => model.operation === draft.operation).map((model) => model.id);
  const message =
    'is not a model this version knows: its own limits and price are not checked, the API decides';
  findings.warnings.push(problemAt(at, message, nearest(id, ids)));
  const conflict = operationConflict(id, draft.operation);
  if (conflict !== undefined) findings.warnings.push(problemAt(at, conflict));
  if (draft.tier !== undefined) {
    findings.problems.push(
      problemAt(draft.tier, `says nothing about the model ${id}; leave one of the two out`),
    );
  }
  return { id, isUnknown: true };
}

function resolveKnownModel(draft: RequestDraft, row: ModelRow, findings: Findings): ModelChoice {
  const conflict = operationConflict(row.id, draft.operation);
  if (conflict !== undefined && draft.model !== undefined) {
    findings.problems.push(problemAt(draft.model, conflict));
    return NO_MODEL;
  }
  if (
    draft.tier !== undefined &&
    resolveTier(draft.tier, findings) !== row.tier &&
    isTier(draft.tier.value)
  ) {
    const message = `does not fit the model ${row.id}, which is of tier ${row.tier}; leave one of the two out`;
    findings.problems.push(problemAt(draft.tier, message));
  }
  return { id: row.id, row, isUnknown: false };
}

/** Chooses the model from what was asked for: an id, or a tier, or nothing (tier standard). */
export function resolveModel(draft: RequestDraft, findings: Findings): ModelChoice {
  const at = draft.model;
  if (at === undefined) {
    const tier = resolveTier(draft.tier, findings);
    const row = tier === undefined ? undefined : modelFor(draft.operation, tier);
    return { id: row?.id, row, isUnknown: false };
  }
  if (typeof at.value !== 'string' || !/^[^\s\p{C}]+$/u.test(at.value)) {
    findings.problems.push(problemAt(at, 'must be a model id, such as seedance-2.0-text-to-video'));
    return NO_MODEL;
  }
  const row = findModel(at.value);
  return row === undefined
    ? resolveUnknownModel(draft, at, findings)
    : resolveKnownModel(draft, row, findings);
}

export interface MediaOptions {
  /** Takes paths of local files beside URLs; they are checked and uploaded later. */
  readonly allowLocalMedia?: boolean | undefined;
  /** Takes URLs on loopback: for an API that itself runs there. */
  readonly allowLoopback?: boolean | undefined;
}

export type ResolvedMedia = Readonly<Record<MediaKind, readonly string[]>>;

function draftMedia(draft: RequestDraft, kind: MediaKind): readonly Sourced<unknown>[] {
  return { image: draft.images, video: draft.videos, audio: draft.audios }[kind] ?? [];
}

function countOf(count: number, kind: MediaKind): string {
  const noun = kind === 'audio' ? 'audio file' : kind;
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** The command that takes media of a kind in a number; `ref` takes the most. */
function commandFor(kind: MediaKind): string {
  return kind === 'image' ? '`evolink i2v` (first and last frame) or `evolink ref`' : '`evolink ref`';
}

function countMessage(operation: Operation, kind: MediaKind, count: number): string | undefined {
  const { min, max } = MEDIA_COUNTS[operation][kind];
  if (count <= max) return undefined;
  const noun = kind === 'audio' ? 'audio' : `${kind}s`;
  if (max === 0) return `\`evolink ${operation}\` takes no ${noun}; use ${commandFor(kind)}`;
  const range = `${min} to ${countOf(max, kind)}, not ${count}`;
  return operation === 'i2v' ? `must be ${range}; for more, use \`evolink ref\`` : `must be ${range}`;
}

function checkCounts(draft: RequestDraft, model: ModelChoice, findings: Findings): void {
  for (const kind of MEDIA_KINDS) {
    const media = draftMedia(draft, kind);
    const { max } = MEDIA_COUNTS[draft.operation][kind];
    const surplus = media[max];
    const message = countMessage(draft.operation, kind, media.length);
    if (surplus === undefined || message === undefined) continue;
    // Another model may take more of a kind, but no model takes what its operation has no field for.
    const report = model.isUnknown && max > 0 ? findings.warnings : findings.problems;
    report.push(problemAt(surplus, message));
  }
}

function checkTogether(draft: RequestDraft, findings: Findings): void {
  const images = draftMedia(draft, 'image');
  const audio = draftMedia(draft, 'audio')[0];
  if (draft.operation === 'i2v' && images.length === 0) {
    const message = 'is missing: `evolink i2v` starts from a picture; give one with --image';
    findings.problems.push({ source: 'images', message });
  }
  if (draft.operation !== 'ref' || images.length > 0 || draftMedia(draft, 'video').length > 0) return;
  if (audio !== undefined) {
    findings.problems.push(problemAt(audio, 'cannot stand alone: give at least one image or video with it'));
    return;
  }
  const message =
    'are missing: without any, `evolink t2v` does the same, and the guide of the service calls it cheaper';
  findings.warnings.push({ source: 'references', message });
}

function localProblem(text: string): string | undefined {
  if (text.includes('\0')) return 'must not hold a NUL character';
  if (/^data:/i.test(text))
    return 'must be an http:// or https:// URL or a file; Base64 data is not accepted';
  if (/^file:/i.test(text)) return 'must be a plain path, without file:';
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) return 'must be an http:// or https:// URL or a file';
  return undefined;
}

function resolveItem(at: Sourced<unknown>, options: MediaOptions, findings: Findings): string | undefined {
  if (typeof at.value !== 'string' || at.value.trim() === '') {
    const file = options.allowLocalMedia === true ? ' or the path of a file' : '';
    findings.problems.push(problemAt(at, `must be a URL${file}`));
    return undefined;
  }
  const isLocal = options.allowLocalMedia === true && !/^https?:/i.test(at.value);
  const urlOptions = { schemes: ['http', 'https'], allowLoopback: options.allowLoopback } as const;
  const message = isLocal ? localProblem(at.value) : publicUrlProblem(at.value, urlOptions);
  if (message === undefined) return isLocal ? at.value : toAsciiUrl(at.value);
  findings.problems.push(problemAt(at, message));
  return undefined;
}

/** Checks number, combination and form of all reference media. Local files are not opened here. */
export function resolveMedia(
  draft: RequestDraft,
  rule: { readonly model: ModelChoice; readonly options: MediaOptions },
  findings: Findings,
): ResolvedMedia {
  checkCounts(draft, rule.model, findings);
  checkTogether(draft, findings);
  const resolve = (kind: MediaKind): readonly string[] =>
    draftMedia(draft, kind).flatMap((at) => resolveItem(at, rule.options, findings) ?? []);
  return { image: resolve('image'), video: resolve('video'), audio: resolve('audio') };
}

/** Where a limit of the known models is not kept: an error for them, a warning for a model with limits of its own. */
function reportLimit(findings: Findings, model: ModelChoice): Findings['problems'] {
  return model.isUnknown ? findings.warnings : findings.problems;
}

/** What is sent where nobody named a setting: nothing where the model is not known, as it may refuse the value. */
function defaultOf<K extends keyof typeof REQUEST_DEFAULTS>(
  name: K,
  { isUnknown }: ModelChoice,
): (typeof REQUEST_DEFAULTS)[K] | undefined {
  return isUnknown ? undefined : REQUEST_DEFAULTS[name];
}

function resolveDuration(draft: RequestDraft, model: ModelChoice, findings: Findings): number | undefined {
  const at = draft.duration;
  if (at === undefined) return defaultOf('durationSeconds', model);
  const range = `must be a whole number of seconds from ${DURATION_SECONDS.min} to ${DURATION_SECONDS.max}`;
  if (typeof at.value !== 'number' || !Number.isSafeInteger(at.value) || at.value < 1) {
    const isQuoted = typeof at.value === 'string' && /^\d+$/.test(at.value);
    findings.problems.push(problemAt(at, isQuoted ? `${range}, without quotes` : range));
    return undefined;
  }
  if (at.value < DURATION_SECONDS.min || at.value > DURATION_SECONDS.max) {
    reportLimit(findings, model).push(problemAt(at, range));
  }
  return at.value;
}

interface EnumRule {
  readonly allowed: readonly string[];
  readonly fallback: string | undefined;
  readonly model: ModelChoice;
}

function enumProblem(at: Sourced<unknown>, allowed: readonly string[]) {
  const isNumber = typeof at.value === 'number';
  const message = `must be one of ${allowed.join(', ')}${isNumber ? ', in quotes' : ''}`;
  return problemAt(
    at,
    message,
    nearest(typeof at.value === 'string' || isNumber ? String(at.value) : '', allowed),
  );
}

function resolveEnum(
  at: Sourced<unknown> | undefined,
  rule: EnumRule,
  findings: Findings,
): string | undefined {
  if (at === undefined) return rule.fallback;
  if (typeof at.value === 'string' && rule.allowed.includes(at.value)) return at.value;
  const isText = typeof at.value === 'string' && at.value.trim() !== '';
  const report = isText ? reportLimit(findings, rule.model) : findings.problems;
  report.push(enumProblem(at, rule.allowed));
  return typeof at.value === 'string' ? at.value : undefined;
}

/** The quality, checked against the list of the model's tier. */
function resolveQuality(draft: RequestDraft, model: ModelChoice, findings: Findings): string | undefined {
  const at = draft.quality;
  const row = model.row;
  const quality = QUALITIES.find((known) => known === at?.value);
  if (at !== undefined && row !== undefined && quality !== undefined && !row.qualities.includes(quality)) {
    const tiers = TIERS.filter((tier) =>
      MODELS.some(
        (other) =>
          other.operation === row.operation && other.tier === tier && other.qualities.includes(quality),
      ),
    );
    const message = `must be one of ${row.qualities.join(', ')} in tier ${row.tier}; ${quality} needs tier ${tiers.join(' or ')}`;
    findings.problems.push(problemAt(at, message));
    return undefined;
  }
  const allowed = row?.qualities ?? QUALITIES;
  return resolveEnum(at, { allowed, fallback: defaultOf('quality', model), model }, findings);
}

function resolveAspectRatio(draft: RequestDraft, model: ModelChoice, findings: Findings): string | undefined {
  const rule = { allowed: ASPECT_RATIOS, fallback: defaultOf('aspectRatio', model), model };
  return resolveEnum(draft.aspectRatio, rule, findings);
}

/** A yes-or-no setting; the fallback where it was not named or is wrong. */
function resolveBoolean<T>(at: Sourced<unknown> | undefined, fallback: T, findings: Findings): boolean | T {
  if (at === undefined) return fallback;
  if (typeof at.value === 'boolean') return at.value;
  const isQuoted = typeof at.value === 'string' && /^(true|false)$/i.test(at.value);
  findings.problems.push(problemAt(at, `must be true or false${isQuoted ? ', without quotes' : ''}`));
  return fallback;
}

/** Web search exists for text-to-video of two tiers, and not without the content filter. Absent = not sent. */
function resolveWebSearch(draft: RequestDraft, model: ModelChoice, findings: Findings): boolean | undefined {
  const at = draft.webSearch;
  const webSearch = resolveBoolean(at, undefined, findings);
  if (at === undefined) return webSearch;
  const limit = reportLimit(findings, model);
  const hasWebSearch = model.row?.hasWebSearch ?? draft.operation === 't2v';
  if (!hasWebSearch) {
    const tiers = MODELS.filter((row) => row.hasWebSearch).map((row) => row.tier);
    limit.push(
      problemAt(at, `exists only for \`evolink t2v\` with tier ${tiers.join(' or ')}; leave it out`),
    );
  }
  if (webSearch === true && draft.contentFilter?.value === false) {
    const message = `cannot go together with content_filter false (${draft.contentFilter.source}); leave one of the two out`;
    limit.push(problemAt(at, message));
  }
  return webSearch;
}

export type ResolveOptions = MediaOptions;

export interface ResolvedRequest {
  /** Present exactly when there are no problems. */
  readonly request?: GenerationRequest | undefined;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

const MISSING_PROMPT = {
  t2v: 'evolink t2v "a paper boat on a lake at dawn"',
  i2v: 'evolink i2v "the camera slowly zooms in" --image first.jpg',
  ref: 'evolink ref "a boat in the style of image 1" --image style.png',
} as const;

function isText(at: Sourced<unknown>): at is Sourced<string> {
  return typeof at.value === 'string';
}

function resolvePrompt(draft: RequestDraft, findings: Findings): string | undefined {
  const at = draft.prompt;
  if (at === undefined) {
    const message = `is missing: say what the video shows, as in: ${MISSING_PROMPT[draft.operation]}`;
    findings.problems.push({ source: 'prompt', message });
    return undefined;
  }
  if (!isText(at)) {
    findings.problems.push(problemAt(at, 'must be text'));
    return undefined;
  }
  const { value } = at;
  if (!/[^\s\p{C}\p{Z}]/u.test(value)) findings.problems.push(problemAt(at, 'must not be empty'));
  // Neither survives JSON and the service's own parsing unchanged.
  if (/[\0\p{Cs}]/u.test(value)) {
    findings.problems.push(
      problemAt(at, 'holds a broken character (half a character, or NUL); save the text as UTF-8'),
    );
  }
  const counts = {
    image: draft.images?.length ?? 0,
    video: draft.videos?.length ?? 0,
    audio: draft.audios?.length ?? 0,
  };
  checkPrompt(at, { operation: draft.operation, counts }, findings);
  return value;
}

function resolveCallbackUrl(
  draft: RequestDraft,
  options: MediaOptions,
  findings: Findings,
): string | undefined {
  const at = draft.callbackUrl;
  if (at === undefined) return undefined;
  if (typeof at.value !== 'string') {
    findings.problems.push(problemAt(at, 'must be a full https:// URL'));
    return undefined;
  }
  const message = publicUrlProblem(at.value, { schemes: ['https'], allowLoopback: options.allowLoopback });
  const url = message === undefined ? toAsciiUrl(at.value) : at.value;
  if (message !== undefined) findings.problems.push(problemAt(at, message));
  if (url.length > MAX_CALLBACK_URL_CHARACTERS) {
    const limit = `must have at most ${MAX_CALLBACK_URL_CHARACTERS} characters, not ${url.length}`;
    findings.problems.push(problemAt(at, limit));
  }
  return url;
}

function checkBodySize(request: GenerationRequest, findings: Findings): void {
  const sizeBytes = Buffer.byteLength(JSON.stringify(toWireBody(request)));
  if (sizeBytes <= MAX_BODY_BYTES) return;
  const message = `the request is ${Math.ceil(sizeBytes / 1024 / 1024)} MB, at most ${MAX_BODY_BYTES / 1024 / 1024} MB are taken`;
  findings.problems.push({ source: 'request', message });
}

function toRequest(
  draft: RequestDraft,
  options: MediaOptions,
  findings: Findings,
): GenerationRequest | undefined {
  const model = resolveModel(draft, findings);
  const media = resolveMedia(draft, { model, options }, findings);
  const prompt = resolvePrompt(draft, findings);
  const durationSeconds = resolveDuration(draft, model, findings);
  const quality = resolveQuality(draft, model, findings);
  const aspectRatio = resolveAspectRatio(draft, model, findings);
  const settings = {
    generateAudio: resolveBoolean(draft.generateAudio, defaultOf('generateAudio', model), findings),
    contentFilter: resolveBoolean(draft.contentFilter, defaultOf('contentFilter', model), findings),
    webSearch: resolveWebSearch(draft, model, findings),
    callbackUrl: resolveCallbackUrl(draft, options, findings),
  };
  const { id } = model;
  // A wrong setting of a known model is a problem, and then there is no request anyway.
  if (id === undefined || prompt === undefined || findings.problems.length > 0) return undefined;
  const { image: images, video: videos, audio: audios } = media;
  const core = {
    operation: draft.operation,
    model: id,
    tier: model.row?.tier,
    prompt,
    images,
    videos,
    audios,
  };
  return { ...core, durationSeconds, quality, aspectRatio, ...settings };
}

/**
 * Checks a draft against every rule of the API at once and gives the request to send, or all that is wrong with it.
 * Never throws. A model id outside the table is a warning; then only the rules that hold for every model are problems.
 */
export function resolveRequest(draft: RequestDraft, options: ResolveOptions = {}): ResolvedRequest {
  const findings: Findings = { problems: [], warnings: [] };
  const request = toRequest(draft, options, findings);
  if (request !== undefined && findings.problems.length === 0) checkBodySize(request, findings);
  return { ...findings, request: findings.problems.length === 0 ? request : undefined };
}
