import { type Findings, problemAt } from './findings.ts';
import { MAX_BODY_BYTES, MAX_CALLBACK_URL_CHARACTERS } from './limits.ts';
import { REQUEST_DEFAULTS } from './models.ts';
import { checkPrompt } from './prompt-checks.ts';
import { publicUrlProblem, toAsciiUrl } from './public-url.ts';
import { type MediaOptions, resolveMedia } from './resolve-media.ts';
import { resolveModel } from './resolve-model.ts';
import {
  resolveAspectRatio,
  resolveBoolean,
  resolveDuration,
  resolveQuality,
  resolveWebSearch,
} from './resolve-settings.ts';
import type { GenerationRequest, Problem, RequestDraft } from './types.ts';
import { toWireBody } from './wire-body.ts';

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

function resolvePrompt(draft: RequestDraft, findings: Findings): string | undefined {
  const at = draft.prompt;
  if (at === undefined) {
    const message = `is missing: say what the video shows, as in: ${MISSING_PROMPT[draft.operation]}`;
    findings.problems.push({ source: 'prompt', message });
    return undefined;
  }
  const { value, source } = at;
  if (typeof value !== 'string') {
    findings.problems.push(problemAt(at, 'must be text'));
    return undefined;
  }
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
  checkPrompt({ value, source }, { operation: draft.operation, counts }, findings);
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
  const { generateAudio, contentFilter } = REQUEST_DEFAULTS;
  const settings = {
    generateAudio: resolveBoolean(draft.generateAudio, generateAudio, findings),
    contentFilter: resolveBoolean(draft.contentFilter, contentFilter, findings),
    webSearch: resolveWebSearch(draft, model, findings),
    callbackUrl: resolveCallbackUrl(draft, options, findings),
  };
  const { id } = model;
  if (id === undefined || prompt === undefined || durationSeconds === undefined) return undefined;
  if (quality === undefined || aspectRatio === undefined) return undefined;
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
