import { addressKind } from './address-kind.ts';
import { ApiProblem } from './api-problem.ts';
import { checkOwnFile, MEDIA_RULES, type MediaRule, type OwnFile } from './check-own-file.ts';
import type { GenerationBody } from './validate-generation.ts';

const MAX_CALLBACK_LENGTH = 2048;
/** Seconds of a reference video that this server cannot look into. */
const ASSUMED_SECONDS = 5;
/** With what padding adds to coded sounds. */
const MAX_TOTAL_SECONDS = 15.1;

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
  if (own !== undefined) {
    checkOwnFile(own, rule, param);
    return own.facts.seconds;
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw invalid(param, `${url.protocol} URLs are not supported; Base64 is not either`);
  }
  if (addressKind(url) !== 'public') throw invalid(param, `${text} cannot be reached by the service`);
  return undefined;
}

function checkTotal(field: string, seconds: readonly (number | undefined)[]): void {
  const known = seconds.reduce<number>((sum, each) => sum + (each ?? 0), 0);
  if (known > MAX_TOTAL_SECONDS)
    throw invalid(field, `all clips together have ${known.toFixed(1)} s; at most 15 s`);
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
