import { addressKind } from './address-kind.ts';
import { ApiProblem } from './api-problem.ts';
import type { Upload } from './upload-book.ts';
import type { GenerationBody } from './validate-generation.ts';

const MAX_CALLBACK_LENGTH = 2048;
/** Seconds of a reference video that this server cannot look into. */
const ASSUMED_SECONDS = 5;
const MAX_TOTAL_SECONDS = 15;
const MIN_CLIP_SECONDS = 2;

interface MediaRule {
  readonly field: 'image_urls' | 'video_urls' | 'audio_urls';
  readonly mimeTypes: readonly string[];
  readonly maxBytes: number;
}

const MEDIA_RULES: readonly MediaRule[] = [
  { field: 'image_urls', mimeTypes: ['image/jpeg', 'image/png', 'image/webp'], maxBytes: 30_000_000 },
  { field: 'video_urls', mimeTypes: ['video/mp4', 'video/quicktime'], maxBytes: 50_000_000 },
  {
    field: 'audio_urls',
    mimeTypes: ['audio/wav', 'audio/x-wav', 'audio/wave', 'audio/vnd.wave', 'audio/mpeg', 'audio/mp3'],
    maxBytes: 15_000_000,
  },
];

/** An upload, or a clip that this server made. */
export type OwnFile = Pick<Upload, 'mimeType' | 'sizeBytes' | 'seconds'>;

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
  if (own === 'gone') throw invalid(param, `${text} could not be downloaded (404)`);
  if (own !== undefined) return checkOwnFile(own, rule, param);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw invalid(param, `${url.protocol} URLs are not supported; Base64 is not either`);
  }
  if (addressKind(url) !== 'public') throw invalid(param, `${text} cannot be reached by the service`);
  return undefined;
}

function checkOwnFile(file: OwnFile, rule: MediaRule, param: string): number | undefined {
  if (!rule.mimeTypes.includes(file.mimeType))
    throw invalid(param, `${file.mimeType} is not a supported format here`);
  if (file.sizeBytes > rule.maxBytes)
    throw invalid(param, `the file is larger than ${rule.maxBytes / 1_000_000} MB`);
  const { seconds } = file;
  if (rule.field === 'image_urls' || seconds === undefined) return undefined;
  if (seconds < MIN_CLIP_SECONDS || seconds > MAX_TOTAL_SECONDS) {
    throw invalid(
      param,
      `the clip has ${seconds.toFixed(1)} s; ${MIN_CLIP_SECONDS} to ${MAX_TOTAL_SECONDS} s are allowed`,
    );
  }
  return seconds;
}

function checkTotal(field: string, seconds: readonly (number | undefined)[]): void {
  const known = seconds.reduce<number>((sum, each) => sum + (each ?? 0), 0);
  if (known > MAX_TOTAL_SECONDS)
    throw invalid(field, `all clips together have ${known.toFixed(1)} s; at most ${MAX_TOTAL_SECONDS} s`);
}

/**
 * Checks a callback address: HTTPS and public. Loopback is allowed here, over HTTP as well, as it is the only
 * place that this server ever calls.
 * @throws ApiProblem 400
 */
export function checkCallbackUrl(text: string): void {
  if (text.length > MAX_CALLBACK_LENGTH)
    throw invalid('callback_url', `callback_url is longer than ${MAX_CALLBACK_LENGTH} characters`);
  const url = new URL(text);
  const kind = addressKind(url);
  if (kind === 'loopback' && /^https?:$/.test(url.protocol)) return;
  if (url.protocol !== 'https:') throw invalid('callback_url', 'callback_url must use HTTPS');
  if (kind !== 'public') throw invalid('callback_url', 'callback_url must not be an internal address');
}

function invalid(param: string, message: string): ApiProblem {
  return new ApiProblem(400, 'invalid_parameter', message, param);
}
